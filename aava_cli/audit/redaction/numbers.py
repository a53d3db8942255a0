"""Telephone numbers and e-mail addresses, however they are written.

Figures of a log look much the same, so what is known to be none of them is set aside first:
names of calls and responses, times, addresses of hosts, and measures.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from unicodedata import decimal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_TIME_ZONE = r"(?:Z|\s?[+-]\d\d:?\d\d(?!\d))?"
_CLOCK = rf"\d\d[:.-]\d\d[:.-]\d\d(?:[.,]\d{{1,9}})?{_TIME_ZONE}"
_DAY = r"(?:0[1-9]|[12]\d|3[01])"
_MONTH = r"(?:0[1-9]|1[0-2])"
_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
# What a long figure measures; these say so in front of it or behind it.
_MEASURES = (
    r"(?:ms|us|ns|sec|secs|seconds|duration|bytes|size|length|len|frames|samples|tokens|rx|tx"
    r"|count|total|offset|line|lines|seq|pid|rate|rms|ssrc)"
)
_RATES = r"(?:fps|gap|latency|elapsed|avg|mean|min|max|p\d\d|ratio|percent|confidence)"
_UNITS = r"(?:ms|us|µs|ns|bytes|[kMG]i?B|frames|samples|tokens|lines|Hz)"
_MOMENTS = r"(?:[tT]|[tT]0|ts|time|timestamp|epoch|now|at|start|end|[a-z_]{1,32}_(?:at|time|ts))"
_GIVEN = r"[\"']?\s?[=:]\s?[\"']?"

_KEPT = re.compile(
    "|".join(
        (
            # Twilio's names, whole or shortened; the pipeline's; the model's.
            r"(?<![0-9A-Za-z])(?:CA|MZ|AC|SM|RE)[0-9a-f]{6,32}(?![0-9A-Za-z])",
            r"(?<![0-9A-Za-z])SES-[0-9A-Za-z]{8}(?![0-9A-Za-z])",
            r"(?<![0-9A-Za-z])(?:resp|item|event|sess|conv)_[0-9A-Za-z]+",
            r"(?<![0-9A-Fa-f])[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}(?![0-9A-Fa-f])",
            # A channel of Asterisk, by the extension that it is of.
            r"(?<=/)[1-9]\d{1,5}-[0-9a-f]{8}(?![0-9A-Za-z])",
            r"(?<![0-9A-Za-z])(?=\d*[a-f])[0-9a-f]{32,128}(?![0-9A-Za-z])",
            r"(?<![0-9A-Za-z])0x[0-9a-f]+",
            # Times.
            (
                rf"(?<!\d)(?<!\d[-./])(?:19|20)\d\d([-/.]){_MONTH}\1{_DAY}"
                rf"(?:[T _-]{_CLOCK})?(?!\d|-\d)"
            ),
            rf"(?<!\d)(?<!\d[-./]){_DAY}([-/.]){_MONTH}\2(?:19|20)\d\d(?!\d)",
            rf"(?<![\d:])\d{{1,2}}:\d\d:\d\d(?:[.,]\d{{1,9}})?{_TIME_ZONE}(?![\d:])",
            rf"(?<!\d)20\d\d{_MONTH}{_DAY}[T_-]?(?:[01]\d|2[0-3])[0-5]\d[0-5]\d(?!\d)",
            # Seconds since 1970 with a fraction, which is also how Asterisk names calls.
            r"(?<![\d.+])1[4-9]\d{8}\.\d{1,9}(?!\d)",
            rf"(?<!\w){_MOMENTS}{_GIVEN}1[4-9]\d{{8,17}}(?!\d)",
            # Milliseconds since then: numbers of the country code 1 have eleven digits.
            r"(?<![\d+])1[4-9]\d{11}(?!\d)",
            # Addresses of hosts.
            rf"(?<![\d.+]){_OCTET}(?:\.{_OCTET}){{3}}(?!\d|\.\d)",
            # Measures and other numbers in full precision.
            rf"(?:(?<=_)|(?<!\w)){_MEASURES}{_GIVEN}[1-9]\d{{8,18}}(?:\.\d+)?(?![\d(]|[-/ ]\d\d)",
            rf"(?<![\d.+(-])[1-9]\d{{8,18}}(?:\.\d+)?\s?{_UNITS}\b",
            (
                rf"(?:(?<=_)|(?<!\w))(?:{_MEASURES}|{_RATES}){_GIVEN}-?\d{{1,8}}\.\d{{7,18}}"
                r"(?![\d(]|[-/ ]\d\d)"
            ),
            rf"(?<![\w.+(-])\d{{1,6}}\.\d{{7,18}}\s?(?:{_UNITS}\b|s\b|%)",
            r"(?<![\d.+])0\.\d{9,}(?!\d)",
            r"(?<=[=:\[(,])\s?-?\d{1,6}\.\d{10,}(?!\d)",
        )
    )
)
# Between digits: spaces, dashes, brackets and marks of direction, also as a URL has them, and
# what stands where another program or this one could not show such a mark.
_GAP = (
    r"(?:[\s\-_()\u00ad\u2010-\u2015\u2212\uff0d\ufffd\u200b-\u200f\u202a-\u202e\u2060-\u2069]"
    r"|%20|%2[89Dd]|\(0\))"
)
_ANY_GAP = rf"(?:{_GAP}|[./])"
_TELEPHONE = re.compile(
    "|".join(
        (
            # International: whatever is behind the sign.
            (
                rf"(?:\+|%2[Bb]|(?<!\d)00(?={_ANY_GAP}?[1-9])){_ANY_GAP}{{0,2}}"
                rf"\d(?:{_ANY_GAP}{{0,4}}\d){{6,14}}(?!\d)"
            ),
            r"(?:\+|%2[Bb])\d{7,}",
            # With the zero of a trunk.
            rf"(?<!\d)\(?0\d(?:{_ANY_GAP}{{0,4}}\d){{6,11}}(?!\d)(?:-\d{{3,}}(?!\d))*",
            # In groups.
            (
                rf"(?P<gaps>(?<!\d)\(?(?:[1-9]\d{{0,2}}|1[3789]00)\)?"
                rf"(?:{_GAP}{{1,4}}\d{{2,8}}){{1,5}}(?!\d))"
            ),
            r"(?P<dots>(?<![\d.])\(?[1-9]\d{0,2}\)?(?:\.\d{2,8}){2,5}(?!\d|\.\d))",
            # Digit by digit, as it is read out.
            rf"(?<!\d)\d(?:{_GAP}\d){{8,14}}(?!\d)",
            # In one piece: as many digits as E.164 has.
            r"(?<!\d)[1-9]\d{8,14}(?!\d)",
        )
    )
)
_LEAST_DIGITS = 10
_LEAST_DIGITS_BY_DASHES = 9
_SPACED = re.compile(r"\d\s+\d")
_TWO_FIGURES = re.compile(r"\d+ \d+")
# A status and a size are two figures beside each other as well.
_LEAST_DIGITS_IN_TWO = 11
_SPELLED_DIGIT = re.compile(r"\\u003([0-9])")
# A host's address behind the `@` stays: it is no person's.
_EMAIL = re.compile(
    r"(?<![\w.%+*-])(?P<who>[\w.%+*-]++@|[\w.+*-]+%40)(?!sha\d+:)"
    rf"(?:(?={_OCTET}(?:\.{_OCTET}){{3}}(?![\w.]))|[\w-]+(?:\.[\w-]+)*)"
)
# What a number before the `@` has become.
_REPLACED = re.compile(r"(?:\*{3}|caller-[0-9a-f]{6})(?:@|%40)")


def replace_numbers(text: str, replace: Callable[[str], str]) -> str:
    """Return *text* with every telephone number and e-mail address replaced."""

    def hide(found: re.Match[str]) -> str:
        if _REPLACED.fullmatch(found["who"]):
            return found[0]
        address = found[0].removesuffix("@")
        return replace(address) + found[0][len(address) :]

    return _EMAIL.sub(hide, "".join(_replaced(_in_ascii(text), replace)))


def telephone_in(text: str) -> str | None:
    """Return the digits of the first telephone number in *text*, if it has one."""
    found: list[str] = []

    def take(number: str) -> str:
        found.append(number)
        return number

    for _ in _replaced(_in_ascii(text), take):
        if found:
            return "".join(each for each in found[0] if each.isdigit())
    return None


def _in_ascii(text: str) -> str:
    """Return *text* with the digits of every script as 0 to 9, also those that JSON spells out."""
    text = _SPELLED_DIGIT.sub(r"\1", text)
    if text.isascii():
        return text
    return "".join(
        str(decimal(letter)) if letter.isdecimal() else "+" if letter == "\uff0b" else letter
        for letter in text
    )


def _replaced(text: str, replace: Callable[[str], str]) -> Iterator[str]:
    def hide(found: re.Match[str]) -> str:
        return replace(found[0]) if _is_telephone(found) else found[0]

    begin = 0
    # Most lines have nothing that looks like one, and to look for what is none takes longer.
    for kept in _KEPT.finditer(text) if _TELEPHONE.search(text) else ():
        yield _TELEPHONE.sub(hide, text[begin : kept.start()])
        yield kept[0]
        begin = kept.end()
    yield _TELEPHONE.sub(hide, text[begin:])


def _is_telephone(found: re.Match[str]) -> bool:
    """Return whether groups of figures have as many digits as a telephone number in that form."""
    if found["gaps"] is None and found["dots"] is None:
        return True
    digits = sum(letter.isdigit() for letter in found[0])
    if found["dots"]:
        least = _LEAST_DIGITS
    elif _TWO_FIGURES.fullmatch(found[0]):
        least = _LEAST_DIGITS_IN_TWO
    else:
        least = _LEAST_DIGITS if _SPACED.search(found[0]) else _LEAST_DIGITS_BY_DASHES
    return digits >= least

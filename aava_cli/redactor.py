"""Take secrets out of what other programs wrote, however they are written there.

Known secrets go in each of their forms; what nobody knows goes by its looks, and by the name
that it stands under. Rather too much is taken than too little.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from aava_cli.redact import (
    BETWEEN_WORDS,
    HIDDEN,
    LEAST_LETTERS,
    LEAST_LETTERS_OF_A_LINE,
    LOGIN,
    TELLING_ENDS,
    TELLING_WORDS,
    is_secret,
    pieces_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Shorter values of a query are what is asked for, not the proof that it may be.
_LEAST_OF_QUERY = 12
# What `USE_AUTH` may say.
_NO_SECRETS = frozenset({"true", "True", "TRUE", "false", "False", "none", "None", "null"})
_USER_OPTIONS = ("-u", "--user", "--proxy-user")
_QUOTES = "\\\"'"


class Redactor:
    """Takes *secrets*, and all that looks like one, out of texts and of JSON."""

    def __init__(self, secrets: Iterable[str]) -> None:
        whole = {word for each in secrets for word in _words(each)}
        known = (whole | {piece for each in whole for piece in pieces_of(each)}) - _NO_SECRETS
        forms = {form for each in known for form in forms_of(each)}
        self._forms = tuple(sorted(forms, key=len, reverse=True))

    def text(self, text: str) -> str:
        """Return *text* without secrets."""
        for form in self._forms:
            text = text.replace(form, HIDDEN)
        return without_shapes(text)

    def value(self, value: Any, *, hide: bool = False) -> Any:  # noqa: ANN401 - JSON in, JSON out
        """Return *value*, as JSON has it, without secrets; with *hide* all of it is one.

        What stands under the name of a secret is one, and so is the word behind `--token`.
        """
        match value:
            case dict():
                return {self.text(str(key)): each for key, each in self._members(value, hide=hide)}
            case list() | tuple():
                is_pair = len(value) == len(("name", "value"))
                behind = zip((None, *value), value, strict=False)
                return [
                    self.value(each, hide=hide or _announces(before, each, is_pair=is_pair))
                    for before, each in behind
                ]
            case str() if value:
                return HIDDEN if hide else self.text(value)
            case int() | float() if hide and not isinstance(value, bool):
                return HIDDEN
        return value

    def _members(self, members: dict[Any, Any], *, hide: bool) -> Iterator[tuple[str, Any]]:
        # Some lists have `{"name": ..., "value": ...}` for each variable.
        named = is_secret(str(members.get("name", "")))
        for key, each in members.items():
            secret = is_secret(str(key)) or (named and key == "value")
            # How many checks passed is nobody's password.
            counted = key == "pass" and isinstance(each, int)
            yield key, self.value(each, hide=hide or (secret and not counted))


def _words(secret: str) -> Iterator[str]:
    """Yield *secret* and its lines, as far as they are not in every text by chance."""
    whole, lines = secret.strip(), secret.splitlines()
    if len(whole) >= LEAST_LETTERS:
        yield whole
    yield from (each.strip() for each in lines if len(each.strip()) >= LEAST_LETTERS_OF_A_LINE)


def _announces(before: object, word: object, *, is_pair: bool) -> bool:
    """Return whether *before* says that *word* is a secret: an option, or the name of a pair."""
    if not isinstance(before, str) or "=" in before:
        return False
    if before in _USER_OPTIONS and isinstance(word, str):
        return _shapes().user_option.search(f"{before} {word}") is not None
    return is_secret(before) and (is_pair or before.startswith("-"))


def forms_of(secret: str) -> Iterator[str]:
    """Yield how *secret* may be written: as it is, quoted, in an address, in hex and base64."""
    from base64 import b64encode, urlsafe_b64encode
    from json import dumps
    from urllib.parse import quote, quote_plus

    data = secret.encode("utf-8", "surrogateescape")
    escaped = (quote(data, safe=""), quote(data), quote_plus(data))
    yield from (secret, *escaped, *map(_with_small_hex, escaped))
    yield from (dumps(secret)[1:-1], dumps(secret, ensure_ascii=False)[1:-1])
    yield from (secret.replace("'", each) for each in ("''", "'\\''", "'\"'\"'"))
    yield secret.replace("$", "$$")
    yield from (data.hex(), data.hex().upper())
    for encode in (b64encode, urlsafe_b64encode):
        yield from (_core(encode(bytes(before) + data), before) for before in range(3))


def _with_small_hex(quoted: str) -> str:
    return re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), quoted)


def _core(encoded: bytes, before: int) -> str:
    """Return the letters of base64 that depend on none of the bytes *before* and behind."""
    padding = len(encoded) - len(encoded.rstrip(b"="))
    return encoded[(0, 2, 3)[before] : len(encoded) - (padding and padding + 1)].decode()


def secrets_of_text(text: str) -> tuple[str, ...]:
    """Return what *text*, such as that of `.env`, gives to names of secrets, and its addresses."""
    shapes = _shapes()
    found = (*shapes.line.finditer(text), *shapes.named.finditer(text))
    named = (_bare(each["value"]) for each in found)
    return tuple(each for each in (*named, *secrets_of_addresses(text)) if each)


def secrets_of_addresses(text: str) -> Iterator[str]:
    """Yield who asks and by which password, and what is long in queries, of addresses in *text*."""
    from urllib.parse import unquote

    for found in _shapes().user.finditer(text):
        # A name alone is how some services spell a token.
        yield from map(unquote, (found[1], *found[1].split(":")))
    for found in _shapes().query.finditer(text):
        values = (each.partition("=")[2] for each in re.split("[?&;#]", found[2]))
        yield from (unquote(each) for each in values if len(each) >= _LEAST_OF_QUERY)


def without_shapes(text: str) -> str:
    """Return *text* without what looks like a secret, whether anybody knows it or not."""
    shapes = _shapes()
    text = shapes.key.sub(HIDDEN, text)
    text = shapes.user.sub(f"{HIDDEN}@", text)
    text = shapes.query.sub(rf"\1?{HIDDEN}", text)
    text = shapes.header.sub(rf"\1{HIDDEN}", text)
    for shape in (shapes.line, shapes.pair, shapes.named, shapes.option):
        text = shape.sub(_with_hidden_value, text)
    for shape in (shapes.login, shapes.user_option, shapes.connection, shapes.sip):
        text = shape.sub(rf"\1{HIDDEN}", text)
    return shapes.token.sub(HIDDEN, text)


def _with_hidden_value(found: re.Match[str]) -> str:
    value = found["value"]
    if not _bare(value):
        return found[0]
    quote = value[: len(value) - len(value.lstrip(_QUOTES))]
    before = found[0][: found.start("value") - found.start()]
    return f"{before}{quote}{HIDDEN}{quote}"


def _bare(value: str) -> str:
    return value.strip().strip(_QUOTES)


class _Shapes(NamedTuple):
    """What secrets look like: a private key, parts of addresses, values under a name, tokens."""

    key: re.Pattern[str]
    user: re.Pattern[str]
    query: re.Pattern[str]
    header: re.Pattern[str]
    line: re.Pattern[str]
    pair: re.Pattern[str]
    named: re.Pattern[str]
    option: re.Pattern[str]
    login: re.Pattern[str]
    user_option: re.Pattern[str]
    connection: re.Pattern[str]
    sip: re.Pattern[str]
    token: re.Pattern[str]


@cache
def _shapes() -> _Shapes:
    # Few commands need them, and compiling takes longer than most commands.
    end = r"-----END [\w ]*PRIVATE KEY-----"
    before, behind = rf"[\w.-]{{0,80}}{BETWEEN_WORDS}", rf"{BETWEEN_WORDS}[\w.-]{{0,80}}"
    telling = rf"(?:(?:{before})?{TELLING_WORDS}|[\w.-]{{0,80}}{TELLING_ENDS})"
    name = rf"{telling}(?:{behind})?(?![\w.-])"
    users = "|".join(_USER_OPTIONS)
    bare = r"[^\s,;&\"'\\{}\[\]()]"
    quoted = r"""(?P<quote>\\*["'])(?:(?!(?P=quote))(?:\\.|[^\n]))*(?P=quote)"""
    return _Shapes(
        # Of one that was cut off, the end is at the beginning of the text.
        key=re.compile(
            rf"(?s)-----BEGIN [\w ]*PRIVATE KEY-----.*?(?:{end}|\Z)|\A(?:(?!-----BEGIN).)*?{end}"
        ),
        user=re.compile(rf"(?<=://)([^/\s\"'<>]+|{LOGIN})@"),
        query=re.compile(r"(://[^\s\"'<>?#\\]{1,1000})([?#][^\s\"'<>\\]+)"),
        header=re.compile(
            r"(?i)(\b(?:proxy-)?(?:authorization|cookie)\\*[\"']?\s*[:=]\s*)[^\r\n]+"
        ),
        # Every pattern begins where little else does, or long texts would take for ever.
        # A line of `.env` or of YAML, and the same where somebody made a comment of it.
        line=re.compile(
            rf"(?m)^[#\t ]*(?:export[\t ]+|-[\t ]+)?{name}[^\S\n]*[:=][^\S\n]*(?P<value>[^\n]+)$"
        ),
        # Headers are pairs in some logs: `["x-api-key", "..."]`, `(b'x-api-key', b'...')`.
        pair=re.compile(
            rf"[\[(]\s*b?\\*[\"']{name}\\*[\"']\s*,\s*b?(?P<value>{quoted})(?=\s*[\])])"
        ),
        # What stands under a name may be a name itself: `invalid key: secret='...'`.
        named=re.compile(
            rf"(?<![\w.-]){name}\\*[\"']?[^\S\n]*[:=][^\S\n]*"
            rf"(?P<value>(?:{bare}*[:=][^\S\n]*){{0,3}}(?:{quoted}|{bare}+))"
        ),
        option=re.compile(rf"--{name}\s+(?P<value>[^\s-]\S*)"),
        login=re.compile(r"(?i)(\blogin\s+\S+\s+password\s+)\S+"),
        # Digits alone are what containers run as: `--user 1000:1000`.
        user_option=re.compile(
            rf"((?<![\w-])(?:{users})(?:[^\S\n]+|=)[\"']?)(?!\d+:\d+\b)"
            r"[^\s:\"'-][^\s:\"']*:[^\s\"']+"
        ),
        connection=re.compile(r"(?i)(;\s*(?:pwd|password)\s*=\s*)[^;\s\"']+"),
        sip=re.compile(r"(?i)(\bsips?:[^\s:@/;<>]{1,200}:)[^\s@]{1,200}(?=@)"),
        # Of web hooks and bots the address is the secret.
        token=re.compile(
            r"/services/T\w+/B\w+/\w+|/bot\d+:[\w-]{16,}|"
            r"(?<![\w-])(?:"
            r"(?:hf|ghp|gho|ghs|github_pat|glpat|gsk|npm|sk|rk|xox[abp])[_-][\w-]{16,}"
            r"|AIza[\w-]{24,}|pypi-AgEI[\w-]+|AKIA[0-9A-Z]{16}|eyJ[\w-]+\.[\w-]+\.[\w-]*"
            r"|(?i:bearer|basic)\s+(?=\S*\d)[\w+/=.~-]{8,})"
        ),
    )

"""Telephone numbers stay out of reports, however they are written; names get a pseudonym."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aava_cli.audit.redaction import answers_to, shown_name, without_people
from aava_cli.audit.report.showing import Showing
from tests.audit.logs import Names

if TYPE_CHECKING:
    from collections.abc import Callable

GAPS = (" ", "-", ".", "\u00a0", "\u2011", "\u2013", "\u202f", "%20", "_", " - ", "\u200e")
NUMBERS = st.one_of(
    st.from_regex(r"9725[024][0-9]{7}", fullmatch=True),
    st.from_regex(r"1[2-9][0-9]{2}[2-9][0-9]{6}", fullmatch=True),
    st.from_regex(r"447[0-9]{9}", fullmatch=True),
    st.from_regex(r"20(?:10|11|12)[0-9]{8}", fullmatch=True),
)


def pieces(number: str) -> tuple[str, str, str, str]:
    """Return the country of *number*, and the rest in three groups."""
    country = 1 if number[0] == "1" else 2 if number[:2] in ("44", "20") else 3
    rest = number[country:]
    area = len(rest) - 7
    return number[:country], rest[:area], rest[area : area + 3], rest[area + 3 :]


FORMS: tuple[Callable[[str, str], str], ...] = (
    lambda number, _gap: number,
    lambda number, _gap: f"+{number}",
    lambda number, _gap: f"00{number}",
    lambda number, _gap: f"%2B{number}",
    lambda number, _gap: "0" + "".join(pieces(number)[1:]),
    lambda number, gap: f"+{gap.join(pieces(number))}",
    lambda number, gap: gap.join(pieces(number)),
    lambda number, gap: "0" + gap.join(pieces(number)[1:]),
    lambda number, gap: "(0{1}){0}{2}{0}{3}".format(gap, *pieces(number)[1:]),
    lambda number, gap: "0{1}{0}{2}{3}".format(gap, *pieces(number)[1:]),
    lambda number, gap: "+{1} ({2}) {3}{0}{4}".format(gap, *pieces(number)),
    lambda number, _gap: number.translate({48 + each: 0x660 + each for each in range(10)}),
)
AROUND = (
    "{}",
    "dial {}.",
    "{}: busy",
    "phone {}, then",
    "tel:{}",
    "sip:{}@trunk",
    "sip:{}@host.example:5060",
    "client:{}",
    "call_{}_x",
    "PJSIP/{}",
    "Local/{}@from-internal",
    '"{}"',
    "({})",
    "wa.me/{}?text=hi",
    "Tool failed call_id={} component=x",
    '{{"event": "transfer to {} failed", "level": "error"}}',
    '{{"caller_number": "{}", "level": "error"}}',
    "{{'error': 'no route to {}'}}",
)


@settings(deadline=None)
@given(NUMBERS, st.sampled_from(FORMS), st.sampled_from(GAPS), st.sampled_from(AROUND))
def test_telephone_numbers_never_survive(
    number: str, form: Callable[[str, str], str], gap: str, around: str
) -> None:
    """Not even the greater part of one, however it is written and whatever is around it."""
    line = around.format(form(number, gap))
    for shown in (without_people(line), Showing(redact=True).line(line.encode())):
        left = "".join(re.findall(r"\d", shown))
        assert len(left) < 5, (line, shown)


@settings(deadline=None)
@given(NUMBERS, st.sampled_from(FORMS[:5]), st.integers(0, 14), st.sampled_from([256, 1024]))
def test_number_at_the_end_of_a_cut_line_does_not_survive(
    number: str, form: Callable[[str, str], str], kept: int, size: int
) -> None:
    """However many of its digits are left."""
    cut = f" {form(number, '')}"[: kept + 1]
    line = "x" * (size - len(cut)) + cut
    assert not re.search(r"\d", Showing(redact=True).line(line.encode()))


@settings(deadline=None)
@given(NUMBERS, st.sampled_from(["{}", "PJSIP/{}-00000001", "/var/log/{}.log", "{}@trunk"]))
def test_names_have_a_stable_pseudonym(number: str, around: str) -> None:
    """The same in every form of the number; who knows the number finds the call by it."""
    name = around.format(number)
    shown = shown_name(name)
    assert number not in shown
    assert "caller-" in shown
    assert shown == shown_name(shown) == shown_name(name)
    if "@" not in around:
        assert shown == shown_name(around.format(f"+{number}"))
        national = "0" + "".join(pieces(number)[1:])
        for wanted in (name, name[:-2], shown, f"+{number}", "-".join(pieces(number)), national):
            assert answers_to(name, wanted)
    assert not answers_to(name, "1783366240")
    assert not answers_to("CA" + "0" * 32, number)


@pytest.mark.parametrize("name", [Names(7).call, Names(7).stream, "SES-12345678", "1783366240.102"])
def test_names_of_calls_stay(name: str) -> None:
    """They are nobody's number."""
    assert name == shown_name(name)

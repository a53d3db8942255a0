"""Patterns of a marker pack end soon on every line."""

from __future__ import annotations

import pytest

from aava_cli.audit.patterns import compiled

PATTERNS = (
    r"[(*+]x",
    r"\(a\)*",
    "(?:abc)+x",
    "a{",
    "a{,3}",
    "a{2}b{3,}",
    "(?:a*)?b*",
    r"[^\]]*x",
    "[]|]*x",
    "(?P<x>a+) .*? (?P<y>.*)",
    "(?#x*)a+",
    "(?=.*?x)y",
    r"status=(?P<status>\w+)(?:.*? 'reason': '(?P<reason>\w+)')?",
    r".{0,16} - Completed in (?P<ms>\d+(?:\.\d+)?) ms",
    r"[^\w]{0,12}.{0,40}?Found (?P<slots>\d+) available slot",
    "(?:ab){1000}c",
    "(?:one|two|three) of (?:four|five)",
    r"\x41*\00?(?>b*)c",
    "a(?#x)*b",
    "(?i:start)",
)
SLOW = (
    "(a+)+b",
    "(?:a?a?)*b",
    "(a|b){2,5}",
    "(?:x(?:y|z))+",
    "(?:[^]|]a*)*",
    ".*.*Q",
    ".*a.*b.*cd",
    "(?:.*a.*b.*cd)?",
    ".*a(?:.*b.*cd){1}",
    ".*a.*b",
    ".*?a.*?b",
    r".*?a(\w+)'",
    "a?" * 26 + "a" * 26,
    "(?:a|a)" * 20 + "b",
    ".{0,255}a.{0,255}b.{0,255}c",
    "(?:a{0,255}){0,1}(?:a{0,255})(?:a{0,255})b",
    r"(?:.{1,200}?\s)?.{0,200}\s.{0,200}\sx",
    ".*(?=a*).*b",
    r".*\b.*b",
    ".*(?#c).*b",
    "(?:a.*|b.*)c.*d",
    "(?i:a*)A*b",
    "é*.*é*b",
)
ANYWHERE = (r'call_id(?:=|": ?")\'?([\w.:/@+-]+)', r'"?call\s{0,3}[=:]\s{0,3}(\w+)')
SLOW_ANYWHERE = ("[a-z]+=([a-z]+)", "call.*=([a-z]+)", "[a-z]{0,200}=([a-z]+)")


@pytest.mark.parametrize("text", PATTERNS)
def test_pattern_that_ends_soon_is_taken(text: str) -> None:
    """Signs in classes, escaped ones and comments repeat nothing."""
    assert text.encode() == compiled(text, "x").pattern


@pytest.mark.parametrize("text", SLOW)
def test_pattern_that_could_hang_is_refused(text: str) -> None:
    """It would go back over and over on a line that it does not fit."""
    with pytest.raises(ValueError, match="repeats"):
        compiled(text, "x")


@pytest.mark.parametrize("text", [*SLOW_ANYWHERE, *SLOW])
def test_pattern_that_is_looked_for_at_each_byte_has_to_end_sooner(text: str) -> None:
    """A line may have a megabyte."""
    with pytest.raises(ValueError, match=r"`anywhere`: .* repeats"):
        compiled(text, "`anywhere`", is_anywhere=True)
    assert all(compiled(each, "x", is_anywhere=True) for each in ANYWHERE)


def test_pattern_in_front_of_fields_has_to_end_at_once() -> None:
    """They are looked for in the whole line, each time."""
    assert compiled("[^a-z]{0,12}x", "x", is_followed=True)
    for text in ("[^a-z]{0,99}", "a*"):
        with pytest.raises(ValueError, match="repeats"):
            compiled(text, "x", is_followed=True)


@pytest.mark.parametrize("text", ["(?i)a", "(?x:a b)", r"(a)\1", "(a", "(?:" * 5000 + ")" * 5000])
def test_pattern_that_cannot_be_judged_is_refused(text: str) -> None:
    """With the name of what has it."""
    with pytest.raises(ValueError, match="marker `echo`: "):
        compiled(text, "marker `echo`")

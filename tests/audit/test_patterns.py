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
)


@pytest.mark.parametrize("text", PATTERNS)
def test_pattern_that_ends_soon_is_taken(text: str) -> None:
    """Signs in classes, escaped ones and comments repeat nothing."""
    assert text.encode() == compiled(text).pattern


@pytest.mark.parametrize("text", SLOW)
def test_pattern_that_could_hang_is_refused(text: str) -> None:
    """It would go back over and over on a line that it does not fit."""
    with pytest.raises(ValueError, match="repeats"):
        compiled(text)

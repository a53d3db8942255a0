"""Spans of time as people write them."""

from __future__ import annotations

import pytest

from aava_cli.ages import parse_span
from aava_cli.errors import UsageError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *(("0", 0), ("0d", 0), ("90s", 90), ("5 min", 300), ("5m", 300)),
        *(("12h", 43_200), ("7D", 604_800), ("2w", 1_209_600)),
    ],
)
def test_spans(text: str, seconds: int) -> None:
    """A number and a unit."""
    assert seconds == parse_span(text)


@pytest.mark.parametrize("text", ["", "7", "d", "-1d", "7 years", "1.5h"])
def test_what_is_no_span(text: str) -> None:
    """A number without a unit could be anything."""
    with pytest.raises(UsageError):
        parse_span(text)

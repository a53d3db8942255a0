"""Spans of time as people write them."""

from __future__ import annotations

import re

from aava_cli.errors import UsageError

_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_SPAN = re.compile(r"(\d+)\s*([a-z]*)")


def parse_span(text: str) -> int:
    """Return the seconds that *text* means: `90s`, `30min`, `12h`, `7d`, `2w`; `0` is none.

    Raises:
        UsageError: it is no span of time.
    """
    found = _SPAN.fullmatch(text.strip().lower())
    if found is None or (found[2] not in _UNITS and int(found[1])):
        hint = "write a number with a unit: `90s`, `30min`, `12h`, `7d`"
        raise UsageError(f"`{text}` is no span of time", hint=hint)
    return int(found[1]) * _UNITS.get(found[2], 0)

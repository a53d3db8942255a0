"""When a line was printed, as whoever collected it says."""

from __future__ import annotations

import re

# What the collector or the logger put in front; a time in the message is another.
_TIME = re.compile(
    rb"(?:[\w.-]+ *\| *)?(?:- )?[\[(]?(?:"
    rb"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?)"
    rb"|([A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d+)?)"
    rb"|(\d\d:\d\d:\d\d) [\w.-]+ *\| "
    rb")"
)


def time_of(line: bytes) -> str | None:
    """Return the time that stands in front of *line*, or None."""
    found = _TIME.match(line)
    return found[found.lastindex or 0].decode() if found else None

"""Read what a line says behind a tag: which marker it is, and its fields."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from aava_cli.audit.markers import DISTINCT_BYTES, NAMES, Event

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aava_cli.audit.markers import Marker

# Log lines shorten the name of a response to so many characters, or to fewer.
RESPONSE_BYTES = 20


class _Group(NamedTuple):
    """Where one marker's fields are among all groups of a pattern."""

    marker: Marker
    fields: tuple[tuple[str, int], ...]
    ids: tuple[str, ...]


class Reader:
    """Reads the markers whose tags begin alike: one pattern, of which a group is one marker."""

    def __init__(self, markers: Iterable[Marker]) -> None:
        parts: list[bytes] = []
        self._groups: dict[int, _Group] = {}
        count = 1
        for number, marker in enumerate(markers):
            # The names of groups have to differ between markers.
            pattern = marker.pattern.pattern.replace(b"(?P<", b"(?P<m%d_" % number)
            parts.append(b"(?P<m%d>%b)" % (number, pattern))
            fields = marker.pattern.groupindex
            named = tuple((name, count + index) for name, index in fields.items())
            ids = tuple(kind for kind in NAMES if kind in fields)
            self._groups[count] = _Group(marker, named, ids)
            count += 1 + marker.pattern.groups
        self._pattern = re.compile(b"|".join(parts))

    def read(self, said: bytes) -> Event | None:
        """Return the event that *said* begins with; None where it is no marker."""
        found = self._pattern.match(said)
        if found is None:
            return None
        marker, named, ids = self._groups[found.lastindex or 0]
        if not named:
            return Event(marker)
        fields: dict[str, Any] = {name: found[index] for name, index in named}
        for name in marker.numbers:
            if fields[name] is not None:
                fields[name] = float(fields[name])
        response = fields.get("response")
        if response is not None:
            response = response[:RESPONSE_BYTES]
        return Event(marker, tuple([(kind, fields[kind]) for kind in ids]), response, fields)


def readers(by_tag: Mapping[bytes, list[Marker]]) -> dict[bytes, Reader]:
    """Return what reads each tag, by the bytes that it begins with."""
    alike: dict[bytes, list[Marker]] = defaultdict(list)
    for tag in sorted(by_tag, key=len, reverse=True):
        alike[tag[:DISTINCT_BYTES]] += by_tag[tag]
    return {begin: Reader(markers) for begin, markers in alike.items()}

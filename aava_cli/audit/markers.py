"""Find the lines that matter in a block, before anything is decoded, and read their fields.

A marker is what the pipeline prints at a moment that counts. It begins with its *tag*, a
literal that may stand anywhere in a line; the tags are looked for over whole blocks, and only
where one stands is its pattern tried.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping  # noqa: TC003 - a field of a named tuple
from dataclasses import dataclass
from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Phase: TypeAlias = Literal["live", "end", "run"]
"""When a marker comes: while the call goes on, while it is taken down, or of no call at all."""
Role: TypeAlias = Literal["open", "close", "done"]
"""What a marker says of the call's life: it begins, it ends, nothing comes behind."""
Hit: TypeAlias = "tuple[int, Event, bytes | None]"
"""Where a tag stands, what it says, and the beginning of the name of the response it is about."""

NAMES = ("call", "stream", "session")
IDENTITIES = (*NAMES, "response")
# Log lines shorten the name of a response to 20 characters, or to 15.
_RESPONSE_BYTES = 15
_NAME = re.compile(rb"[\w-]+")
# No tag is shorter.
DISTINCT_BYTES = 4
_NO_FIELDS: Mapping[str, Any] = MappingProxyType({})

# A marker's fields are near its tag; a line of megabytes is not read again for each tag in it.
_REACH_BYTES = 4096
# Lines repeat themselves: what was read once is remembered, until it is this much.
_REMEMBERED = 16_384
# Marks that only steer the direction of text, and the byte order mark (Unicode 16, ch. 23).
_INVISIBLE = dict.fromkeys([*range(0x200B, 0x2010), *range(0x202A, 0x202F), 0xFEFF])
_INVISIBLE |= dict.fromkeys(range(0x2066, 0x206A))


@dataclass(frozen=True, slots=True)
class Marker:
    """One kind of line; *pattern* begins with *tag* and has a group for each field."""

    kind: str
    tag: bytes
    pattern: re.Pattern[bytes]
    channel: str
    phase: Phase
    role: Role | None = None
    is_alarm: bool = False


class Event(NamedTuple):
    """A marker with what its fields said, as printed.

    *ids* name the call, and *response* is the beginning of the name of one of its responses. A
    field is bytes, or None where it may be missing.
    """

    kind: str
    marker: Marker
    ids: tuple[tuple[str, bytes], ...]
    response: bytes | None
    fields: Mapping[str, Any]

    def number(self, name: str) -> float | None:
        """Return the field *name* as a number; None where the line has none."""
        value = self.fields.get(name)
        try:
            return None if value is None else float(value)
        except ValueError:
            return None

    def text(self, name: str) -> str:
        """Return the field *name* as text, without marks that nobody sees; empty for none."""
        text = (self.fields.get(name) or b"").decode("utf-8", "replace")
        return text.translate(_INVISIBLE).strip()


class Finder:
    """Finds the events of a set of markers in blocks of lines."""

    def __init__(
        self,
        markers: Iterable[Marker],
        elsewhere: re.Pattern[bytes] | None = None,
        response_key: bytes | None = None,
    ) -> None:
        self._by_tag: dict[bytes, list[Marker]] = defaultdict(list)
        for marker in markers:
            self._by_tag[marker.tag].append(marker)
        self._searches = tuple(_searches(self._by_tag))
        self._readers = _readers(self._by_tag)
        self._elsewhere = elsewhere
        self._response_key = response_key
        self._remembered: dict[bytes, Event | None] = {}

    def find(self, data: bytes) -> list[Hit]:
        """Return the events in *data* in their order."""
        hits: list[Hit] = []
        end = -1
        remembered, key = self._remembered, self._response_key
        for position in self._positions(data):
            if position > end:
                end = data.find(b"\n", position)
                if end < 0:
                    end = len(data)
            reach = end if end - position < _REACH_BYTES else position + _REACH_BYTES
            said = data[position:reach]
            response = None
            if key is not None and (found := said.find(key)) >= 0:
                response, said = _without_response(said, found + len(key))
            event = remembered[said] if said in remembered else self._read(said)
            if event is not None:
                hits.append((position, event, response or event.response))
        if self._elsewhere is not None:
            return [(at, self._named(data, at, event), named) for at, event, named in hits]
        return hits

    def _positions(self, data: bytes) -> list[int]:
        found = [each for search in self._searches if (each := search(data))]
        return sorted(chain.from_iterable(found)) if len(found) != 1 else found[0]

    def _read(self, said: bytes) -> Event | None:
        if len(self._remembered) >= _REMEMBERED:
            self._remembered.clear()
        event = self._readers[said[:DISTINCT_BYTES]].read(said)
        self._remembered[said] = event
        return event

    def _named(self, data: bytes, position: int, event: Event) -> Event:
        """Return *event* with the call that its line names in front of the tag, or behind."""
        if event.ids or event.marker.phase == "run" or self._elsewhere is None:
            return event
        start = data.rfind(b"\n", 0, position) + 1
        end = data.find(b"\n", position)
        found = self._elsewhere.search(data, start, end if end >= 0 else len(data))
        return event._replace(ids=(("call", found[1]),)) if found else event


def _without_response(said: bytes, begin: int) -> tuple[bytes, bytes]:
    """Return the beginning of the name at *begin*, and *said* without the name.

    Hardly a line would be like another with the name in it.
    """
    found = _NAME.match(said, begin)
    end = found.end() if found else begin
    return said[begin : min(end, begin + _RESPONSE_BYTES)], said[:begin] + said[end:]


class _Group(NamedTuple):
    """Where one marker's fields are among all groups of a pattern."""

    marker: Marker
    begin: int
    end: int
    names: tuple[str, ...]
    ids: tuple[str, ...]


class _Reader:
    """Reads the markers whose tags begin alike: one pattern, of which a group is one marker."""

    def __init__(self, markers: Iterable[Marker]) -> None:
        parts: list[bytes] = []
        self._groups: dict[int, _Group] = {}
        count = 0
        for number, marker in enumerate(markers):
            # The names of groups have to differ between markers.
            pattern = marker.pattern.pattern.replace(b"(?P<", b"(?P<m%d_" % number)
            parts.append(b"(?P<m%d>%b)" % (number, pattern))
            begin, count = count + 1, count + 1 + marker.pattern.groups
            names = tuple(marker.pattern.groupindex)
            ids = tuple(kind for kind in NAMES if kind in names)
            self._groups[begin] = _Group(marker, begin, count, names, ids)
        self._pattern = re.compile(b"|".join(parts))

    def read(self, said: bytes) -> Event | None:
        """Return the event that *said* begins with; None where it is no marker."""
        found = self._pattern.match(said)
        if found is None:
            return None
        # The group around a marker is closed last.
        marker, begin, end, names, ids = self._groups[found.lastindex or 0]
        if begin == end:
            return Event(marker.kind, marker, (), None, _NO_FIELDS)
        fields = dict(zip(names, found.groups()[begin:end], strict=False))
        named = tuple((kind, fields[kind]) for kind in ids) if ids else ()
        response = fields.get("response")
        return Event(marker.kind, marker, named, response and response[:_RESPONSE_BYTES], fields)


def _readers(by_tag: Mapping[bytes, list[Marker]]) -> dict[bytes, _Reader]:
    alike: dict[bytes, list[Marker]] = defaultdict(list)
    for tag in sorted(by_tag, key=len, reverse=True):
        alike[tag[:DISTINCT_BYTES]] += by_tag[tag]
    return {begin: _Reader(markers) for begin, markers in alike.items()}


class _Bracketed:
    """Looks for several tags that begin with the same byte, which the library skips to."""

    def __init__(self, tags: Iterable[bytes]) -> None:
        longest_first = sorted(tags, key=len, reverse=True)
        first, rests = longest_first[0][:1], [tag[1:] for tag in longest_first]
        self._pattern = re.compile(
            re.escape(first) + b"(?:" + b"|".join(map(re.escape, rests)) + b")"
        )

    def __call__(self, data: bytes) -> list[int]:
        return [found.start() for found in self._pattern.finditer(data)]


class _Single:
    """Looks for one tag that begins as no other does."""

    def __init__(self, tag: bytes) -> None:
        self._tag = tag

    def __call__(self, data: bytes) -> list[int]:
        found = []
        position = data.find(self._tag)
        while position >= 0:
            found.append(position)
            position = data.find(self._tag, position + len(self._tag))
        return found


def _searches(tags: Iterable[bytes]) -> Iterator[_Bracketed | _Single]:
    by_first: dict[bytes, list[bytes]] = defaultdict(list)
    for tag in tags:
        by_first[tag[:1]].append(tag)
    for group in by_first.values():
        yield _Single(group[0]) if len(group) == 1 else _Bracketed(group)

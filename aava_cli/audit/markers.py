"""Find the lines that matter in a block, before anything is decoded, and read their fields.

A marker is what the pipeline prints at a moment that counts. It begins with its *tag*, a
literal that may stand anywhere in a line; the tags are looked for over whole blocks, and only
where one stands is its pattern tried.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Phase: TypeAlias = Literal["live", "end", "run"]
"""When a marker comes: while the call goes on, while it is taken down, or of no call at all."""
Role: TypeAlias = Literal["open", "close", "done"]
"""What a marker says of the call's life: it begins, it ends, nothing comes behind."""
Hit: TypeAlias = "tuple[int, Event]"

IDENTITIES = ("call", "stream", "session", "response")

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


@dataclass(frozen=True, slots=True)
class Event:
    """A marker with what its fields said: *ids* name the call, *fields* are as printed."""

    marker: Marker
    ids: tuple[tuple[str, bytes], ...]
    fields: Mapping[str, bytes]

    def number(self, field: str) -> float | None:
        """Return *field* as a number; None where the line has none."""
        value = self.fields.get(field)
        try:
            return None if value is None else float(value)
        except ValueError:
            return None

    def text(self, field: str) -> str:
        """Return *field* as text, without marks that nobody sees; empty where there is none."""
        text = self.fields.get(field, b"").decode("utf-8", "replace")
        return text.translate(_INVISIBLE).strip()


class Finder:
    """Finds the events of a set of markers in blocks of lines."""

    def __init__(self, markers: Iterable[Marker], elsewhere: re.Pattern[bytes] | None) -> None:
        self._by_tag: dict[bytes, list[Marker]] = defaultdict(list)
        for marker in markers:
            self._by_tag[marker.tag].append(marker)
        self._searches = tuple(_searches(self._by_tag))
        self._elsewhere = elsewhere
        self._remembered: dict[bytes, Event | None] = {}

    def find(self, data: bytes) -> list[Hit]:
        """Return the events in *data* in their order, each with where its tag stands."""
        hits: list[Hit] = []
        end = -1
        remembered = self._remembered
        for position, tag in self._tags(data):
            if position > end:
                end = data.find(b"\n", position)
                if end < 0:
                    end = len(data)
            said = data[position : min(end, position + _REACH_BYTES)]
            try:
                event = remembered[said]
            except KeyError:
                event = self._read(tag, said)
            if event is not None:
                hits.append((position, event))
        if self._elsewhere is not None:
            return [(position, self._named(data, position, event)) for position, event in hits]
        return hits

    def _tags(self, data: bytes) -> list[tuple[int, bytes]]:
        found = [hits for search in self._searches if (hits := search(data))]
        return sorted(chain.from_iterable(found)) if len(found) != 1 else found[0]

    def _read(self, tag: bytes, said: bytes) -> Event | None:
        if len(self._remembered) >= _REMEMBERED:
            self._remembered.clear()
        event = next((_event(marker, found) for marker, found in self._tried(tag, said)), None)
        self._remembered[said] = event
        return event

    def _tried(self, tag: bytes, said: bytes) -> Iterator[tuple[Marker, re.Match[bytes]]]:
        for marker in self._by_tag[tag]:
            if found := marker.pattern.match(said):
                yield marker, found

    def _named(self, data: bytes, position: int, event: Event) -> Event:
        """Return *event* with the call that its line names in front of the tag, or behind."""
        if event.ids or event.marker.phase == "run" or self._elsewhere is None:
            return event
        start = data.rfind(b"\n", 0, position) + 1
        end = data.find(b"\n", position)
        found = self._elsewhere.search(data, start, end if end >= 0 else len(data))
        ids = (("call", found[1]),) if found else ()
        return Event(event.marker, ids, event.fields)


def _event(marker: Marker, found: re.Match[bytes]) -> Event:
    said = {name: value for name, value in found.groupdict().items() if value is not None}
    ids = tuple((kind, said.pop(kind)) for kind in IDENTITIES if kind in said)
    return Event(marker, ids, said)


class _Bracketed:
    """Looks for several tags that begin with the same byte, which the library skips to."""

    def __init__(self, tags: Iterable[bytes]) -> None:
        longest_first = sorted(tags, key=len, reverse=True)
        first, rests = longest_first[0][:1], [tag[1:] for tag in longest_first]
        self._pattern = re.compile(
            re.escape(first) + b"(?:" + b"|".join(map(re.escape, rests)) + b")"
        )

    def __call__(self, data: bytes) -> list[tuple[int, bytes]]:
        return [(found.start(), found[0]) for found in self._pattern.finditer(data)]


class _Single:
    """Looks for one tag that begins as no other does."""

    def __init__(self, tag: bytes) -> None:
        self._tag = tag

    def __call__(self, data: bytes) -> list[tuple[int, bytes]]:
        found = []
        position = data.find(self._tag)
        while position >= 0:
            found.append((position, self._tag))
            position = data.find(self._tag, position + len(self._tag))
        return found


def _searches(tags: Iterable[bytes]) -> Iterator[_Bracketed | _Single]:
    by_first: dict[bytes, list[bytes]] = defaultdict(list)
    for tag in tags:
        by_first[tag[:1]].append(tag)
    for group in by_first.values():
        yield _Single(group[0]) if len(group) == 1 else _Bracketed(group)

"""Where in the log something was seen, with the lines around it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aava_cli.audit.blocks import Block

KEPT_PLACES = 5
_LONGEST_LINE = 1024
_LONGEST_TIME = 96
_TIME = re.compile(
    rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?"
    rb"|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d"
    rb"|^\d\d:\d\d:\d\d"
)


@dataclass(slots=True)
class Place:
    """One line of the log: *offset* is that of its first byte, *line* counts from 1.

    *time* is what the collector wrote, or None. *after* grows until it holds enough lines.
    """

    source: str
    line: int
    offset: int
    time: str | None
    before: list[bytes]
    text: bytes
    after: list[bytes] = field(default_factory=list)


class Sightings:
    """The first few places where something was seen, and how often it was seen in all."""

    __slots__ = ("count", "places")

    def __init__(self) -> None:
        self.count = 0
        self.places: list[Place] = []

    def add(self, here: Here) -> None:
        """Count what is *here*, and keep where it was while there is room."""
        self.count += 1
        if len(self.places) < KEPT_PLACES:
            self.places.append(here.place())

    def add_place(self, place: Place) -> None:
        """Count what was at *place*, which was kept before it meant anything."""
        self.count += 1
        if len(self.places) < KEPT_PLACES:
            self.places.append(place)


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Neighbouring lines of one source; the first is number *line*."""

    source: str
    line: int
    lines: tuple[bytes, ...]


def excerpts(places: Iterable[Place]) -> tuple[Excerpt, ...]:
    """Return the lines around *places*, those that overlap or touch as one."""
    numbered: dict[tuple[str, int], bytes] = {}
    for place in places:
        first = place.line - len(place.before)
        around = (*place.before, place.text, *place.after)
        numbered |= {(place.source, first + index): text for index, text in enumerate(around)}
    return tuple(_runs(sorted(numbered.items())))


def _runs(numbered: list[tuple[tuple[str, int], bytes]]) -> Iterable[Excerpt]:
    begin = 0
    for index, ((before, _), (after, _)) in enumerate(pairwise(numbered), start=1):
        if after != (before[0], before[1] + 1):
            yield _run(numbered[begin:index])
            begin = index
    if numbered:
        yield _run(numbered[begin:])


def _run(numbered: list[tuple[tuple[str, int], bytes]]) -> Excerpt:
    (source, line), _ = numbered[0]
    return Excerpt(source, line, tuple(text for _, text in numbered))


class Here:
    """Where the reader is; what it knows of the lines around is found out only when asked."""

    def __init__(self, context_lines: int) -> None:
        self._context = context_lines
        self._tail: list[bytes] = []
        self._open: list[Place] = []
        self._last: Place | None = None
        self._counted = (0, 0)
        self.source = ""
        self.position = 0
        self.block: Block | None = None

    def enter(self, source: str, block: Block) -> None:
        """Go on with *block* of *source*; places that lack lines after them get these."""
        if source != self.source:
            self._tail, self._open = [], []
        self.source, self.block, self.position, self._last = source, block, 0, None
        self._counted = (0, 0)
        if self._open:
            for place in self._open:
                place.after += _next_lines(block.data, 0, self._context - len(place.after))
            self._open = [each for each in self._open if len(each.after) < self._context]

    def leave(self) -> None:
        """Remember the last lines of the block, for places in the next one."""
        if self.block is not None and self._context:
            lines = _last_lines(self.block.data, len(self.block.data), self._context)
            self._tail = (self._tail + lines)[-self._context :]

    def _index_of(self, start: int) -> int:
        """Return how many lines of the block are before *start*, counted on from the last time."""
        if self.block is None:
            return 0
        before, index = self._counted
        if before > start:
            before, index = 0, 0
        index += self.block.data.count(b"\n", before, start)
        self._counted = (start, index)
        return index

    def place(self) -> Place:
        """Return where the reader is, with the lines around it."""
        block = self.block
        if block is None:
            raise RuntimeError("nothing is being read")
        data = block.data
        start = data.rfind(b"\n", 0, self.position) + 1
        line, offset = block.origin(start, self._index_of(start))
        if self._last is not None and self._last.offset == offset:
            return self._last
        before = _last_lines(data, start, self._context)
        missing = self._context - len(before)
        if missing and start >= 0:
            before = (self._tail[-missing:] if missing else []) + before
        text = _next_lines(data, start, 1)
        end = data.find(b"\n", self.position)
        after = _next_lines(data, end + 1, self._context) if end >= 0 else []
        time = _TIME.search(data, start, start + _LONGEST_TIME)
        place = Place(
            self.source,
            line,
            offset,
            time[0].decode() if time else None,
            before,
            text[0] if text else b"",
            after,
        )
        if len(after) < self._context:
            self._open.append(place)
        self._last = place
        return place


def _last_lines(data: bytes, end: int, count: int) -> list[bytes]:
    """Return the last *count* whole lines of *data* before *end*, where a line begins."""
    start = end
    for _ in range(count):
        if start <= 0:
            break
        start = data.rfind(b"\n", 0, start - 1) + 1
    return _cut(data[start:end])


def _next_lines(data: bytes, start: int, count: int) -> list[bytes]:
    end = start
    for _ in range(count):
        found = data.find(b"\n", end)
        if found < 0:
            end = len(data)
            break
        end = found + 1
    return _cut(data[start:end])


def _cut(data: bytes) -> list[bytes]:
    if not data:
        return []
    return [line[:_LONGEST_LINE] for line in data.removesuffix(b"\n").split(b"\n")]

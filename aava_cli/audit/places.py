"""Where in the log something was seen, with the lines around it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING
from weakref import ReferenceType, ref

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from aava_cli.audit.blocks import Block

KEPT_PLACES = 5
_LONGEST_LINE = 1024
_LONGEST_TIME = 96
_TIME = re.compile(
    rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?"
    rb"|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d"
    rb"|^\d\d:\d\d:\d\d"
)


@dataclass(slots=True, weakref_slot=True, eq=False)
class Place:
    """One line of the log: *offset* is that of its first byte, *line* counts from 1.

    The lines around it are kept as they stand, because hardly any place is ever shown.
    """

    source: str
    line: int = 0
    offset: int = 0
    text: bytes = b""
    lines_before: bytes = b""
    lines_after: bytes = b""

    @property
    def time(self) -> str | None:
        """Return what the collector wrote, or None."""
        found = _TIME.search(self.text, 0, _LONGEST_TIME)
        return found[0].decode() if found else None

    @property
    def before(self) -> list[bytes]:
        """Return the lines before it, the nearest last."""
        return _cut(self.lines_before)

    @property
    def after(self) -> list[bytes]:
        """Return the lines after it."""
        return _cut(self.lines_after)


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

    def with_places(self, places: Iterable[Place]) -> Sightings:
        """Return these and what was at *places*; these stay as they are."""
        both = Sightings()
        both.count, both.places = self.count, list(self.places)
        for place in places:
            both.add_place(place)
        return both


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


def _nothing(index: int) -> bytes:
    del index
    return b""


class Here:
    """Where the reader is; what it knows of the lines around is found out only when asked."""

    def __init__(self, context_lines: int) -> None:
        self._context = context_lines
        self._tail = b""
        self._open: list[Place] = []
        self._fresh: list[tuple[int, ReferenceType[Place]]] = []
        self._counted = (0, 0)
        self._position_of: Callable[[int], int] = int
        self._before: Callable[[int], bytes] = _nothing
        self.source = ""
        self.index = 0
        self.block: Block | None = None

    def enter(
        self,
        source: str,
        block: Block,
        position_of: Callable[[int], int] = int,
        before: Callable[[int], bytes] = _nothing,
    ) -> None:
        """Go on with *block* of *source*; places that lack lines after them get these.

        The reader moves by *index*; *position_of* knows where in the block that is, and *before*
        what stands between there and the index before.
        """
        if source != self.source:
            self._tail, self._open = b"", []
        self.source, self.block, self.index = source, block, 0
        self._position_of, self._before = position_of, before
        self._counted = (0, 0)
        for place in self._open:
            missing = self._context - len(place.after)
            place.lines_after = _joined(place.lines_after, _lines_after(block.data, 0, missing))
        self._open = [each for each in self._open if len(each.after) < self._context]

    def leave(self) -> None:
        """Remember the last lines of the block, for places in the next one."""
        self.settle()
        if self.block is not None and self._context:
            data = self.block.data
            self._tail = self._with_tail(_lines_before(data, len(data), self._context))

    def _with_tail(self, lines: bytes) -> bytes:
        """Return *lines*, which begin the block, behind those of the block before."""
        missing = self._context - lines.count(b"\n")
        if missing <= 0 or not self._tail:
            return lines
        return _joined(_lines_before(self._tail, len(self._tail), missing), lines)

    def _index_of(self, data: bytes, start: int) -> int:
        """Return how many lines are before *start*, counted on from the last time."""
        before, index = self._counted
        if before > start:
            before, index = 0, 0
        index += data.count(b"\n", before, start)
        self._counted = (start, index)
        return index

    def place(self) -> Place:
        """Return where the reader is; `settle` finds out what there is to know of it.

        Most places are forgotten before that, because what they would show did not come true.
        """
        if self._fresh and self._fresh[-1][0] == self.index:
            same = self._fresh[-1][1]()
            if same is not None:
                return same
        place = Place(self.source)
        self._fresh.append((self.index, ref(place)))
        return place

    def head(self) -> bytes:
        """Return what stands in front of the first tag in this line."""
        before = self._before(self.index)
        return before[before.rfind(b"\n") + 1 :]

    def before(self, tag: bytes) -> bytes:
        """Return what stands in front of *tag* in this line."""
        if self.block is None:
            return b""
        data, position = self.block.data, self._position_of(self.index)
        start = data.rfind(b"\n", 0, position) + 1
        return data[start : data.find(tag, position)]

    def settle(self) -> None:
        """Fill in the places of this block that somebody still has."""
        fresh, self._fresh = self._fresh, []
        for index, reference in fresh:
            place = reference()
            if place is not None and self.block is not None:
                self._fill(place, self.block, self._position_of(index))

    def _fill(self, place: Place, block: Block, position: int) -> None:
        data = block.data
        start = data.rfind(b"\n", 0, position) + 1
        end = data.find(b"\n", position)
        end = end if end >= 0 else len(data)
        place.line, place.offset = block.origin(start, self._index_of(data, start))
        place.text = data[start : min(end, start + _LONGEST_LINE)]
        place.lines_before = self._with_tail(_lines_before(data, start, self._context))
        place.lines_after = _lines_after(data, end + 1, self._context)
        if place.lines_after.count(b"\n") < self._context:
            self._open.append(place)


def _lines_before(data: bytes, end: int, count: int) -> bytes:
    """Return the last *count* whole lines of *data* before *end*, where a line begins."""
    start = end
    for _ in range(count):
        if start <= 0:
            break
        start = data.rfind(b"\n", 0, start - 1) + 1
    return _bounded(data[start:end], count)


def _lines_after(data: bytes, start: int, count: int) -> bytes:
    end = start
    for _ in range(count):
        found = data.find(b"\n", end)
        if found < 0:
            end = len(data)
            break
        end = found + 1
    return _bounded(data[start:end], count)


def _bounded(lines: bytes, count: int) -> bytes:
    return lines if len(lines) <= count * _LONGEST_LINE else b"\n".join(_cut(lines)) + b"\n"


def _joined(before: bytes, after: bytes) -> bytes:
    """Return both; the first may lack the end of its last line."""
    return before + after if not before or before.endswith(b"\n") else b"\n".join((before, after))


def _cut(lines: bytes) -> list[bytes]:
    if not lines:
        return []
    return [line[:_LONGEST_LINE] for line in lines.removesuffix(b"\n").split(b"\n")]

"""Where in the log something was seen, with the lines around it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import ReferenceType, ref

from aava_cli.audit.around import LONGEST_LINE, Room, cut, joined, lines_after, lines_before
from aava_cli.audit.times import time_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from aava_cli.audit.blocks import Block

KEPT_PLACES = 5
# More lines than any file has.
_FAR = 1 << 48


@dataclass(slots=True, weakref_slot=True, eq=False)
class Place:
    """One line of the log: *offset* is that of its first byte, *line* counts from 1.

    The lines around it are kept as they stand, because hardly any place is ever shown. A record
    of a collector takes several lines, or has several: *numbers_before* and *numbers_after* are
    those of the lines around, where they do not follow each other, and *ordinal* counts what the
    collector wrote. It *is_growing* while lines behind it may come.
    """

    source: str
    line: int = 0
    offset: int = 0
    text: bytes = b""
    lines_before: bytes = b""
    lines_after: bytes = b""
    ordinal: int = 0
    numbers_before: tuple[int, ...] = ()
    numbers_after: tuple[int, ...] = ()
    is_growing: bool = False

    @property
    def time(self) -> str | None:
        """Return what the collector wrote, or None."""
        return time_of(self.text)

    @property
    def before(self) -> list[bytes]:
        """Return the lines before it, the nearest last."""
        return cut(self.lines_before)

    @property
    def after(self) -> list[bytes]:
        """Return the lines after it."""
        return cut(self.lines_after)

    def numbered(self) -> Iterator[tuple[int, int, bytes]]:
        """Yield ordinal, number and text of it and of the lines around."""
        before, after = self.before, self.after
        first = self.line - len(before)
        numbers = (*self.numbers_before, self.line, *self.numbers_after)
        if len(numbers) != len(before) + 1 + len(after):
            numbers = tuple(range(first, self.line + 1 + len(after)))
        ordinal = (self.ordinal or self.line) - len(before)
        for number, text in zip(numbers, (*before, self.text, *after), strict=True):
            yield ordinal, number, text
            ordinal += 1


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


def _nothing(index: int) -> bytes:
    del index
    return b""


class Here:
    """Where the reader is; what it knows of the lines around is found out only when asked."""

    def __init__(self, context_lines: int) -> None:
        self._context = context_lines
        self._tail = b""
        self._tail_numbers: tuple[int, ...] = ()
        self._open: list[Place] = []
        self._fresh: list[tuple[int, ReferenceType[Place]]] = []
        self._counted = (0, 0)
        self._position_of: Callable[[int], int] = int
        self._room = Room()
        # No line of one file follows one of another.
        self._base = 0
        self._ordinal = self._next_ordinal = 0
        self._offset = -1
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
        if source != self.source or (block.data and block.offset <= self._offset):
            self._tail, self._tail_numbers = b"", ()
            self._close(self._open)
            self._base += _FAR
            self._next_ordinal = 0
        if block.data:
            self._offset = block.offset
        self.source, self.block, self.index = source, block, 0
        self._position_of, self._before = position_of, before
        self._counted = (0, 0)
        self._ordinal = self._next_ordinal or self._base + block.line
        # Numbers of records have gaps.
        records = block.origins
        self._next_ordinal = 0 if records is None else self._ordinal + len(records)
        for place in self._open:
            self._add_after(place, block)
        self._close([each for each in self._open if len(each.after) >= self._context])

    def _close(self, places: list[Place]) -> None:
        for each in places:
            each.is_growing = False
        self._open = [each for each in self._open if each.is_growing]

    def _add_after(self, place: Place, block: Block) -> None:
        missing = self._context - len(place.after)
        lines = lines_after(block.data, 0, missing)
        place.lines_after = joined(place.lines_after, lines)
        place.numbers_after += block.numbers(0, missing)
        self._room.take(len(lines))

    def leave(self) -> None:
        """Remember the last lines of the block, for places in the next one."""
        self.settle()
        if self.block is not None and self._context:
            block, size = self.block, len(self.block.data)
            lines = lines_before(block.data, size, self._context)
            numbers = block.numbers(-self._context, None)
            self._tail, self._tail_numbers = self._with_tail(lines, numbers)

    def _with_tail(self, lines: bytes, numbers: tuple[int, ...]) -> tuple[bytes, tuple[int, ...]]:
        """Return *lines*, which begin the block, behind those of the block before."""
        missing = self._context - lines.count(b"\n")
        if missing <= 0 or not self._tail:
            return lines, numbers
        before = lines_before(self._tail, len(self._tail), missing)
        return joined(before, lines), (*self._tail_numbers[-missing:], *numbers)

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
        index = self._index_of(data, start)
        place.line, place.offset = block.origin(start, index)
        place.ordinal = self._ordinal + index
        place.text = data[start : min(end, start + LONGEST_LINE)]
        before = lines_before(data, start, self._context)
        after = lines_after(data, end + 1, self._context)
        if not self._room.keep(place, len(before) + len(after)):
            return
        numbers = block.numbers(max(0, index - self._context), index)
        place.lines_before, place.numbers_before = self._with_tail(before, numbers)
        place.lines_after = after
        place.numbers_after = block.numbers(index + 1, index + 1 + self._context)
        if after.count(b"\n") < self._context:
            place.is_growing = True
            self._open.append(place)

"""Which bytes of a file are there: a set of ranges, whatever order they came in."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

Range: TypeAlias = tuple[int, int]


class Extents:
    """A set of bytes, kept as sorted ranges `[start, end)` that never touch each other."""

    def __init__(self, ranges: Iterable[Range] = ()) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        self.total = 0
        for start, end in ranges:
            self.add(start, end)

    @property
    def ranges(self) -> tuple[Range, ...]:
        """The ranges, in order."""
        return tuple(zip(self._starts, self._ends, strict=True))

    def add(self, start: int, end: int) -> None:
        """Include the bytes from *start* up to *end*."""
        if start >= end:
            return
        first = bisect_left(self._ends, start)
        last = bisect_right(self._starts, end)
        if first < last:
            start = min(start, self._starts[first])
            end = max(end, self._ends[last - 1])
        pairs = zip(self._starts[first:last], self._ends[first:last], strict=True)
        self.total += end - start - sum(ends - starts for starts, ends in pairs)
        self._starts[first:last] = [start]
        self._ends[first:last] = [end]

    def end_from(self, position: int) -> int:
        """Return the first byte at or after *position* that is not there."""
        at = bisect_right(self._starts, position) - 1
        return max(position, self._ends[at]) if at >= 0 else position

    def next_start(self, position: int) -> int | None:
        """Return where the first range after *position* begins, if there is one."""
        at = bisect_right(self._starts, position)
        return self._starts[at] if at < len(self._starts) else None

    def covers(self, start: int, end: int) -> bool:
        """Return whether all bytes from *start* up to *end* are there."""
        return self.end_from(start) >= end

    def clipped(self, size_bytes: int) -> Extents:
        """Return what of it lies below *size_bytes*."""
        return Extents((start, min(end, size_bytes)) for start, end in self.ranges)

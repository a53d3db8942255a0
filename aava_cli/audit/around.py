"""The lines around a place: so many of them, and so much of each."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import ReferenceType, ref

if TYPE_CHECKING:
    from aava_cli.audit.places import Place

LONGEST_LINE = 1024
# Lines around that are longer than that on the average are shortened to it.
_LONG_LINE = 256
# Of all places that somebody keeps, only so much of the lines around is kept as well.
AROUND_BYTES = 12 << 20
_LOOKS = 64


class Room:
    """How much of the lines around places may be kept, whoever keeps the places."""

    def __init__(self) -> None:
        self._bytes = 0
        self._places: list[ReferenceType[Place]] = []
        self._refused = 0

    def take(self, size: int) -> None:
        """Count lines that a place got later."""
        self._bytes += size

    def keep(self, place: Place, size: int) -> bool:
        """Return whether there is room for lines of *size* around *place*, and count them."""
        if self._bytes + size > AROUND_BYTES:
            # To look for places that are gone takes long, where none are.
            if self._refused % _LOOKS == 0:
                self._look_again()
            is_free = self._bytes < AROUND_BYTES // 2
            self._refused = 0 if is_free else self._refused + 1
            if self._bytes + size > AROUND_BYTES:
                return False
        self._bytes += size
        self._places.append(ref(place))
        return True

    def _look_again(self) -> None:
        kept = [(each, place) for each in self._places if (place := each()) is not None]
        self._places = [each for each, _ in kept]
        self._bytes = sum(len(place.lines_before) + len(place.lines_after) for _, place in kept)


def lines_before(data: bytes, end: int, count: int) -> bytes:
    """Return the last *count* whole lines of *data* before *end*, where a line begins."""
    start = end
    for _ in range(count):
        if start <= 0:
            break
        start = data.rfind(b"\n", 0, start - 1) + 1
    return _bounded(data[start:end], count)


def lines_after(data: bytes, start: int, count: int) -> bytes:
    """Return the first *count* lines of *data* from *start*, where a line begins."""
    end = start
    for _ in range(count):
        found = data.find(b"\n", end)
        if found < 0:
            end = len(data)
            break
        end = found + 1
    return _bounded(data[start:end], count)


def _bounded(lines: bytes, count: int) -> bytes:
    for longest in (LONGEST_LINE, _LONG_LINE):
        if len(lines) > count * _LONG_LINE:
            lines = b"\n".join(cut(lines, longest)) + b"\n"
    return lines


def joined(before: bytes, after: bytes) -> bytes:
    """Return both; the first may lack the end of its last line."""
    return before + after if not before or before.endswith(b"\n") else b"\n".join((before, after))


def cut(lines: bytes, longest: int = LONGEST_LINE) -> list[bytes]:
    """Return each of *lines*, as far as it is not longer than *longest*."""
    if not lines:
        return []
    return [line[:longest] for line in lines.removesuffix(b"\n").split(b"\n")]

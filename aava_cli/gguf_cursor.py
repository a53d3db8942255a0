"""Read forward through bytes that may be hostile: never past their end, nothing held for long."""

from __future__ import annotations

import mmap
import struct
from typing import TypeAlias

from aava_cli.errors import IntegrityError

Buffer: TypeAlias = bytes | bytearray | mmap.mmap

_FETCH = "run `aava models pull` to fetch it again"
_MAX_ENTRIES = 1 << 24  # the largest vocabularies have a million entries
_MAX_TEXT_BYTES = 1 << 26
# Lists of numbers are kept where they may be one for each layer, and as many as a model has.
_KEPT_IN_ONE, _KEPT_IN_ALL = 1 << 10, 1 << 15
SCALARS = {
    number: struct.Struct("<" + code)
    for number, code in zip((*range(8), 10, 11, 12), "BbHhIif?Qqd", strict=True)
}
_U32, _U64 = SCALARS[4], SCALARS[10]


class HeaderCut(IntegrityError):
    """The bytes that were given end within the header."""


def damaged(name: str, problem: str) -> IntegrityError:
    """Return that the file *name* has *problem*."""
    return IntegrityError(f"`{name}` {problem}", hint=_FETCH)


class Cursor:
    """A place in the start of the file *name*, which is all that there is of it."""

    def __init__(self, data: Buffer, name: str) -> None:
        self.data = data
        self.position = 0
        self._name = name
        self._may_keep = _KEPT_IN_ALL

    def damaged(self, problem: str) -> IntegrityError:
        """Return that this file has *problem*."""
        return damaged(self._name, problem)

    def _cut(self) -> HeaderCut:
        problem = f"ends before its header does, at byte {len(self.data):,}"
        return HeaderCut(f"`{self._name}` {problem}", hint=_FETCH)

    def scalar(self, kind: struct.Struct) -> int | float | bool:
        """Read one number."""
        start = self.position
        self.skip(kind.size)
        value: int | float | bool = kind.unpack_from(self.data, start)[0]
        return value

    def u32(self) -> int:
        """Read a whole number of four bytes."""
        return int(self.scalar(_U32))

    def u64(self) -> int:
        """Read a whole number of eight bytes."""
        return int(self.scalar(_U64))

    def numbers(self, element_type: int, count: int) -> tuple[int | float | bool, ...]:
        """Go on behind *count* numbers, and return them if they are few."""
        kind, start = SCALARS[element_type], self.position
        self.skip(count * kind.size)
        if not count or count > min(_KEPT_IN_ONE, self._may_keep):
            return ()
        self._may_keep -= count
        return struct.unpack_from(f"<{count}{kind.format[-1]}", self.data, start)

    def skip(self, count: int) -> None:
        """Go on by *count* bytes.

        Raises:
            HeaderCut: so many are not there.
        """
        if count > len(self.data) - self.position:
            raise self._cut()
        self.position += count

    def expect_entries(self, count: int, *, each_bytes: int, most: int = _MAX_ENTRIES) -> None:
        """Check a *count* that the file claims, before anybody believes it."""
        if count > most:
            raise self.damaged(f"claims {count:,} entries, which no model has")
        if count * each_bytes > len(self.data) - self.position:
            raise self._cut()

    def text(self) -> str:
        """Read a text, its length before it."""
        length = self.u64()
        if length > _MAX_TEXT_BYTES:
            raise self.damaged(f"claims a text of {length:,} bytes, which no model has")
        start = self.position
        self.skip(length)
        return bytes(self.data[start : self.position]).decode("utf-8", "replace")

    def skip_texts(self, count: int) -> None:
        """Go on behind *count* texts."""
        self.expect_entries(count, each_bytes=8)
        # Vocabularies have hundreds of thousands of entries, so this loop calls nothing else.
        data, position, length_at = self.data, self.position, _U64.unpack_from
        try:
            for _ in range(count):
                position += 8 + length_at(data, position)[0]
        except (struct.error, OverflowError):
            raise self._cut() from None
        self.skip(position - self.position)

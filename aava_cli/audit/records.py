"""What the unwrapping of every collector has in common: records in, plain lines out."""

from __future__ import annotations

import json
from array import array
from collections.abc import Sequence
from itertools import repeat
from typing import TYPE_CHECKING, Any, TypeAlias, overload

from aava_cli.audit.blocks import Block

if TYPE_CHECKING:
    from collections.abc import Iterator

Origin: TypeAlias = tuple[int, int]
"""Number and offset, in the source, of the line that a record begins with."""

LONGEST_RECORD = 1 << 20
NO_TIME = b"-"


class Origins(Sequence[Origin]):
    """Where each of many lines comes from, in sixteen bytes."""

    def __init__(self, lines: array[int], offsets: array[int]) -> None:
        self._lines = lines
        self._offsets = offsets

    def __len__(self) -> int:
        """Return how many lines there are."""
        return len(self._lines)

    @overload
    def __getitem__(self, index: int) -> Origin: ...
    @overload
    def __getitem__(self, index: slice) -> Origins: ...
    def __getitem__(self, index: int | slice) -> Origin | Origins:
        """Return the origin of one line, or those of some."""
        if isinstance(index, slice):
            return Origins(self._lines[index], self._offsets[index])
        return self._lines[index], self._offsets[index]


class Lines:
    """The plain lines of one block as they are made; a million of them take some megabytes."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._lines, self._offsets = array("q"), array("q")

    def add(self, origin: Origin, process: bytes, time: bytes, text: bytes) -> None:
        """Add what one record says, which may be several lines."""
        text = text.rstrip(b"\r\n")
        self._lines.append(origin[0])
        self._offsets.append(origin[1])
        if b"\n" in text:
            more = text.count(b"\n")
            self._lines.extend(repeat(origin[0], more))
            self._offsets.extend(repeat(origin[1], more))
            text = text.replace(b"\n", b"\n%b | %b " % (process, time))
        self._data += b"%b | %b %b\n" % (process, time, text)

    def block(self) -> Block:
        """Return them, each with where it comes from."""
        origins = Origins(self._lines, self._offsets)
        line, offset = origins[0] if origins else (1, 0)
        return Block(bytes(self._data), b"", line, offset, origins)


def numbered(block: Block) -> Iterator[tuple[Origin, bytes]]:
    """Yield the lines of *block* as they stand in the source, each with its origin."""
    line, offset = block.line, block.offset
    # A carriage return alone ends no line; `splitlines` thinks that it does.
    for text in block.raw.removesuffix(b"\n").split(b"\n") if block.raw else ():
        yield (line, offset), text
        line += 1
        offset += len(text) + 1


def parsed(text: bytes) -> dict[str, Any]:
    """Return the object that *text* is; an empty one where it is none."""
    # To find out by the library takes a hundred times as long.
    if not text.lstrip().startswith(b"{"):
        return {}
    try:
        found = json.loads(text.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def encoded(text: str) -> bytes:
    """Return *text* in bytes, whatever JSON made of it."""
    return text.encode("utf-8", "replace")

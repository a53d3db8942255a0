"""Bytes in, blocks of whole lines out; what a terminal would have swallowed is taken out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# So much stays in the processor's cache while it is looked through again and again.
BLOCK_BYTES = 1 << 17
LONGEST_LINE_BYTES = 1 << 20
# Of a line that is longer, that much is looked at.
_KEPT_OF_LONG_LINE = 64 << 10
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# CSI and OSC sequences, other escapes such as `ESC ( B`, and `^[[` typed out (ECMA-48, 5.4, 5.6;
# ECMA-35, 13.2).
_ESCAPES = re.compile(
    rb"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b\n]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-Z\\-~]"
    rb"|\^\[\[[0-?]*[ -/]*[@-~]"
)
_CONTROLS = bytes(code for code in range(32) if code not in b"\t\n\r") + b"\x7f"
# One byte each: they are found at the speed of memory, and are in hardly any block.
_SIGNS_OF_CONTROLS = (b"^", *(_CONTROLS[index : index + 1] for index in range(len(_CONTROLS))))


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines: *data* as they mean, *raw* as they stand in the source, line for line.

    *line* and *offset* are those of the first line. A collector that makes other lines of them
    says in *origins* where each comes from.
    """

    data: bytes
    raw: bytes
    line: int
    offset: int
    origins: Sequence[tuple[int, int]] | None = None

    def origin(self, start: int, index: int) -> tuple[int, int]:
        """Return number and offset, in the source, of line *index*, which begins at *start*."""
        if self.origins is not None:
            return self.origins[min(index, len(self.origins) - 1)]
        if self.raw is self.data:
            return self.line + index, self.offset + start
        rest = self.raw.split(b"\n", index)[index]
        return self.line + index, self.offset + len(self.raw) - len(rest)

    def numbers(self, begin: int, end: int | None) -> tuple[int, ...]:
        """Return the numbers of some lines; none where they follow each other."""
        return () if self.origins is None else tuple(line for line, _ in self.origins[begin:end])


class LineCutter:
    """Cuts a stream into blocks that end where a line ends; their bounds depend on no chunk."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self._line = 1
        self._offset = 0
        self._is_skipping = False
        self._is_open = False

    @property
    def lines(self) -> int:
        """How many lines were given out so far, one without an end included."""
        return self._line - 1 + self._is_open

    def feed(self, chunk: bytes) -> Iterator[Block]:
        """Yield every block that *chunk* completes."""
        self._parts.append(chunk)
        self._size += len(chunk)
        if self._size < BLOCK_BYTES:
            return
        data, begin = self._joined(), 0
        while len(data) - begin >= BLOCK_BYTES:
            end = data.rfind(b"\n", begin, begin + BLOCK_BYTES) + 1
            end = end or begin + self._hole_bytes(data[begin : begin + BLOCK_BYTES])
            most = begin + LONGEST_LINE_BYTES
            if end == begin:
                end = data.find(b"\n", begin, most) + 1
            is_cut = not end
            if is_cut and most > len(data):
                # The end of the line may come.
                break
            end = end or most
            yield self._block(data[begin:end], is_cut=is_cut)
            begin = end
        self._keep(data[begin:])

    def flush(self, *, everything: bool = True) -> Iterator[Block]:
        """Yield what is there; unless *everything*, only lines that are whole."""
        data = self._joined()
        end = len(data) if everything else data.rfind(b"\n") + 1
        self._keep(data[end:])
        if end:
            yield self._block(data[:end])

    def _hole_bytes(self, data: bytes) -> int:
        """Return how much of a hole *data* begins with: the line is what comes behind it.

        A log that was cut to nothing while it was written goes on behind one.
        """
        return 0 if self._is_skipping else len(data) - len(data.lstrip(b"\0"))

    def _joined(self) -> bytes:
        return self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)

    def _keep(self, rest: bytes) -> None:
        self._parts, self._size = [rest], len(rest)

    def _block(self, raw: bytes, *, is_cut: bool = False) -> Block:
        skipped = self._skipped_bytes(raw)
        kept = raw[skipped : skipped + _KEPT_OF_LONG_LINE] if is_cut else raw[skipped:]
        line, offset = self._line, self._offset + skipped
        self._line += count_line_ends(raw)
        self._offset += len(raw)
        self._is_skipping = is_cut
        self._is_open = not raw.endswith(b"\n")
        return Block(cleaned(kept), kept, line, offset)

    def _skipped_bytes(self, raw: bytes) -> int:
        """Return how much of *raw* still belongs to a line that was cut; its end does not."""
        if not self._is_skipping:
            return 0
        end = raw.find(b"\n")
        return len(raw) if end < 0 else end


def count_line_ends(data: bytes) -> int:
    """Return how many lines end in *data*."""
    # Several times faster than `count`, which looks at each byte alone.
    return len(data) - len(data.replace(b"\n", b""))


def cleaned(data: bytes) -> bytes:
    """Return *data* without escape sequences, control bytes and byte order marks."""
    data = data.removeprefix(_BYTE_ORDER_MARK)
    if any(sign in data for sign in _SIGNS_OF_CONTROLS):
        return _ESCAPES.sub(b"", data).translate(None, _CONTROLS)
    return data

"""Long lines of a container, of which Docker makes several with a time in front of each."""

from __future__ import annotations

import re

from aava_cli.audit.blocks import Block

# A line of more than that is of several parts for Docker (moby, daemon/logger/copier.go).
_PART_BYTES = 16 << 10
_STAMP = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z ")
_STAMP_REACH = 128


def without_parts(block: Block) -> Block:
    """Return *block* without the times that `docker logs --timestamps` puts into a long line.

    It puts one in front of each part, as if it were a line.
    """
    if not _has_long_line(block.data):
        return block
    lines = [_without_stamps(each) for each in block.data.split(b"\n")]
    return Block(b"\n".join(lines), block.raw, block.line, block.offset)


def _has_long_line(data: bytes) -> bool:
    # A line that is longer than a part has a whole half of one in it.
    half = _PART_BYTES // 2
    return any(
        data.find(b"\n", start, start + half) < 0 for start in range(0, len(data) - half + 1, half)
    )


def _without_stamps(line: bytes) -> bytes:
    first = _STAMP.search(line, 0, _STAMP_REACH)
    if first is None:
        return line
    parts, begin = [], 0
    end = first.end() + _PART_BYTES
    while (stamp := _STAMP.match(line, end)) is not None:
        parts.append(line[begin:end])
        begin = stamp.end()
        end = begin + _PART_BYTES
    return b"".join((*parts, line[begin:]))

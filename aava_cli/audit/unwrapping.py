"""Lines of collectors that write records, made plain: `PROCESS | TIME TEXT`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from aava_cli.audit.records import LONGEST_RECORD, NO_TIME, Lines, Origin, encoded, numbered, parsed

if TYPE_CHECKING:
    from aava_cli.audit.blocks import Block

_LOG, _STREAM = b'{"log":"', b'","stream":"'
# Docker has two streams; what names more is no entry of it.
_MOST_STREAMS = 4


class JsonFile:
    """Docker's json-file driver: `{"log":"text\\n","stream":"stdout","time":"..."}`.

    A line of more than 16 KiB comes in several entries, of which only the last one's log ends
    with a line end (moby, daemon/logger/copier.go).
    """

    left_out = 0

    def __init__(self) -> None:
        self._begun: dict[bytes, tuple[Origin, bytes]] = {}

    def unwrap(self, block: Block) -> Block:
        """Return the block's lines, parts joined."""
        lines = Lines()
        for origin, entry in numbered(block):
            if not entry:
                continue
            text, stream, time = _log_entry(entry)
            begun_at, begun = self._begun.pop(stream, (origin, b""))
            text = begun + text
            if text.endswith(b"\n") or len(text) > LONGEST_RECORD:
                # Both streams are one process, whose calls print to both.
                lines.add(begun_at, b"container", time, text)
            elif text:
                self._make_room(lines)
                self._begun[stream] = (begun_at, text)
        return lines.block()

    def _make_room(self, lines: Lines) -> None:
        """Take the line that was begun first for whole, where too many are."""
        if len(self._begun) >= _MOST_STREAMS:
            begun_at, begun = self._begun.pop(next(iter(self._begun)))
            lines.add(begun_at, b"container", NO_TIME, begun)

    def rest(self) -> Block:
        """Return the lines of which the last part never came."""
        lines = Lines()
        for begun_at, begun in self._begun.values():
            lines.add(begun_at, b"container", NO_TIME, begun)
        return lines.block()


def _log_entry(entry: bytes) -> tuple[bytes, bytes, bytes]:
    """Return text, stream and time of one entry; what is none is taken for text."""
    end = entry.rfind(_STREAM)
    if entry.startswith(_LOG) and end > 0:
        text = entry[len(_LOG) : end]
        rest = entry[end + len(_STREAM) :]
        # Most entries have nothing escaped but the line end.
        if b"\\" not in text[:-2]:
            stream, _, time = rest.partition(b'"')
            time = time[time.find(b'"time":"') + 8 :].partition(b'"')[0]
            return (text[:-2] + b"\n" if text.endswith(b"\\n") else text), stream, time
    found = parsed(entry)
    if not isinstance(found.get("log"), str):
        return entry + b"\n", b"", NO_TIME
    stream, time = encoded(str(found.get("stream", ""))), encoded(str(found.get("time", "-")))
    return encoded(found["log"]), stream, time


class FourLines:
    """A web console's records of four lines: time, hash, user, message."""

    _TIME = re.compile(rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d\d")
    _HEAD_LINES = 3
    left_out = 0

    def __init__(self) -> None:
        self._time = NO_TIME
        self._to_skip = 0

    def unwrap(self, block: Block) -> Block:
        """Return the messages, and what stands between records."""
        lines = Lines()
        for origin, line in numbered(block):
            text = line.rstrip(b"\r")
            if self._TIME.fullmatch(text):
                self._time, self._to_skip = text, self._HEAD_LINES - 1
            elif self._to_skip:
                self._to_skip -= 1
            elif text:
                lines.add(origin, b"console", self._time, text)
        return lines.block()

    def rest(self) -> Block:
        """Return nothing: a message is a line."""
        return Lines().block()

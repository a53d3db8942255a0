"""Lines of collectors that write records, made plain: `PROCESS | TIME TEXT`."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aava_cli.audit.blocks import Block

if TYPE_CHECKING:
    from collections.abc import Iterator

_LENGTH_BYTES = 8
_MICROSECONDS = 1_000_000
_LONGEST_RECORD = 1 << 20
_LOG, _STREAM = b'{"log":"', b'","stream":"'
_NO_TIME = b"-"
# Docker has two streams; what names more is no entry of it.
_MOST_STREAMS = 4
_PROCESS_FIELDS = ("CONTAINER_NAME", "_PID", "_SYSTEMD_UNIT", "SYSLOG_IDENTIFIER")
_TIME_FIELD = "__REALTIME_TIMESTAMP"
# What is kept of a record, which may have any number of fields.
_FIELDS = {"MESSAGE", _TIME_FIELD, *_PROCESS_FIELDS}

Origin = tuple[int, int]


class _Lines:
    """The plain lines of one block as they are made."""

    def __init__(self) -> None:
        self._texts: list[bytes] = []
        self._origins: list[Origin] = []

    def add(self, origin: Origin, process: bytes, time: bytes, text: bytes) -> None:
        """Add what one record says, which may be several lines."""
        for line in text.rstrip(b"\r\n").split(b"\n"):
            self._texts.append(b"%b | %b %b" % (process, time, line))
            self._origins.append(origin)

    def block(self) -> Block:
        """Return them, each with where it comes from."""
        data = b"\n".join(self._texts) + b"\n" if self._texts else b""
        line, offset = self._origins[0] if self._origins else (1, 0)
        return Block(data, b"", line, offset, self._origins)


def _numbered(block: Block) -> Iterator[tuple[Origin, bytes]]:
    line, offset = block.line, block.offset
    # A carriage return alone ends no line; `splitlines` thinks that it does.
    for text in block.raw.removesuffix(b"\n").split(b"\n") if block.raw else ():
        yield (line, offset), text
        line += 1
        offset += len(text) + 1


class JsonFile:
    """Docker's json-file driver: `{"log":"text\\n","stream":"stdout","time":"..."}`.

    A line of more than 16 KiB comes in several entries, of which only the last one's log ends
    with a line end (moby, daemon/logger/copier.go).
    """

    def __init__(self) -> None:
        self._begun: dict[bytes, tuple[Origin, bytes]] = {}

    def unwrap(self, block: Block) -> Block:
        """Return the block's lines, parts joined."""
        lines = _Lines()
        for origin, entry in _numbered(block):
            text, stream, time = _log_entry(entry)
            begun_at, begun = self._begun.pop(stream, (origin, b""))
            text = begun + text
            if text.endswith(b"\n") or len(text) > _LONGEST_RECORD:
                # Both streams are one process, whose calls print to both.
                lines.add(begun_at, b"container", time, text)
            elif text:
                self._make_room(lines)
                self._begun[stream] = (begun_at, text)
        return lines.block()

    def _make_room(self, lines: _Lines) -> None:
        """Take the line that was begun first for whole, where too many are."""
        if len(self._begun) >= _MOST_STREAMS:
            begun_at, begun = self._begun.pop(next(iter(self._begun)))
            lines.add(begun_at, b"container", _NO_TIME, begun)

    def rest(self) -> Block:
        """Return the lines of which the last part never came."""
        lines = _Lines()
        for begun_at, begun in self._begun.values():
            lines.add(begun_at, b"container", _NO_TIME, begun)
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
    found = _object(entry)
    if not isinstance(found.get("log"), str):
        return entry + b"\n", b"", _NO_TIME
    stream, time = _encoded(str(found.get("stream", ""))), _encoded(str(found.get("time", "-")))
    return _encoded(found["log"]), stream, time


def _object(text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "replace")


class JournalJson:
    """`journalctl -o json`: a record a line, whose message may be an array of bytes.

    Fields that are no text come as arrays of numbers, and too large ones as null
    (systemd, JOURNAL_EXPORT_FORMATS).
    """

    def unwrap(self, block: Block) -> Block:
        """Return the records' messages."""
        lines = _Lines()
        for origin, record in _numbered(block):
            if not record.strip():
                continue
            found = _object(record)
            message = found.get("MESSAGE", "" if found else record.decode("utf-8", "replace"))
            lines.add(origin, _process(found), _journal_time(found), _message(message))
        return lines.block()

    def rest(self) -> Block:
        """Return nothing: a record is a line."""
        return _Lines().block()


def _message(value: object) -> bytes:
    match value:
        case str():
            return _encoded(value)
        case list():
            return bytes(each & 0xFF for each in value if isinstance(each, int))
        case _:
            return b""


def _process(record: dict[str, Any]) -> bytes:
    for field in _PROCESS_FIELDS:
        if isinstance(record.get(field), str):
            return re.sub(rb"[^\w.-]", b"_", _encoded(record[field]))
    return b"journal"


def _journal_time(record: dict[str, Any]) -> bytes:
    stamp = record.get(_TIME_FIELD)
    if not (isinstance(stamp, str) and stamp.isdecimal()):
        return _NO_TIME
    try:
        time = datetime.fromtimestamp(int(stamp) / _MICROSECONDS, UTC)
    except (ValueError, OverflowError, OSError):
        return _NO_TIME
    return time.isoformat(timespec="milliseconds").encode()


class Export:
    """`journalctl -o export`: fields a line, records parted by an empty one.

    A field that is no text is its name alone, then its length in eight bytes, little end first,
    then its bytes and a line end (systemd, JOURNAL_EXPORT_FORMATS).
    """

    def __init__(self) -> None:
        self._rest = b""
        self._rest_at: Origin = (1, 0)
        self._record: dict[str, bytes] = {}
        self._record_at: Origin | None = None

    def unwrap(self, block: Block) -> Block:
        """Return the messages of the records that end in the block."""
        lines = _Lines()
        if not self._rest:
            self._rest_at = (block.line, block.offset)
        # The cleaned block lacks bytes that lengths count.
        data, position = self._rest + block.raw, 0
        line, offset = self._rest_at
        while (taken := self._take(data, position)) is not None:
            field, value, end = taken
            if field:
                self._record_at = self._record_at or (line, offset)
                if field in _FIELDS:
                    self._record[field] = value
            else:
                self._end_record(lines)
            line += data.count(b"\n", position, end)
            offset += end - position
            position = end
        self._rest, self._rest_at = data[position:], (line, offset)
        return lines.block()

    def rest(self) -> Block:
        """Return the record that no empty line ended."""
        lines = _Lines()
        self._end_record(lines)
        return lines.block()

    @staticmethod
    def _take(data: bytes, start: int) -> tuple[str, bytes, int] | None:
        """Return name, value and end of the field at *start*; None where it is not whole."""
        end = data.find(b"\n", start)
        if end < 0:
            return None
        name, equals, value = data[start:end].partition(b"=")
        if equals or not name:
            return name.decode("ascii", "replace"), value, end + 1
        length_end = end + 1 + _LENGTH_BYTES
        length = int.from_bytes(data[end + 1 : length_end], "little")
        if length > _LONGEST_RECORD:
            # No field is that long: the line is not what it seems.
            return name.decode("ascii", "replace"), b"", end + 1
        if len(data) <= length_end + length:
            return None
        value = data[length_end : length_end + length]
        return name.decode("ascii", "replace"), value, length_end + length + 1

    def _end_record(self, lines: _Lines) -> None:
        if self._record_at is not None and "MESSAGE" in self._record:
            message = self._record.pop("MESSAGE")
            plain = {key: value.decode("utf-8", "replace") for key, value in self._record.items()}
            lines.add(self._record_at, _process(plain), _journal_time(plain), message)
        self._record, self._record_at = {}, None


class FourLines:
    """A web console's records of four lines: time, hash, user, message."""

    _TIME = re.compile(rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d\d")
    _HEAD_LINES = 3

    def __init__(self) -> None:
        self._time = _NO_TIME
        self._to_skip = 0

    def unwrap(self, block: Block) -> Block:
        """Return the messages, and what stands between records."""
        lines = _Lines()
        for origin, line in _numbered(block):
            text = line.rstrip(b"\r")
            if self._TIME.fullmatch(text):
                self._time, self._to_skip = text, self._HEAD_LINES - 1
            elif self._to_skip:
                self._to_skip -= 1
            else:
                lines.add(origin, b"console", self._time, text)
        return lines.block()

    def rest(self) -> Block:
        """Return nothing: a message is a line."""
        return _Lines().block()

"""What `journalctl` exports, made plain: JSON, and its own form."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aava_cli.audit.records import LONGEST_RECORD, NO_TIME, Lines, Origin, encoded, numbered, parsed

if TYPE_CHECKING:
    from aava_cli.audit.blocks import Block

_SEQUENCE, _EVENT = b"\x1e", b"data: "
_LENGTH_BYTES = 8
_MICROSECONDS = 1_000_000
_PROCESS_FIELDS = ("CONTAINER_NAME", "_PID", "_SYSTEMD_UNIT", "SYSLOG_IDENTIFIER")
_TIME_FIELD = "__REALTIME_TIMESTAMP"
# What is kept of a record, which may have any number of fields.
_FIELDS = {"MESSAGE", _TIME_FIELD, *_PROCESS_FIELDS}


class JournalJson:
    """`journalctl -o json`: a record a line, whose message may be an array of bytes.

    Fields that are no text come as arrays of numbers, and too large ones as null
    (systemd, JOURNAL_EXPORT_FORMATS). `-o json-seq` and `-o json-sse` put something in front.
    """

    def __init__(self) -> None:
        self.left_out = 0

    def unwrap(self, block: Block) -> Block:
        """Return the records' messages."""
        lines = Lines()
        for origin, record in numbered(block):
            if not record.strip():
                continue
            found = parsed(record.removeprefix(_SEQUENCE).removeprefix(_EVENT))
            self.left_out += found.get("MESSAGE", "") is None
            message = found.get("MESSAGE", "" if found else record.decode("utf-8", "replace"))
            lines.add(origin, _process(found), _journal_time(found), _message(message))
        return lines.block()

    def rest(self) -> Block:
        """Return nothing: a record is a line."""
        return Lines().block()


def _message(value: object) -> bytes:
    match value:
        case str():
            return encoded(value)
        case list():
            return bytes(each & 0xFF for each in value if isinstance(each, int))
        case _:
            return b""


def _process(record: dict[str, Any]) -> bytes:
    for field in _PROCESS_FIELDS:
        if isinstance(record.get(field), str):
            return re.sub(rb"[^\w.-]", b"_", encoded(record[field]))
    return b"journal"


def _journal_time(record: dict[str, Any]) -> bytes:
    stamp = record.get(_TIME_FIELD)
    if not (isinstance(stamp, str) and stamp.isdecimal()):
        return NO_TIME
    try:
        time = datetime.fromtimestamp(int(stamp) / _MICROSECONDS, UTC)
    except (ValueError, OverflowError, OSError):
        return NO_TIME
    return time.isoformat(timespec="milliseconds").encode()


class Export:
    """`journalctl -o export`: fields a line, records parted by an empty one.

    A field that is no text is its name alone, then its length in eight bytes, little end first,
    then its bytes and a line end (systemd, JOURNAL_EXPORT_FORMATS).
    """

    left_out = 0

    def __init__(self) -> None:
        self._rest = b""
        self._rest_at: Origin = (1, 0)
        self._record: dict[str, bytes] = {}
        self._record_at: Origin | None = None

    def unwrap(self, block: Block) -> Block:
        """Return the messages of the records that end in the block."""
        lines = Lines()
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
        lines = Lines()
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
        if length > LONGEST_RECORD:
            # No field is that long: the line is not what it seems.
            return name.decode("ascii", "replace"), b"", end + 1
        if len(data) <= length_end + length:
            return None
        value = data[length_end : length_end + length]
        return name.decode("ascii", "replace"), value, length_end + length + 1

    def _end_record(self, lines: Lines) -> None:
        if self._record_at is not None and "MESSAGE" in self._record:
            message = self._record.pop("MESSAGE")
            plain = {key: value.decode("utf-8", "replace") for key, value in self._record.items()}
            lines.add(self._record_at, _process(plain), _journal_time(plain), message)
        self._record, self._record_at = {}, None

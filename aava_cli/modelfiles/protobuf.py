"""Walk a protobuf message by its fields, holding nothing of it but what is asked for.

A field is a number and a kind, then a value or a length; what a reader does not know it skips.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aava_cli.errors import IntegrityError
    from aava_cli.modelfiles.reader import Reader

VARINT, SIZED = 0, 2
_FIXED = {1: 8, 5: 4}
_WHAT = "last field"
# So many fields are read in a second or two; no voice and no recogniser comes near.
_MAX_FIELDS = 1 << 20


@dataclass(frozen=True, slots=True)
class Field:
    """One field; *value* is its number, or how many bytes follow that are its content."""

    number: int
    wire: int
    value: int


class Message:
    """A message at a reader's place, of whose fields all messages in it count as well."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self._fields = 0

    def fields(self, size_bytes: int) -> Iterator[Field]:
        """Yield the fields of the next *size_bytes*, which are one message.

        What the caller leaves of a field's content is skipped.

        Raises:
            IntegrityError: these bytes are no message, or end within a field.
        """
        reader = self.reader
        end = reader.left - size_bytes
        while reader.left > end:
            field = self._read()
            behind = reader.left - (field.value if field.wire == SIZED else 0)
            if behind < end:
                raise reader.damaged(f"ends before its {_WHAT} does, at byte {reader.size_bytes:,}")
            yield field
            reader.skip(reader.left - behind, _WHAT)

    def text(self, field: Field, most_bytes: int = 4096) -> str:
        """Return the content of *field* as text, as far as that is short."""
        return self.reader.read(min(field.value, most_bytes), _WHAT).decode("utf-8", "replace")

    def wrong(self) -> IntegrityError:
        """Return that this is no such message."""
        return self.reader.damaged("is no ONNX model, or is damaged")

    def _read(self) -> Field:
        self._fields += 1
        tag = self._varint()
        number, wire = tag >> 3, tag & 7
        if number == 0 or wire not in (VARINT, SIZED, *_FIXED):
            raise self.wrong()
        if self._fields > _MAX_FIELDS:
            raise self.reader.damaged(f"has more than {_MAX_FIELDS:,} fields")
        if wire in _FIXED:
            self.reader.skip(_FIXED[wire], _WHAT)
            return Field(number, wire, 0)
        return Field(number, wire, self._varint())

    def _varint(self) -> int:
        value = 0
        for shift in range(0, 70, 7):
            byte = self.reader.read(1, _WHAT)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:  # noqa: PLR2004 - the bit that says that more follows
                return value
        raise self.wrong()

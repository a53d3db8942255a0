"""How the daemon and a worker speak over pipes: two lengths, a JSON header, raw bytes."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from asyncio import StreamReader
    from collections.abc import Mapping

_LENGTHS = struct.Struct(">II")


@dataclass(frozen=True, slots=True)
class Frame:
    """One message: named values, and bytes that JSON would only slow down."""

    fields: Mapping[str, Any]
    payload: bytes = b""

    def encode(self) -> bytes:
        """Return the frame as it travels."""
        header = json.dumps(dict(self.fields)).encode()
        return _LENGTHS.pack(len(header), len(self.payload)) + header + self.payload


def read_frame(file: BinaryIO) -> Frame | None:
    """Return the next frame of *file*, or None where the other side has gone."""
    lengths = file.read(_LENGTHS.size)
    if len(lengths) < _LENGTHS.size:
        return None
    header_bytes, payload_bytes = _LENGTHS.unpack(lengths)
    return Frame(json.loads(file.read(header_bytes)), file.read(payload_bytes))


async def receive_frame(stream: StreamReader) -> Frame:
    """Return the next frame of *stream*.

    Raises:
        asyncio.IncompleteReadError: the other side has gone.
    """
    header_bytes, payload_bytes = _LENGTHS.unpack(await stream.readexactly(_LENGTHS.size))
    header = json.loads(await stream.readexactly(header_bytes))
    return Frame(header, await stream.readexactly(payload_bytes))

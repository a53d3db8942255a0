"""What an ONNX file says about itself, read without loading its weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from aava_cli.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_METADATA, _KEY, _VALUE, _SIZED = 14, 1, 2, 2
_MORE = 0x80
_LONGEST_VARINT_BITS = 70
_LARGEST_ENTRY_BYTES = 1 << 20


def read_metadata(path: Path) -> dict[str, str]:
    """Return the properties that the model *path* was saved with.

    Raises:
        IntegrityError: the file is no ONNX model, or is damaged.
    """
    try:
        with path.open("rb") as file:
            return dict(map(_entry, _metadata_of(file)))
    except (ValueError, EOFError) as error:
        message = f"`{path}` is no ONNX model, or is damaged"
        raise IntegrityError(message, hint="run `aava models verify`") from error


def _metadata_of(file: BinaryIO) -> Iterator[bytes]:
    """Yield each property's bytes; weights are skipped."""
    end = file.seek(0, 2)
    file.seek(0)
    while (tag := _varint(file, at_end=0)) != 0:
        size_bytes = _size(file, tag & 7)
        if size_bytes > end - file.tell():
            raise EOFError
        if tag == _METADATA << 3 | _SIZED and size_bytes < _LARGEST_ENTRY_BYTES:
            yield file.read(size_bytes)
        else:
            file.seek(size_bytes, 1)


def _size(file: BinaryIO, kind: int) -> int:
    """Return how many bytes the value of a field of *kind* has from here on."""
    match kind:
        case 0:
            _varint(file)
            return 0
        case 1:
            return 8
        case 2:
            return _varint(file)
        case 5:
            return 4
        case _:
            raise ValueError(kind)


def _entry(data: bytes) -> tuple[str, str]:
    import io

    file, found = io.BytesIO(data), {_KEY: "", _VALUE: ""}
    while (tag := _varint(file, at_end=0)) != 0:
        found[tag >> 3] = file.read(_size(file, tag & 7)).decode()
    return found[_KEY], found[_VALUE]


def _varint(file: BinaryIO, *, at_end: int | None = None) -> int:
    """Return the next number; *at_end*, if given, where the file ends instead."""
    value = 0
    for shift in range(0, _LONGEST_VARINT_BITS, 7):
        byte = file.read(1)
        if not byte and shift == 0 and at_end is not None:
            return at_end
        if not byte:
            raise EOFError
        value |= (byte[0] & ~_MORE) << shift
        if byte[0] < _MORE:
            return value
    raise ValueError(value)

"""What an ONNX model says of itself, read without its weights and without a library.

The fields are those of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from aava_cli.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_GRAPH, _METADATA = 7, 14  # of a model
_INITIALIZER, _INPUT, _OUTPUT = 5, 11, 12  # of a graph
_TENSOR_NAME = 8
_KEY, _VALUE = 1, 2
_VARINT, _EIGHT_BYTES, _SIZED, _FOUR_BYTES = 0, 1, 2, 5
_FIXED_BYTES = {_EIGHT_BYTES: 8, _FOUR_BYTES: 4}
_MOST_FIELDS = 1 << 20  # read within seconds; no voice and no recogniser comes near
_MOST_TEXT_BYTES = 4096


@dataclass(frozen=True, slots=True)
class OnnxModel:
    """The properties that an exporter wrote into a model, and what it takes and gives."""

    metadata: Mapping[str, str]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


class _Damaged(Exception):
    """The bytes are no message."""


def describe_onnx(path: Path) -> OnnxModel:
    """Return what *path* says of itself.

    Raises:
        IntegrityError: it is no ONNX model, or ends early.
    """
    try:
        with path.open("rb") as file:
            return _Walker(file).model()
    except _Damaged as error:
        hint = "run `aava models verify`, or `aava models pull` to fetch it again"
        raise IntegrityError(f"`{path}` {error}", hint=hint) from error


class _Walker:
    """A place in a file of protobuf; no more than names and properties is ever held."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._size_bytes = file.seek(0, 2)
        self._fields = 0
        file.seek(0)

    def model(self) -> OnnxModel:
        metadata: dict[str, str] = {}
        named: dict[int, list[str]] = {_INITIALIZER: [], _INPUT: [], _OUTPUT: []}
        for number, size_bytes in self._messages(self._size_bytes):
            if number == _GRAPH:
                self._read_graph(size_bytes, named)
            elif number == _METADATA:
                texts = self._texts(size_bytes)
                metadata[texts.get(_KEY, "")] = texts.get(_VALUE, "")
        if not named[_OUTPUT]:
            raise _Damaged("is no ONNX model: it has no graph")
        # Old exporters list the weights among the inputs.
        weights = set(named[_INITIALIZER])
        inputs = tuple(each for each in named[_INPUT] if each not in weights)
        return OnnxModel(metadata, inputs, tuple(named[_OUTPUT]))

    def _read_graph(self, size_bytes: int, named: Mapping[int, list[str]]) -> None:
        for number, inner_bytes in self._messages(size_bytes):
            if number in named:
                name = _TENSOR_NAME if number == _INITIALIZER else _KEY
                named[number].append(self._texts(inner_bytes, name).get(name, ""))

    def _texts(self, size_bytes: int, *wanted: int) -> dict[int, str]:
        numbers = wanted or (_KEY, _VALUE)
        return {
            number: self._take(min(inner_bytes, _MOST_TEXT_BYTES)).decode("utf-8", "replace")
            for number, inner_bytes in self._messages(size_bytes)
            if number in numbers
        }

    def _messages(self, size_bytes: int) -> Iterator[tuple[int, int]]:
        """Yield number and size of the sized fields in the next *size_bytes*, at their content."""
        end = self._file.tell() + size_bytes
        while (place := self._file.tell()) < end:
            self._fields += 1
            tag = self._varint()
            number, wire = tag >> 3, tag & 7
            if number == 0 or self._fields > _MOST_FIELDS:
                raise _Damaged("is no ONNX model, or is damaged")
            inner_bytes = self._content_bytes(wire)
            place = self._file.tell()
            if inner_bytes > end - place:
                raise _Damaged(f"ends before its last field does, at byte {self._size_bytes:,}")
            if wire == _SIZED:
                yield number, inner_bytes
            self._file.seek(place + inner_bytes)

    def _content_bytes(self, wire: int) -> int:
        match wire:
            case 0:
                self._varint()
                return 0
            case 2:
                return self._varint()
            case 1 | 5:
                return _FIXED_BYTES[wire]
            case _:
                raise _Damaged("is no ONNX model, or is damaged")

    def _varint(self) -> int:
        value = 0
        for shift in range(0, 70, 7):
            byte = self._take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:  # noqa: PLR2004 - the bit that says that more follows
                return value
        raise _Damaged("is no ONNX model, or is damaged")

    def _take(self, count: int) -> bytes:
        data = self._file.read(count)
        if len(data) < count:
            raise _Damaged(f"ends before its last field does, at byte {self._size_bytes:,}")
        return data

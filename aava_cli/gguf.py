"""Read what a GGUF file says of itself, and check that its bytes are all there.

The format is described at https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. The `gguf`
package reads it too, but needs seconds for a large vocabulary, which is only skipped here.
"""

from __future__ import annotations

import math
import mmap
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

from aava_cli.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Mapping

Buffer: TypeAlias = bytes | bytearray | mmap.mmap

MAGIC = b"GGUF"
VERSIONS = (2, 3)
DEFAULT_ALIGNMENT = 32

# Weights per block and bytes per block: `type_traits` in ggml/src/ggml.c, from the block
# structures in ggml/src/ggml-common.h. The numbers that are left out were withdrawn, or stand
# for blocks that exist in memory only.
BLOCKS: Mapping[int, tuple[int, int]] = {
    0: (1, 4),  # F32
    1: (1, 2),  # F16
    2: (32, 18),  # Q4_0
    3: (32, 20),  # Q4_1
    6: (32, 22),  # Q5_0
    7: (32, 24),  # Q5_1
    8: (32, 34),  # Q8_0
    10: (256, 84),  # Q2_K
    11: (256, 110),  # Q3_K
    12: (256, 144),  # Q4_K
    13: (256, 176),  # Q5_K
    14: (256, 210),  # Q6_K
    16: (256, 66),  # IQ2_XXS
    17: (256, 74),  # IQ2_XS
    18: (256, 98),  # IQ3_XXS
    19: (256, 50),  # IQ1_S
    20: (32, 18),  # IQ4_NL
    21: (256, 110),  # IQ3_S
    22: (256, 82),  # IQ2_S
    23: (256, 136),  # IQ4_XS
    24: (1, 1),  # I8
    25: (1, 2),  # I16
    26: (1, 4),  # I32
    27: (1, 8),  # I64
    28: (1, 8),  # F64
    29: (256, 56),  # IQ1_M
    30: (1, 2),  # BF16
    34: (256, 54),  # TQ1_0
    35: (256, 66),  # TQ2_0
    39: (32, 17),  # MXFP4
    40: (64, 36),  # NVFP4
    41: (128, 18),  # Q1_0
}

_MAX_DIMENSIONS = 4
_MAX_DEPTH = 4
_MAX_ENTRIES = 1 << 24  # the largest vocabularies have a million entries
_MAX_TEXT_BYTES = 1 << 26
_STRING, _ARRAY = 8, 9
_SCALARS = {
    number: struct.Struct("<" + code)
    for number, code in zip((*range(8), 10, 11, 12), "BbHhIif?Qqd", strict=True)
}
_U32, _U64 = _SCALARS[4], _SCALARS[10]


@dataclass(frozen=True, slots=True)
class Array:
    """A list in the metadata; its elements are skipped, not read."""

    element_type: int
    count: int


Value: TypeAlias = str | int | float | bool | Array


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor; *offset* counts from the start of the tensor data."""

    name: str
    shape: tuple[int, ...]
    type: int
    offset: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """What stands before the weights."""

    version: int
    metadata: Mapping[str, Value]
    tensors: tuple[Tensor, ...]
    data_offset: int

    @property
    def end(self) -> int:
        """The size that the file must have at least: where its last tensor ends."""
        ends = (tensor.offset + tensor.size_bytes for tensor in self.tensors)
        return self.data_offset + max(ends, default=0)


def parse_header(data: Buffer, *, name: str) -> GgufHeader:
    """Return the header that *data*, the start of the file *name*, begins with.

    Raises:
        IntegrityError: it is no GGUF, it is damaged, or *data* ends within the header.
    """
    cursor = _Cursor(data, name)
    version = _parse_version(cursor)
    tensor_count, pair_count = cursor.u64(), cursor.u64()
    cursor.expect_entries(tensor_count, each_bytes=24)
    cursor.expect_entries(pair_count, each_bytes=13)
    metadata: dict[str, Value] = {}
    for _ in range(pair_count):
        key = cursor.text()
        metadata[key] = _parse_value(cursor, cursor.u32())
    alignment = _alignment(cursor, metadata)
    tensors = tuple(_parse_tensor(cursor, alignment) for _ in range(tensor_count))
    data_offset = -(-cursor.position // alignment) * alignment
    return GgufHeader(version, metadata, tensors, data_offset)


def read_header(file: BinaryIO, *, name: str) -> GgufHeader:
    """Return the header of the open *file*; only the pages it covers are read.

    Raises:
        IntegrityError: as `parse_header`.
    """
    try:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except ValueError:
        raise _damaged(name, "is empty") from None
    with mapped:
        return parse_header(mapped, name=name)


def check_extent(file: BinaryIO, size_bytes: int, *, name: str) -> GgufHeader:
    """Return the header of the open *file* once all its tensors lie within *size_bytes*.

    Raises:
        IntegrityError: the header is damaged, or the file ends before its last tensor does.
    """
    header = read_header(file, name=name)
    if not header.tensors:
        raise _damaged(name, "has no tensors")
    if header.end > size_bytes:
        problem = f"ends before its last tensor: {size_bytes:,} of {header.end:,} bytes are there"
        raise _damaged(name, problem)
    return header


def tensor_bytes(shape: tuple[int, ...], kind: int) -> int | None:
    """Return the size of a tensor, or None where rows of *shape* hold no whole blocks."""
    if kind not in BLOCKS:
        return None
    weights, size_bytes = BLOCKS[kind]
    whole = not shape or shape[0] % weights == 0
    return math.prod(shape) // weights * size_bytes if whole else None


def _damaged(name: str, problem: str) -> IntegrityError:
    return IntegrityError(f"`{name}` {problem}", hint="run `aava models pull` to fetch it again")


class _Cursor:
    """Reads forward through hostile bytes, and never past their end."""

    def __init__(self, data: Buffer, name: str) -> None:
        self.data = data
        self.position = 0
        self._name = name

    def damaged(self, problem: str) -> IntegrityError:
        return _damaged(self._name, problem)

    def _cut(self) -> IntegrityError:
        return self.damaged(f"ends before its header does, at byte {len(self.data):,}")

    def scalar(self, kind: struct.Struct) -> int | float | bool:
        start = self.position
        self.skip(kind.size)
        value: int | float | bool = kind.unpack_from(self.data, start)[0]
        return value

    def u32(self) -> int:
        return int(self.scalar(_U32))

    def u64(self) -> int:
        return int(self.scalar(_U64))

    def skip(self, count: int) -> None:
        if count > len(self.data) - self.position:
            raise self._cut()
        self.position += count

    def expect_entries(self, count: int, *, each_bytes: int) -> None:
        if count > _MAX_ENTRIES:
            raise self.damaged(f"claims {count:,} entries, which no model has")
        if count * each_bytes > len(self.data) - self.position:
            raise self._cut()

    def text(self) -> str:
        length = self.u64()
        if length > _MAX_TEXT_BYTES:
            raise self.damaged(f"claims a text of {length:,} bytes, which no model has")
        start = self.position
        self.skip(length)
        return bytes(self.data[start : self.position]).decode("utf-8", "replace")

    def skip_texts(self, count: int) -> None:
        self.expect_entries(count, each_bytes=8)
        # Vocabularies have hundreds of thousands of entries, so this loop calls nothing else.
        data, position, length_at = self.data, self.position, _U64.unpack_from
        try:
            for _ in range(count):
                position += 8 + length_at(data, position)[0]
        except (struct.error, OverflowError):
            raise self._cut() from None
        self.skip(position - self.position)


def _parse_version(cursor: _Cursor) -> int:
    cursor.skip(len(MAGIC))
    if bytes(cursor.data[: len(MAGIC)]) != MAGIC:
        raise cursor.damaged("is no GGUF file: it does not begin with `GGUF`")
    version = cursor.u32()
    if version and version & 0xFFFF == 0:
        raise cursor.damaged("is a big-endian GGUF file, which the daemon cannot load")
    if version not in VERSIONS:
        raise cursor.damaged(f"is GGUF version {version}, where 2 and 3 are known")
    return version


def _parse_value(cursor: _Cursor, kind: int, depth: int = 0) -> Value:
    if kind == _STRING:
        return cursor.text()
    if kind == _ARRAY:
        return _skip_array(cursor, depth)
    if kind in _SCALARS:
        return cursor.scalar(_SCALARS[kind])
    raise cursor.damaged(f"has metadata of the unknown type {kind}")


def _skip_array(cursor: _Cursor, depth: int) -> Array:
    element_type, count = cursor.u32(), cursor.u64()
    if element_type in _SCALARS:
        cursor.skip(count * _SCALARS[element_type].size)
    elif element_type == _STRING:
        cursor.skip_texts(count)
    elif depth < _MAX_DEPTH:
        cursor.expect_entries(count, each_bytes=12)
        for _ in range(count):
            _parse_value(cursor, element_type, depth + 1)
    else:
        raise cursor.damaged("has lists within lists within lists")
    return Array(element_type, count)


def _alignment(cursor: _Cursor, metadata: Mapping[str, Value]) -> int:
    alignment = metadata.get("general.alignment", DEFAULT_ALIGNMENT)
    if not isinstance(alignment, int) or alignment < 1 or alignment & (alignment - 1):
        raise cursor.damaged(f"has the alignment {alignment}, which is no power of two")
    return alignment


def _parse_tensor(cursor: _Cursor, alignment: int) -> Tensor:
    name, dimensions = cursor.text(), cursor.u32()
    if dimensions > _MAX_DIMENSIONS:
        raise cursor.damaged(f"has a tensor `{name}` of {dimensions} dimensions")
    shape = tuple(cursor.u64() for _ in range(dimensions))
    kind, offset = cursor.u32(), cursor.u64()
    if kind not in BLOCKS:
        raise cursor.damaged(f"has a tensor `{name}` of the unknown type {kind}")
    size_bytes = tensor_bytes(shape, kind)
    if size_bytes is None or offset % alignment:
        raise cursor.damaged(f"has a tensor `{name}` that does not begin or end at a block")
    return Tensor(name, shape, kind, offset, size_bytes)

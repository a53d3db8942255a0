"""Read what a GGUF file says of itself, and check that its bytes are all there.

The format is described at https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. The `gguf`
package reads it too, but needs seconds for a large vocabulary, which is only skipped here.
"""

from __future__ import annotations

import math
import mmap
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Protocol, TypeAlias

from aava_cli.gguf_cursor import SCALARS, Cursor, HeaderCut, damaged
from aava_cli.quantisation import BLOCKS, tensor_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aava_cli.gguf_cursor import Buffer

MAGIC = b"GGUF"
VERSIONS = (2, 3)
DEFAULT_ALIGNMENT = 32
_MAX_DIMENSIONS = 4
_MAX_DEPTH = 4
_MAX_TENSORS = _MAX_PAIRS = 1 << 16  # what is read takes memory, unlike what is skipped
# Most headers are small; those with a large vocabulary take up to eight million bytes.
_BITES = (64 << 10, 512 << 10, 4 << 20, 16 << 20)
_STRING, _ARRAY = 8, 9


@dataclass(frozen=True, slots=True)
class Array:
    """A list in the metadata; of a long one, and of texts, the elements are skipped.

    *values* are those of a short list of numbers, such as one for each layer.
    """

    element_type: int
    count: int
    values: tuple[int | float | bool, ...] = ()


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
    def bits_per_weight(self) -> float:
        """How many bits a weight takes on average; 0 where there are none."""
        weights = sum(math.prod(tensor.shape) for tensor in self.tensors)
        size_bytes = sum(tensor.size_bytes for tensor in self.tensors)
        return size_bytes * 8 / weights if weights else 0.0

    @property
    def end(self) -> int:
        """The size that the file must have at least: where its last tensor ends."""
        ends = (tensor.offset + tensor.size_bytes for tensor in self.tensors)
        return self.data_offset + max(ends, default=0)


class Source(Protocol):
    """The bytes of a file, wherever it is."""

    @property
    def size_bytes(self) -> int | None:
        """How many there are; None where nobody says."""
        ...

    def read_at(self, offset: int, count: int) -> bytes:
        """Return *count* bytes from *offset* on, or as many as are to be had."""
        ...


@dataclass(frozen=True, slots=True)
class Beginning:
    """What the first bytes tell: *header* is None where they end within it."""

    metadata: Mapping[str, Value]
    header: GgufHeader | None = None


def parse_header(data: Buffer, *, name: str) -> GgufHeader:
    """Return the header that *data*, the start of the file *name*, begins with.

    Raises:
        HeaderCut: *data* ends within the header.
        IntegrityError: it is no GGUF, or it is damaged.
    """
    return _parse(Cursor(data, name), {})


def read_beginning(
    source: Source,
    *,
    name: str,
    most_bytes: int | None = None,
    bites: tuple[int, ...] = _BITES,
) -> Beginning:
    """Return what the first bytes of *source* tell; no more of them are asked for than it takes.

    After each of *bites*, sizes from the start, the header is tried.

    Raises:
        HeaderCut: the whole file ends within its header.
        IntegrityError: it is no GGUF, or it is damaged.
    """
    data, metadata = b"", dict[str, Value]()
    for bite in bites:
        wanted = (bite if most_bytes is None else min(bite, most_bytes)) - len(data)
        got = source.read_at(len(data), wanted) if wanted > 0 else b""
        if not got:
            break
        data += got
        try:
            return Beginning(metadata, _parse(Cursor(data, name), metadata))
        except HeaderCut:
            if len(data) == source.size_bytes:
                raise
    return Beginning(metadata)


def _parse(cursor: Cursor, metadata: dict[str, Value]) -> GgufHeader:
    """Return the header, having put what comes first into *metadata* even if the rest is cut."""
    version = _parse_version(cursor)
    tensor_count, pair_count = cursor.u64(), cursor.u64()
    cursor.expect_entries(tensor_count, each_bytes=0, most=_MAX_TENSORS)
    cursor.expect_entries(pair_count, each_bytes=0, most=_MAX_PAIRS)
    for _ in range(pair_count):
        key = cursor.text()
        metadata[key] = _parse_value(cursor, cursor.u32())
    alignment = _alignment(cursor, metadata)
    cursor.expect_entries(tensor_count, each_bytes=24)
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
        raise damaged(name, "is empty") from None
    with mapped:
        return parse_header(mapped, name=name)


def check_extent(file: BinaryIO, size_bytes: int, *, name: str) -> GgufHeader:
    """Return the header of the open *file* once all its tensors lie within *size_bytes*.

    Raises:
        IntegrityError: the header is damaged, or the file ends before its last tensor does.
    """
    header = read_header(file, name=name)
    if not header.tensors:
        raise damaged(name, "has no tensors")
    check_end(header, size_bytes, name=name)
    return header


def check_end(header: GgufHeader, size_bytes: int, *, name: str) -> None:
    """Check that all tensors of *header* lie within *size_bytes*; there may be none.

    Raises:
        IntegrityError: the file ends before its last tensor does.
    """
    if header.end > size_bytes:
        problem = f"ends before its last tensor: {size_bytes:,} of {header.end:,} bytes are there"
        raise damaged(name, problem)


def _parse_version(cursor: Cursor) -> int:
    cursor.skip(len(MAGIC))
    if bytes(cursor.data[: len(MAGIC)]) != MAGIC:
        raise cursor.damaged("is no GGUF file: it does not begin with `GGUF`")
    version = cursor.u32()
    if version and version & 0xFFFF == 0:
        raise cursor.damaged("is a big-endian GGUF file, which the daemon cannot load")
    if version not in VERSIONS:
        raise cursor.damaged(f"is GGUF version {version}, where 2 and 3 are known")
    return version


def _parse_value(cursor: Cursor, kind: int, depth: int = 0) -> Value:
    if kind == _STRING:
        return cursor.text()
    if kind == _ARRAY:
        return _skip_array(cursor, depth)
    if kind in SCALARS:
        return cursor.scalar(SCALARS[kind])
    raise cursor.damaged(f"has metadata of the unknown type {kind}")


def _skip_array(cursor: Cursor, depth: int) -> Array:
    element_type, count = cursor.u32(), cursor.u64()
    if element_type in SCALARS:
        return Array(element_type, count, cursor.numbers(element_type, count))
    if element_type == _STRING:
        cursor.skip_texts(count)
    elif depth < _MAX_DEPTH:
        cursor.expect_entries(count, each_bytes=12)
        for _ in range(count):
            _parse_value(cursor, element_type, depth + 1)
    else:
        raise cursor.damaged("has lists within lists within lists")
    return Array(element_type, count)


def _alignment(cursor: Cursor, metadata: Mapping[str, Value]) -> int:
    alignment = metadata.get("general.alignment", DEFAULT_ALIGNMENT)
    if not isinstance(alignment, int) or alignment < 1 or alignment & (alignment - 1):
        raise cursor.damaged(f"has the alignment {alignment}, which is no power of two")
    return alignment


def _parse_tensor(cursor: Cursor, alignment: int) -> Tensor:
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

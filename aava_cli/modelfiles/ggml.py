"""Files of llama.cpp and whisper.cpp: every tensor lies within the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aava_cli.gguf import check_extent
from aava_cli.modelfiles.reader import Reader
from aava_cli.quantisation import tensor_bytes

if TYPE_CHECKING:
    from pathlib import Path

GGML_MAGIC = 0x67676D6C
_ENTRIES = 1 << 20
_DIMENSIONS = 4


def check_gguf(path: Path) -> None:
    """Check that *path* is a GGUF file with all its tensors."""
    with path.open("rb") as file:
        check_extent(file, path.stat().st_size, name=str(path))


def check_ggml(path: Path) -> None:
    """Check a whisper.cpp file: sizes, filters, tokens, and tensors up to the last byte."""
    with path.open("rb") as file:
        reader = Reader(path, file)
        sizes = ggml_sizes(reader)
        _skip_filters_and_tokens(reader)
        # The fixed tensors, then those of each encoder block and of each decoder block.
        _walk_tensors(reader, expected=11 + 15 * sizes[4] + 24 * sizes[8])


def ggml_sizes(reader: Reader) -> tuple[int, ...]:
    """Return the sizes that a whisper.cpp file begins with; the last is how it is packed.

    Raises:
        IntegrityError: it begins as no whisper.cpp model does.
    """
    magic, *sizes = reader.integers(12, "header")
    if magic != GGML_MAGIC:
        raise reader.damaged("is no whisper.cpp model: it does not begin with `ggml`")
    if not all(0 < size < _ENTRIES for size in sizes[:-1]):
        raise reader.damaged("has a header that no whisper.cpp model has")
    return tuple(sizes)


def _skip_filters_and_tokens(reader: Reader) -> None:
    mels, bins = reader.integers(2, "filters")
    reader.skip(4 * mels * bins, "filters")
    (tokens,) = reader.integers(1, "tokens")
    if not 0 < tokens < _ENTRIES:
        raise reader.damaged(f"claims {tokens:,} tokens")
    for _ in range(tokens):
        reader.skip(reader.integers(1, "tokens")[0], "tokens")


def _walk_tensors(reader: Reader, expected: int) -> None:
    found = 0
    while reader.left and found <= expected:
        _skip_tensor(reader)
        found += 1
    if found != expected:
        count = f"more than {expected}" if reader.left else f"{found} of {expected}"
        raise reader.damaged(f"has {count} tensors")


def _skip_tensor(reader: Reader) -> None:
    dimensions, name_bytes, kind = reader.integers(3, "last tensor")
    if not 0 < dimensions <= _DIMENSIONS:
        raise reader.damaged(f"has a tensor of {dimensions} dimensions")
    shape = reader.integers(dimensions, "last tensor")
    size_bytes = tensor_bytes(shape, kind) if min(shape) > 0 else None
    if size_bytes is None:
        raise reader.damaged(f"has a tensor of type {kind} and shape {shape}")
    reader.skip(name_bytes, "last tensor")
    reader.skip(size_bytes, "last tensor")

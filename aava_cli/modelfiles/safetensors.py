"""Safetensors: the header accounts for every byte, and an index for every shard.

The format is described at https://github.com/huggingface/safetensors#format.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard

from aava_cli.modelfiles.reader import Reader, damaged, parse_json, read_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    Span: TypeAlias = tuple[int, int]

INDEX = ".safetensors.index.json"
MAX_HEADER_BYTES = 32 << 20
_BITS: Mapping[str, int] = {
    **dict.fromkeys(("F64", "I64", "U64", "C64"), 64),
    **dict.fromkeys(("F32", "I32", "U32"), 32),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 16),
    **dict.fromkeys(("F8_E4M3", "F8_E5M2", "F8_E8M0", "I8", "U8", "BOOL"), 8),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    "F4": 4,
}


def check_safetensors(path: Path) -> None:
    """Check *path*: one file, an index with its shards, or a folder that holds either.

    Raises:
        IntegrityError: a file is missing, ends early, or does not fit the others.
    """
    if path.is_dir():
        if not check_all_safetensors(path):
            raise damaged(path, "has no `*.safetensors`")
    elif path.name.endswith(INDEX):
        _check_index(path)
    else:
        _tensors(path)


def check_all_safetensors(folder: Path) -> int:
    """Check whatever of safetensors lies in *folder*, and return how many files that are."""
    indexes = sorted(folder.glob(f"*{INDEX}"))
    files = sorted(folder.glob("*.safetensors"))
    for path in (*indexes, *files):
        check_safetensors(path)
    return len(indexes) + len(files)


def shards_of(path: Path) -> tuple[str, ...]:
    """Return the files that the index *path* names; those of PyTorch are written alike.

    Raises:
        IntegrityError: it is no index.
    """
    return tuple(sorted(set(_placed(path).values())))


def _placed(path: Path) -> Mapping[str, str]:
    placed = read_json(path).get("weight_map")
    if not isinstance(placed, dict) or not placed:
        raise damaged(path, "has no `weight_map`")
    if not all(isinstance(each, str) and "/" not in each for each in placed.values()):
        raise damaged(path, "has a `weight_map` that names no files of its folder")
    return placed


def _check_index(path: Path) -> None:
    placed = _placed(path)
    for name in sorted(set(placed.values())):
        if not (path.parent / name).is_file():
            raise damaged(path.parent / name, f"is missing, a shard of `{path.name}`")
        listed = {weight for weight, shard in placed.items() if shard == name}
        odd = sorted(listed ^ _tensors(path.parent / name))
        if odd:
            problem = f"and `{path.name}` do not agree on the weight `{odd[0]}`"
            raise damaged(path.parent / name, problem)


def count_numbers(path: Path) -> int:
    """Return how many numbers the weights in *path* are.

    Raises:
        IntegrityError: the file does not say so, or ends early.
    """
    reader, tensors = _described(path)
    _check_spans(reader, sorted(_spans(reader, tensors)))
    return sum(math.prod(each["shape"]) for each in tensors.values())


def _tensors(path: Path) -> frozenset[str]:
    """Return the names of the tensors in *path*, which fill it exactly."""
    reader, tensors = _described(path)
    _check_spans(reader, sorted(_spans(reader, tensors)))
    return frozenset(tensors)


def _described(path: Path) -> tuple[Reader, Mapping[str, Any]]:
    """Return what the header of *path* says of each tensor, and the place behind it."""
    with path.open("rb") as file:
        reader = Reader(path, file)
        (header_bytes,) = reader.integers(1, "header", "Q")
        if header_bytes > MAX_HEADER_BYTES:
            raise reader.damaged(f"claims a header of {header_bytes:,} bytes, which no model has")
        header = parse_json(path, reader.read(header_bytes, "header"))
    if not isinstance(header, dict):
        raise reader.damaged("has a header that is not a JSON object")
    return reader, {name: each for name, each in header.items() if name != "__metadata__"}


def _spans(reader: Reader, tensors: Mapping[str, object]) -> Iterator[Span]:
    for name, each in tensors.items():
        described = each if isinstance(each, dict) else {}
        shape, offsets = described.get("shape"), described.get("data_offsets")
        bits = _BITS.get(str(described.get("dtype")))
        if bits is None or not _are_sizes(shape) or not _are_sizes(offsets):
            raise reader.damaged(f"has a tensor `{name}` that is not described as one")
        if len(offsets) != 2 or (offsets[1] - offsets[0]) * 8 != math.prod(shape) * bits:  # noqa: PLR2004 - start and end
            raise reader.damaged(f"has a tensor `{name}` whose shape and place do not fit")
        yield offsets[0], offsets[1]


def _are_sizes(value: object) -> TypeGuard[list[int]]:
    return isinstance(value, list) and all(type(each) is int and each >= 0 for each in value)


def _check_spans(reader: Reader, spans: list[Span]) -> None:
    end = 0
    for start, stop in spans:
        if start != end:
            raise reader.damaged(f"has tensors that leave a gap or overlap at byte {end:,}")
        end = stop
    if end > reader.left:
        problem = f"ends before its last tensor: {reader.left:,} of {end:,} bytes are there"
        raise reader.damaged(problem)
    if end < reader.left:
        raise reader.damaged(f"has {reader.left - end:,} bytes behind its last tensor")

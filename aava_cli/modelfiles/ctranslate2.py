"""Folders of CTranslate2, as faster-whisper loads them.

What `model.bin` holds is written by `ModelSpec` of CTranslate2's `specs/model_spec.py`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from aava_cli.modelfiles.reader import Reader, damaged, expect_one, read_any_json, read_json

if TYPE_CHECKING:
    from pathlib import Path

_SPEC = "WhisperSpec"
_VERSIONS = range(2, 7)  # the oldest that says its kind, and the one that is written today
_WITH_ALIASES, _WITH_TYPES = 3, 4
_TYPE_BYTES = (4, 1, 2, 4, 2, 2)  # float32, int8, int16, int32, float16, bfloat16
_MAX_VARIABLES = 1 << 16
_MAX_RANK = 8
_VARIABLE = "last variable"


def check_ctranslate2(path: Path) -> None:
    """Check a folder of faster-whisper: the weights, their description, vocabulary, tokenizer."""
    for binary in expect_one(path, "model.bin"):
        check_weights(binary)
    expect_one(path, "config.json")
    read_json(path / "config.json")
    # Without it the engine asks the hub, and fails on a host without a network.
    expect_one(path, "tokenizer.json")
    read_json(path / "tokenizer.json")
    for file in expect_one(path, "vocabulary.json", "vocabulary.txt"):
        if file.suffix == ".json" and not isinstance(read_any_json(file), list):
            raise damaged(file, "is not a list of tokens")


def check_weights(path: Path) -> None:
    """Check that the variables and aliases of *path* end where the file does."""
    with path.open("rb") as file:
        reader = Reader(path, file)
        version = read_start(reader)
        (count,) = reader.integers(1, "header", "I")
        if not 0 < count <= _MAX_VARIABLES:
            raise reader.damaged(f"claims {count:,} variables, which no model has")
        for _ in range(count):
            _skip_variable(reader, typed=version >= _WITH_TYPES)
        if version >= _WITH_ALIASES:
            _skip_aliases(reader)
        if reader.left:
            raise reader.damaged(f"has {reader.left:,} bytes behind its last variable")


def read_start(reader: Reader) -> int:
    """Return the version of the format, once it is known and the kind is the engine's.

    Raises:
        IntegrityError: it begins as no model of the engine does.
    """
    (version,) = reader.integers(1, "header", "I")
    if version not in _VERSIONS:
        raise reader.damaged("is no CTranslate2 model, or of a version that is not known")
    spec = _text(reader, "header")
    if spec != _SPEC:
        raise reader.damaged(f"is a `{spec}` of CTranslate2, where `{_SPEC}` is expected")
    reader.skip(4, "header")
    return version


def _skip_variable(reader: Reader, *, typed: bool) -> None:
    name = _text(reader, _VARIABLE)
    (rank,) = reader.integers(1, _VARIABLE, "B")
    if rank > _MAX_RANK:
        raise reader.damaged(f"has a variable `{name}` of {rank} dimensions")
    shape = reader.integers(rank, _VARIABLE, "I")
    (kind,), (size_bytes,) = reader.integers(1, _VARIABLE, "B"), reader.integers(1, _VARIABLE, "I")
    if typed and (kind >= len(_TYPE_BYTES) or math.prod(shape) * _TYPE_BYTES[kind] != size_bytes):
        raise reader.damaged(f"has a variable `{name}` whose shape and size do not fit")
    # Before there were types, their width and the number of weights were written.
    reader.skip(size_bytes if typed else size_bytes * kind, _VARIABLE)


def _skip_aliases(reader: Reader) -> None:
    (count,) = reader.integers(1, _VARIABLE, "I")
    if count > _MAX_VARIABLES:
        raise reader.damaged(f"claims {count:,} aliases, which no model has")
    for _ in range(2 * count):
        _text(reader, "last alias")


def _text(reader: Reader, what: str) -> str:
    (size_bytes,) = reader.integers(1, what, "H")
    return reader.read(size_bytes, what).rstrip(b"\0").decode("utf-8", "replace")[:64]

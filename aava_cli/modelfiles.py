"""Check that a model's files are whole, before a daemon that would crash on them sees them."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, BinaryIO

from aava_cli.errors import IntegrityError
from aava_cli.gguf import check_extent, tensor_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from aava_cli.backends import Backend

_GGML_MAGIC = 0x67676D6C
_GGML_ENTRIES = 1 << 20
_GGML_SIDE = 1 << 24  # the largest side of a tensor: no model is near
_GGML_DIMENSIONS = 4
_PIPER_KEYS = ("audio", "espeak", "phoneme_id_map", "num_symbols", "num_speakers")
_PIPER_MARKS = ("^", "_", "$")  # where a sentence begins, where a phoneme ends, where it ends
_PIPER_RATES_HZ = range(4000, 192_001)
_VOCABULARIES = ("vocabulary.json", "vocabulary.txt", "tokenizer.json")
_VARINT, _EIGHT_BYTES, _SIZED, _FOUR_BYTES = 0, 1, 2, 5


def check_model(backend: Backend, path: Path) -> None:
    """Check that *path* holds whole files of the kind that *backend* loads.

    Content that only the engine can judge, such as the values of weights, is not looked at.

    Raises:
        IntegrityError: a file is missing, cut short, or of another kind; the file is named.
    """
    if backend.files == "ctranslate2" and not path.exists():
        return  # a name such as `small`, for which the engine has its own store
    if not path.exists():
        raise _damaged(path, "is missing")
    if not path.is_file() and not path.is_dir():
        # A pipe would keep whoever opens it waiting for ever.
        raise _damaged(path, "is neither a file nor a folder")
    try:
        _CHECKS[backend.files](path)
    except OSError as error:
        raise _damaged(path, f"cannot be read: {error.strerror}") from error


def _damaged(path: Path, problem: str) -> IntegrityError:
    hint = "run `aava models verify`, or `aava models pull` to fetch it again"
    return IntegrityError(f"`{path}` {problem}", hint=hint)


def _check_nothing(_path: Path) -> None:
    """Accept anything: only the engine itself knows this format."""


def _size(file: BinaryIO) -> int:
    size = file.seek(0, 2)
    file.seek(0)
    return size


def _check_gguf(path: Path) -> None:
    with path.open("rb") as file:
        check_extent(file, _size(file), name=str(path))


def _check_ggml(path: Path) -> None:
    with path.open("rb") as file:
        _walk_ggml(_Reader(path, file))


class _Reader:
    """Walks one file, and says where it was when the bytes ran out."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path = path
        self.left = self.size = _size(file)
        self._file = file

    def damaged(self, problem: str) -> IntegrityError:
        return _damaged(self.path, problem)

    def _take(self, count: int, what: str) -> None:
        if not 0 <= count <= self.left:
            raise self.damaged(f"ends before its {what} does, at byte {self.size:,}")
        self.left -= count

    def read(self, count: int, what: str) -> bytes:
        self._take(count, what)
        return self._file.read(count)

    def skip(self, count: int, what: str) -> None:
        self._take(count, what)
        self._file.seek(count, 1)

    def integers(self, count: int, what: str) -> tuple[int, ...]:
        return struct.unpack(f"<{count}i", self.read(4 * count, what))


def _walk_ggml(reader: _Reader) -> None:
    """Check a whisper.cpp file: sizes, filters, tokens, and tensors up to the last byte."""
    sizes = _ggml_sizes(reader)
    mels, bins = reader.integers(2, "filters")
    reader.skip(4 * mels * bins, "filters")
    (tokens,) = reader.integers(1, "tokens")
    if not 0 < tokens < _GGML_ENTRIES:
        raise reader.damaged(f"claims {tokens:,} tokens")
    for _ in range(tokens):
        reader.skip(reader.integers(1, "tokens")[0], "tokens")
    found = 0
    while reader.left:
        _skip_ggml_tensor(reader)
        found += 1
    audio_layers, text_layers = sizes[4], sizes[8]
    # The fixed tensors, then those of each encoder block and of each decoder block.
    expected = 11 + 15 * audio_layers + 24 * text_layers
    if found != expected:
        raise reader.damaged(f"has {found} of {expected} tensors")


def _ggml_sizes(reader: _Reader) -> tuple[int, ...]:
    magic, *sizes = reader.integers(12, "header")
    if magic != _GGML_MAGIC:
        raise reader.damaged("is no whisper.cpp model: it does not begin with `ggml`")
    if not all(0 < size < _GGML_ENTRIES for size in sizes[:-1]):
        raise reader.damaged("has a header that no whisper.cpp model has")
    return tuple(sizes)


def _skip_ggml_tensor(reader: _Reader) -> None:
    dimensions, name_bytes, kind = reader.integers(3, "last tensor")
    if not 0 < dimensions <= _GGML_DIMENSIONS:
        raise reader.damaged(f"has a tensor of {dimensions} dimensions")
    shape = reader.integers(dimensions, "last tensor")
    size_bytes = tensor_bytes(shape, kind) if min(shape) > 0 else None
    if size_bytes is None:
        raise reader.damaged(f"has a tensor of type {kind} and shape {shape}")
    reader.skip(name_bytes, "last tensor")
    reader.skip(size_bytes, "last tensor")


def _check_piper(path: Path) -> None:
    _check_onnx(path)
    config = path.with_name(path.name + ".json")
    described = _read_json(config)
    missing = [key for key in _PIPER_KEYS if key not in described]
    if missing:
        raise _damaged(config, "has no " + ", ".join(f"`{key}`" for key in missing))
    for name, expected, right in _piper_types(described):
        if not right:
            raise _damaged(config, f"has a wrong `{name}`: expected {expected}")


def _piper_types(described: Mapping[str, object]) -> Iterator[tuple[str, str, bool]]:
    """Yield each key that the engine trusts, what it has to be, and whether it is."""
    rate_hz = _inside(described["audio"], "sample_rate")
    low, high = _PIPER_RATES_HZ[0], _PIPER_RATES_HZ[-1]
    right = _is_whole(rate_hz) and rate_hz in _PIPER_RATES_HZ
    yield "audio.sample_rate", f"a whole number from {low:,} to {high:,}", right
    yield "espeak.voice", "text", isinstance(_inside(described["espeak"], "voice"), str)
    for key in ("num_symbols", "num_speakers"):
        yield key, "a whole number from 1", _is_whole(described[key]) and described[key] != 0
    right = _is_phoneme_map(described["phoneme_id_map"])
    yield "phoneme_id_map", "a table of phonemes, each with its numbers", right
    yield "phoneme_type", "text", isinstance(described.get("phoneme_type", ""), str)
    yield "inference", "a table of numbers", _is_scales(described.get("inference", {}))


def _inside(value: object, key: str) -> object:
    return value.get(key) if isinstance(value, dict) else None


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_scales(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(each, int | float) for each in value.values())


def _is_phoneme_map(value: object) -> bool:
    if not isinstance(value, dict) or not all(mark in value for mark in _PIPER_MARKS):
        return False
    return all(isinstance(ids, list) and all(map(_is_whole, ids)) for ids in value.values())


def _read_json(path: Path) -> Mapping[str, object]:
    if not path.is_file():
        raise _damaged(path, "is missing")
    try:
        described = json.loads(path.read_bytes())
    except ValueError as error:
        raise _damaged(path, f"is not JSON: {error}") from error
    if not isinstance(described, dict):
        raise _damaged(path, "is not a JSON object")
    return described


def _check_onnx(path: Path) -> None:
    """Check that the protobuf fields of *path* end where the file does."""
    with path.open("rb") as file:
        reader = _Reader(path, file)
        if not reader.left:
            raise reader.damaged("is empty")
        while reader.left:
            _skip_field(reader)


def _skip_field(reader: _Reader) -> None:
    tag = _varint(reader)
    match tag & 7:
        case kind if tag >> 3 == 0 or kind not in (_VARINT, _EIGHT_BYTES, _SIZED, _FOUR_BYTES):
            raise reader.damaged("is no ONNX model, or is damaged")
        case 0:
            _varint(reader)
        case 2:
            reader.skip(_varint(reader), "last field")
        case kind:
            reader.skip(8 if kind == _EIGHT_BYTES else 4, "last field")


def _varint(reader: _Reader) -> int:
    value = 0
    for shift in range(0, 70, 7):
        byte = reader.read(1, "last field")[0]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - the bit that says that more follows
            return value
    raise reader.damaged("is no ONNX model, or is damaged")


def _check_vosk(path: Path) -> None:
    # Archives may hold the model one folder deeper, and the daemon looks there too.
    nested = [each for each in path.iterdir() if (each / "conf").is_dir()]
    root = path if (path / "conf").is_dir() or not nested else nested[0]
    if not (root / "conf").is_dir():
        raise _damaged(root, "is no Vosk model: it has no `conf` folder")
    _expect_one(root, "am/final.mdl", "final.mdl")


def _check_sherpa(path: Path) -> None:
    _expect_one(path, "tokens.txt")
    for part in ("encoder", "decoder", "joiner"):
        _expect_one(path, f"{part}*.onnx")
        for file in path.glob(f"{part}*.onnx"):
            _check_onnx(file)


def _check_ctranslate2(path: Path) -> None:
    _expect_one(path, "model.bin")
    _expect_one(path, *_VOCABULARIES)


def _expect_one(folder: Path, *patterns: str) -> None:
    """Check that a file of *folder* that is not empty fits one of *patterns*."""
    found = [file for pattern in patterns for file in folder.glob(pattern)]
    if not found:
        raise _damaged(folder, f"has no `{patterns[0]}`")
    for file in found:
        if file.stat().st_size == 0:
            raise _damaged(file, "is empty")


_CHECKS: Mapping[str | None, Callable[[Path], None]] = {
    None: _check_nothing,
    "gguf": _check_gguf,
    "ggml": _check_ggml,
    "piper": _check_piper,
    "vosk": _check_vosk,
    "sherpa": _check_sherpa,
    "ctranslate2": _check_ctranslate2,
}

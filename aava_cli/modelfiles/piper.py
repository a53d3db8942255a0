"""Voices of Piper: the network, and the description that the engine believes word for word."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aava_cli.modelfiles.onnx import check_onnx
from aava_cli.modelfiles.reader import damaged, read_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_KEYS = ("audio", "espeak", "phoneme_id_map", "num_symbols", "num_speakers")
_MARKS = ("^", "_", "$")  # where a sentence begins, where a phoneme ends, where it ends
_RATES_HZ = range(4000, 192_001)


def check_piper(path: Path) -> None:
    """Check the network in *path* and its description beside it."""
    check_onnx(path)
    config = path.with_name(path.name + ".json")
    described = read_json(config)
    missing = [key for key in _KEYS if key not in described]
    if missing:
        raise damaged(config, "has no " + ", ".join(f"`{key}`" for key in missing))
    for name, expected, right in _piper_types(described):
        if not right:
            raise damaged(config, f"has a wrong `{name}`: expected {expected}")


def _piper_types(described: Mapping[str, object]) -> Iterator[tuple[str, str, bool]]:
    """Yield each key that the engine trusts, what it has to be, and whether it is."""
    rate_hz = _inside(described["audio"], "sample_rate")
    low, high = _RATES_HZ[0], _RATES_HZ[-1]
    right = _is_whole(rate_hz) and rate_hz in _RATES_HZ
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
    if not isinstance(value, dict) or not all(mark in value for mark in _MARKS):
        return False
    return all(isinstance(ids, list) and all(map(_is_whole, ids)) for ids in value.values())

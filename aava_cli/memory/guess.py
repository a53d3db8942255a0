"""A language model of which only the size is known: a likely shape, and wide bounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aava_cli.memory.needs import Language
from aava_cli.memory.shape import Layer, Shape
from aava_cli.memory.weights import Weights

if TYPE_CHECKING:
    from collections.abc import Mapping

GUESSED = "unknown"


@dataclass(frozen=True, slots=True)
class _Usual:
    """What models of about one size are made of."""

    layers: int
    embedding: int
    heads: int
    keys: int
    vocabulary: int = 128_000


# By bytes at four to five bits for a weight. They are those of SmolLM2 135M, Llama 3.2 1B and 3B,
# Llama 3.1 8B, Phi-4 14B, Qwen2.5 32B and Llama 3.1 70B.
_USUAL: Mapping[int, _Usual] = {
    300_000_000: _Usual(30, 576, 9, 192, 49_152),
    1_500_000_000: _Usual(16, 2048, 32, 512),
    3_500_000_000: _Usual(28, 3072, 24, 1024),
    7_000_000_000: _Usual(32, 4096, 32, 1024),
    13_000_000_000: _Usual(40, 5120, 40, 1280),
    30_000_000_000: _Usual(64, 5120, 40, 1024, 152_064),
}
_LARGEST = _Usual(80, 8192, 64, 1024)


def guess_language(file_bytes: int) -> Language:
    """Return what a model of *file_bytes* is usually made of."""
    usual = next((each for most, each in _USUAL.items() if file_bytes <= most), _LARGEST)
    tokens = min(usual.vocabulary * usual.embedding * 5 // 8, file_bytes // 4)
    layer_bytes = (file_bytes - tokens) // (usual.layers + 1)
    layers = tuple(Layer(usual.keys, usual.keys) for _ in range(usual.layers))
    shape = Shape(
        GUESSED, layers, usual.embedding, usual.heads, usual.vocabulary, 3 * usual.embedding
    )
    rest = file_bytes - tokens - layer_bytes * usual.layers
    weights = Weights((layer_bytes,) * usual.layers, tokens, rest, 0, layer_bytes // 3)
    return Language(shape, weights)

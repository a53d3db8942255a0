"""The memory of what was read: keys and values of each token, as llama.cpp allocates them.

Sizes are those of `llama_kv_cache` (src/llama-kv-cache.cpp), of `llama_kv_cache_iswa` for layers
with a window, and of `llama_memory_recurrent`; the rounding is in `llama_context`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aava_cli.errors import UsageError
from aava_cli.quantisation import BLOCKS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aava_cli.memory.shape import Layer, Shape
    from aava_cli.memory.terms import CacheTerms

# The types that `--cache-type-k` of llama.cpp takes, by their numbers in ggml.
CACHE_TYPES: Mapping[str, int] = {
    "f32": 0,
    "f16": 1,
    "bf16": 30,
    "q8_0": 8,
    "q4_0": 2,
    "q4_1": 3,
    "iq4_nl": 20,
    "q5_0": 6,
    "q5_1": 7,
}
_CELLS = 256
_STATE_BYTES = 4


def cache_type(name: str) -> str:
    """Return *name* once it is a type that a cache can have.

    Raises:
        UsageError: it is none.
    """
    if name.lower() not in CACHE_TYPES:
        known = ", ".join(CACHE_TYPES)
        raise UsageError(f"`{name}` is no type of a cache", hint=f"choose one of {known}")
    return name.lower()


def row_bytes(numbers: int, kind: str) -> int:
    """Return what *numbers* take, packed as *kind*; a last block that is not full counts whole."""
    weights, size_bytes = BLOCKS[CACHE_TYPES[kind]]
    return -(-numbers // weights) * size_bytes


def cells(terms: CacheTerms) -> int:
    """Return for how many tokens of one conversation there is room."""
    return _rounded(terms.context)


def room_of(layer: Layer, terms: CacheTerms) -> int:
    """Return how many tokens of one conversation *layer* keeps."""
    room = cells(terms)
    if not layer.window or terms.full_window:
        return room
    # A window is kept with the tokens that are read at a time.
    return min(room, _rounded(layer.window + terms.micro_batch))


def layer_bytes(layer: Layer, terms: CacheTerms) -> int:
    """Return what *layer* keeps for all conversations."""
    a_token = row_bytes(layer.keys, terms.kind) + row_bytes(layer.values, terms.kind)
    return terms.parallel * (room_of(layer, terms) * a_token + layer.state * _STATE_BYTES)


def cache_bytes(shape: Shape, terms: CacheTerms) -> int:
    """Return what all layers of *shape* keep."""
    return sum(layer_bytes(layer, terms) for layer in shape.layers)


def _rounded(count: int) -> int:
    return -(-count // _CELLS) * _CELLS

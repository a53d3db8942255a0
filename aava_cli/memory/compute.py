"""What computing takes besides weights and cache: scratch buffers, and a driver's context.

The graph of a batch reuses its memory, so the largest moment counts. There are two candidates:
the scores of a whole batch over the vocabulary, and attention over all that was read. Both are
what `ggml_gallocr` arrives at in logs that people published; tests/memory/test_published.py has
them with their sources. Flash attention does without the second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aava_cli.memory.amounts import MIB, Amount
from aava_cli.memory.cache import cells, room_of

if TYPE_CHECKING:
    from aava_cli.memory.shape import Shape
    from aava_cli.memory.terms import CacheTerms

_FLOAT = 4
_HALF = 2
# Activations that are alive beside attention (in, out, residual, and the projected heads), and
# beside the scores.
_ALIVE, _ALIVE_AT_END = 4, 3

CONTEXT = Amount(250 * MIB, 457 * MIB, 700 * MIB)
"""What a CUDA context with its kernels takes on one GPU before anything is put there.

The likely value is `cudaMinimumMemory` of ollama's discover/gpu.go. Newer GPUs take more.
"""

PROCESS = Amount(25 * MIB, 60 * MIB, 200 * MIB)
"""What an interpreter with an engine's libraries takes; 35 MiB were measured with llama.cpp."""


def scratch(shape: Shape, terms: CacheTerms, *, flash: bool | None) -> Amount:
    """Return the compute buffer on the device that computes; *flash* is None where it decides."""
    with_flash, without = _peak(shape, terms, flash=True), _peak(shape, terms, flash=False)
    low = without if flash is False else with_flash
    high = with_flash if flash else without
    return Amount(round(low * 0.9), high, round(high * 1.15) + 16 * MIB)


def _peak(shape: Shape, terms: CacheTerms, *, flash: bool) -> int:
    batch = terms.micro_batch
    looked_at = sum(masked_cells(shape, terms))
    alive = max(_ALIVE * shape.embedding, _forward(shape)) * batch * _FLOAT
    if flash:
        scores = (shape.vocabulary + _ALIVE_AT_END * shape.embedding) * batch * _FLOAT
        return looked_at * batch * _HALF + max(scores, alive)
    scores = (shape.vocabulary + shape.embedding) * batch * _FLOAT
    heads = (cells(terms) * shape.heads + looked_at) * batch * _FLOAT
    return max(scores, heads + alive)


def _forward(shape: Shape) -> int:
    """Return the numbers that are alive in a feed-forward network for each token."""
    if shape.experts_used:
        each = 3 * shape.expert_forward + shape.embedding
        return shape.experts_used * each + 3 * shape.embedding
    return 2 * shape.feed_forward + shape.embedding


def masked_cells(shape: Shape, terms: CacheTerms) -> tuple[int, ...]:
    """Return how long each kind of cache is: whole ones, and those with a window."""
    kept = [layer for layer in shape.layers if layer.keys]
    return tuple(sorted({room_of(layer, terms) for layer in kept if layer.window})) + (
        (cells(terms),) if any(not layer.window for layer in kept) else ()
    )


def host_side(shape: Shape, terms: CacheTerms) -> Amount:
    """Return what the host keeps for a model on a GPU: embeddings of a batch, masks and scores."""
    batch = terms.micro_batch
    embedded = batch * shape.embedding * _FLOAT
    mask = cells(terms) * batch * _FLOAT
    # llama-cpp-python holds the scores of a batch once more.
    scores = shape.vocabulary * _FLOAT
    return Amount(embedded, embedded + mask + scores, embedded + mask + scores * (batch + 1))

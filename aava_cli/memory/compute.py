"""What computing takes besides weights and cache: scratch buffers, and a driver's context.

The graph of a batch reuses its memory, so the largest moment counts. There are two candidates:
the scores of a whole batch over the vocabulary, and attention over all that was read. Both are
what `ggml_gallocr` arrives at in logs that people published; tests/memory/test_published.py has
them with their sources. Flash attention does without the second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aava_cli.memory.amounts import MIB, Amount
from aava_cli.memory.cache import cells

if TYPE_CHECKING:
    from aava_cli.memory.shape import Shape
    from aava_cli.memory.terms import CacheTerms

_FLOAT = 4
# Activations that are alive beside attention: in, out, residual, and the projected heads.
_ALIVE = 4
_MASK_BYTES, _FLASH_MASK_BYTES = 4, 6  # a mask of floats; flash attention has a half copy, too

CONTEXT = Amount(250 * MIB, 457 * MIB, 700 * MIB)
"""What a CUDA context with its kernels takes on one GPU before anything is put there.

The likely value is `cudaMinimumMemory` of ollama's discover/gpu.go. Newer GPUs take more.
"""

PROCESS = Amount(60 * MIB, 130 * MIB, 300 * MIB)
"""What an interpreter with an engine's libraries takes; measured with the engines of this tree."""


def scratch(shape: Shape, terms: CacheTerms, *, flash: bool | None) -> Amount:
    """Return the compute buffer on the device that computes; *flash* is None where it decides."""
    with_flash, without = _peak(shape, terms, flash=True), _peak(shape, terms, flash=False)
    low = without if flash is False else with_flash
    high = with_flash if flash else without
    return Amount(round(low * 0.9), high, round(high * 1.15) + 16 * MIB)


def _peak(shape: Shape, terms: CacheTerms, *, flash: bool) -> int:
    batch, room = terms.micro_batch, cells(terms)
    scores = (shape.vocabulary + shape.embedding) * batch * _FLOAT
    heads = 0 if flash else room * batch * shape.heads * _FLOAT
    mask = room * batch * (_FLASH_MASK_BYTES if flash else _MASK_BYTES)
    alive = max(_ALIVE * shape.embedding, 2 * shape.feed_forward + shape.embedding)
    return max(scores, heads + mask + alive * batch * _FLOAT)


def host_side(shape: Shape, terms: CacheTerms) -> Amount:
    """Return what the host keeps for a model on a GPU: embeddings of a batch, masks and scores."""
    batch = terms.micro_batch
    embedded = batch * shape.embedding * _FLOAT
    mask = cells(terms) * batch * _FLOAT
    # llama-cpp-python holds the scores of a batch once more.
    scores = shape.vocabulary * _FLOAT
    return Amount(embedded, embedded + mask + scores, embedded + mask + scores * (batch + 1))

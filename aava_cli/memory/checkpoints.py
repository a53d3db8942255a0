"""Models of the transformers library: which way of loading one fits, and which is chosen.

The model server tries 4 bits, then 8, then half precision on the GPU, and takes the first that
does not raise: it looks at no memory. Half precision never raises for want of it, because layers
then go to the host's memory unasked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from aava_cli.memory.amounts import NOTHING, Amount, exactly, spread
from aava_cli.memory.compute import CONTEXT, PROCESS

if TYPE_CHECKING:
    from aava_cli.memory.terms import FitTerms

Strategy: TypeAlias = Literal["4-bit", "8-bit", "fp16", "cpu"]

# Bytes for a weight. Those of 4 bits come with a scale for each 64, itself packed: "double
# quantisation", 0.127 bits for a weight (Dettmers et al., QLoRA, 2023, section 3).
_PACKED = {"4-bit": (4 + 0.127) / 8, "8-bit": 1.0, "fp16": 2.0}
_HALF, _FULL = 2, 4
_ACTIVE = 0.07
QUALITY: tuple[Strategy, ...] = ("fp16", "8-bit", "4-bit", "cpu")
UPSTREAM: tuple[Strategy, ...] = ("4-bit", "8-bit", "fp16")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Weights as published: how many in all, how many of them look tokens up and score them.

    A library packs the rest. *cache_numbers* are kept for each token.
    """

    weights: int
    unpacked: int
    cache_numbers: int
    architecture: str = ""
    trained_context: int | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """One way of loading: what it takes, where, and whether that is there."""

    strategy: Strategy
    amount: Amount
    fits: bool


@dataclass(frozen=True, slots=True)
class Chain:
    """All ways of loading; what the model server would choose, and what is recommended.

    *spills* says that what is chosen leaves layers in the host's memory without a word.
    """

    choices: tuple[Choice, ...]
    upstream: Strategy | None
    spills: bool
    recommended: Strategy | None


def amount_of(checkpoint: Checkpoint, strategy: Strategy, terms: FitTerms, context: int) -> Amount:
    """Return what *checkpoint*, loaded by *strategy*, takes where it computes."""
    cache = checkpoint.cache_numbers * context * terms.parallel
    if strategy == "cpu":
        size = checkpoint.weights * _FULL
        return exactly(size + cache * _FULL) + spread(size * _ACTIVE, 0.2, 2.0) + PROCESS
    packed = checkpoint.weights - checkpoint.unpacked
    size = round(packed * _PACKED[strategy]) + checkpoint.unpacked * _HALF
    return exactly(size + cache * _HALF) + spread(size * _ACTIVE, 0.2, 2.0) + CONTEXT


def chain_of(
    checkpoint: Checkpoint, terms: FitTerms, context: int, gpu_bytes: int, host_bytes: int
) -> Chain:
    """Return how *checkpoint* can be loaded with so much free on GPUs and on the host."""
    choices = {
        strategy: _choice(checkpoint, strategy, terms, context, gpu_bytes, host_bytes)
        for strategy in QUALITY
    }
    recommended = next((each for each in QUALITY if choices[each].fits), None)
    if not gpu_bytes:
        upstream: Strategy | None = "cpu"
        return Chain(tuple(choices.values()), upstream, spills=False, recommended=recommended)
    upstream = next((each for each in UPSTREAM if choices[each].fits), None)
    spills = upstream is None and choices["fp16"].amount.likely_bytes <= gpu_bytes + host_bytes
    chosen: Strategy | None = "fp16" if spills else upstream
    return Chain(tuple(choices.values()), chosen, spills, recommended)


def _choice(
    checkpoint: Checkpoint,
    strategy: Strategy,
    terms: FitTerms,
    context: int,
    gpu_bytes: int,
    host_bytes: int,
) -> Choice:
    amount = amount_of(checkpoint, strategy, terms, context)
    room = host_bytes if strategy == "cpu" else gpu_bytes
    return Choice(strategy, amount, amount.high_bytes <= room and amount != NOTHING)

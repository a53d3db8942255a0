"""A language model at one context, cut into what can be put on a GPU by itself.

llama.cpp gives a GPU the output layer first and then the last layers, each with its part of the
cache; tokens are looked up in the host's memory. Of more than one GPU each gets neighbouring
layers, in proportion to what it has free (`load_tensors` in src/llama-model.cpp).
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from aava_cli.memory.amounts import NOTHING, Amount, exactly, spread
from aava_cli.memory.cache import layer_bytes
from aava_cli.memory.compute import CONTEXT, PROCESS, host_side, scratch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aava_cli.memory.needs import Basis, Language
    from aava_cli.memory.terms import FitTerms


@dataclass(frozen=True, slots=True)
class Course:
    """What each layer takes, the output last; *loose* is how far a guess may be off.

    *factor* is what past loads say of the whole.
    """

    weights: tuple[int, ...]
    cache: tuple[int, ...]
    scratch: Amount
    host_side: Amount
    input_bytes: int
    tied_bytes: int
    largest_bytes: int
    loose: bool
    factor: float = 1.0

    @property
    def slots(self) -> int:
        """How many layers there are to put somewhere, the output among them."""
        return len(self.weights)

    def weigh(self, first: int, last: int) -> Amount:
        """Return the weights of the layers from *first* to before *last*."""
        return self.sized(sum(self.weights[first:last]))

    def sized(self, count: int) -> Amount:
        """Return *count* bytes of weights, as sure as they are."""
        return spread(count, 0.9, 1.15) if self.loose else exactly(count)

    def keep(self, first: int, last: int) -> Amount:
        """Return the cache of the layers from *first* to before *last*."""
        size = sum(self.cache[first:last])
        return spread(size, 0.4, 4.0) if self.loose else exactly(size)

    def corrected(self, amount: Amount) -> Amount:
        """Return *amount* as past loads correct it: they move its middle, and only widen it."""
        return amount.scaled(min(self.factor, 1.0), self.factor, max(self.factor, 1.0))


def course_of(language: Language, basis: Basis, terms: FitTerms, context: int) -> Course:
    """Return what *language* takes with room for *context* tokens of each caller."""
    shape, weights, cache = language.shape, language.weights, terms.cache(context)
    flash = False if shape.is_latent and not terms.native else terms.flash_attention
    return Course(
        weights=(*weights.layers, weights.output_bytes),
        cache=(*(layer_bytes(layer, cache) for layer in shape.layers), 0),
        scratch=scratch(shape, cache, flash=flash),
        host_side=host_side(shape, cache),
        input_bytes=weights.input_bytes,
        tied_bytes=weights.tied_bytes,
        largest_bytes=weights.largest_bytes,
        loose=basis != "header",
        factor=terms.factors.get(f"llama/{shape.architecture}", 1.0),
    )


def divide(slots: int, count: int, free_bytes: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Return from where to where the last *count* of *slots* layers go to each GPU."""
    if not count or not any(free_bytes):
        return tuple((slots, slots) for _ in free_bytes)
    bounds = [each / sum(free_bytes) for each in accumulate(free_bytes)]
    owners = [
        min(bisect_right(bounds, position / count), len(bounds) - 1) for position in range(count)
    ]
    start = slots - count
    cuts = [start + sum(owner < gpu for owner in owners) for gpu in range(len(free_bytes) + 1)]
    return tuple(pairwise(cuts))


def on_gpu(course: Course, first: int, last: int, *, is_whole: bool) -> Amount:
    """Return what the layers from *first* to before *last* take on their GPU.

    Where the model *is_whole* on GPUs nothing is copied there to compute with.
    """
    if first == last:
        return NOTHING
    copied = NOTHING if is_whole else Amount(0, course.largest_bytes, course.largest_bytes)
    layers = course.weigh(first, last) + course.keep(first, last)
    return course.corrected(layers + course.scratch + copied + CONTEXT)


def on_host(course: Course, count: int) -> Amount:
    """Return what the host keeps of a model with *count* layers on GPUs."""
    rest = course.slots - count
    if not count:
        tied = exactly(course.input_bytes - course.tied_bytes)
        layers = course.weigh(0, course.slots) + course.keep(0, course.slots)
        return course.corrected(tied + layers + course.scratch + PROCESS)
    # Of the table of tokens only the rows that are used come into memory, and the libraries of
    # the GPU are mapped.
    tokens = Amount(0, course.input_bytes, course.input_bytes)
    layers = course.weigh(0, rest) + course.keep(0, rest)
    return course.corrected(
        tokens + layers + course.host_side + PROCESS + spread(CONTEXT.likely_bytes, 0.5, 3.0)
    )

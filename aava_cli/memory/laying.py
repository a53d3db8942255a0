"""One model laid onto a host: what it takes of the host's memory, and of each GPU."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aava_cli.memory.amounts import NOTHING, Amount, exactly, total
from aava_cli.memory.checkpoints import Checkpoint, chain_of
from aava_cli.memory.fitted import LanguageFit, ModelFit
from aava_cli.memory.needs import Language, Speech
from aava_cli.memory.spreading import Spreading
from aava_cli.memory.tiers import NATIVE_CONTEXT, tier_context, tier_layers

if TYPE_CHECKING:
    from aava_cli.memory.checkpoints import Chain
    from aava_cli.memory.course import Course
    from aava_cli.memory.fitted import Place
    from aava_cli.memory.host import GpuMemory, HostMemory
    from aava_cli.memory.needs import ModelNeed
    from aava_cli.memory.room import Room
    from aava_cli.memory.spreading import Beside
    from aava_cli.memory.terms import FitTerms


@dataclass(frozen=True, slots=True)
class Laid:
    """A model where it goes; *layers* are those on each GPU."""

    fit: ModelFit
    host: Amount
    gpus: tuple[Amount, ...]
    layers: tuple[int, ...] = ()
    language: LanguageFit | None = None
    chain: Chain | None = None


@dataclass(frozen=True, slots=True)
class Ground:
    """What models are laid onto, and on what terms; *gpus* are those that programs see."""

    host: HostMemory
    room: Room
    terms: FitTerms
    gpus: tuple[int, ...]

    @property
    def first(self) -> GpuMemory | None:
        """The GPU that the daemon goes by, and on which models are that hear and speak."""
        return self.host.gpus[self.gpus[0]] if self.gpus else None


def context_for(need: ModelNeed, ground: Ground) -> int:
    """Return how many tokens *need* is to see: as asked, else as the daemon chooses."""
    terms, first = ground.terms, ground.first
    own = NATIVE_CONTEXT if terms.native or first is None else tier_context(first.total_bytes)
    asked = own if terms.context is None else terms.context
    return min(asked, trained_context(need) or asked)


def trained_context(need: ModelNeed) -> int | None:
    """Return how many tokens *need* was trained to see, if it sees tokens and says so."""
    kind = need.kind
    if isinstance(kind, Language):
        return kind.shape.trained_context
    return kind.trained_context if isinstance(kind, Checkpoint) else None


def lay_speech(need: ModelNeed, kind: Speech, ground: Ground) -> Laid:
    """Return the model of *kind* on the first GPU if it was asked there, else on the host."""
    factor = ground.terms.factors.get(need.backend, 1.0)
    wanted = need.role in ground.terms.speech_on_gpu and bool(ground.gpus)
    used = kind.gpu if wanted and kind.gpu is not None else kind.host
    is_there = used is kind.gpu
    used = used.scaled(min(factor, 1.0), factor, max(factor, 1.0))
    size = exactly(need.file_bytes)
    place: Place = "gpu" if is_there else "host"
    fit = _fit(need, place, size, NOTHING, _less(used, size), used)
    every = range(len(ground.room.gpu_bytes))
    if is_there:
        gpus = tuple(used if gpu == ground.gpus[0] else NOTHING for gpu in every)
        return Laid(fit, NOTHING, gpus)
    return Laid(fit, used, (NOTHING,) * len(every))


def lay_language(need: ModelNeed, kind: Language, ground: Ground, beside: Beside) -> Laid:
    """Return the layers of *kind* on as many GPUs as take them, the rest on the host."""
    spreading = Spreading(kind, need.basis, ground.terms, ground.room, ground.gpus, beside)
    context = context_for(need, ground)
    course = spreading.course(context)
    count = spreading.chosen(course)
    lying = spreading.spread(course, count, "likely")
    place: Place = "gpu" if count == course.slots else "both" if count else "host"
    used = total(lying.gpus) + lying.host
    weights = course.sized(kind.weights.total_bytes)
    cache = course.keep(0, course.slots)
    fit = _fit(need, place, weights, cache, _less(used, weights + cache), used)
    layers = tuple(last - first for first, last in lying.parts)
    described = _language_fit(spreading, course, context, count, ground)
    return Laid(fit, lying.host, lying.gpus, layers, described)


def _language_fit(
    spreading: Spreading, course: Course, context: int, count: int, ground: Ground
) -> LanguageFit:
    first = ground.first
    tier = min(tier_layers(first.total_bytes), course.slots) if first else None
    # A container has one GPU, unless somebody gives it more.
    given = ground.gpus if ground.terms.native else ground.gpus[:1]
    largest = spreading.largest_context(count)
    whole = largest if count == course.slots else spreading.largest_context(course.slots)
    return LanguageFit(
        context=context,
        layers=count,
        of=course.slots,
        largest_context=largest,
        whole_context=whole if ground.host.gpus else None,
        trained_context=spreading.language.shape.trained_context,
        tier_layers=tier,
        tier_context=tier_context(first.total_bytes) if first else None,
        tier_fits=None
        if tier is None
        else replace(spreading, gpus=given).holds(course, tier, "likely"),
    )


def lay_checkpoint(need: ModelNeed, kind: Checkpoint, ground: Ground, beside: Beside) -> Laid:
    """Return *kind* loaded in the best way that fits, over all GPUs or on the host."""
    room, terms = ground.room, ground.terms
    budgets = [*room.gpu_bytes]
    budgets[:1] = [max(0, each - beside.gpu.high_bytes) for each in budgets[:1]]
    left = max(0, room.host_bytes - beside.host.high_bytes)
    chain = chain_of(kind, terms, context_for(need, ground), sum(budgets), left)
    strategy = chain.recommended or "cpu"
    used = next(each.amount for each in chain.choices if each.strategy == strategy)
    is_there = strategy != "cpu"
    place: Place = "gpu" if is_there else "host"
    size = exactly(need.file_bytes)
    fit = _fit(need, place, size, NOTHING, used, used)
    parts = [each / sum(budgets) if sum(budgets) else 0.0 for each in budgets]
    gpus = tuple(used.scaled(part, part, part) if is_there else NOTHING for part in parts)
    return Laid(fit, NOTHING if is_there else used, gpus, chain=chain)


def _fit(
    need: ModelNeed, place: Place, weights: Amount, cache: Amount, compute: Amount, used: Amount
) -> ModelFit:
    return ModelFit(
        need.id, need.role, need.backend, need.basis, place, weights, cache, compute, used
    )


def _less(amount: Amount, other: Amount) -> Amount:
    return Amount(
        max(0, amount.low_bytes - other.low_bytes),
        max(0, amount.likely_bytes - other.likely_bytes),
        max(0, amount.high_bytes - other.high_bytes),
    )

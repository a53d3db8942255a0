"""What is to be expected of a set of models on a host: the answer of `plan_fit`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from aava_cli.memory.amounts import Amount
    from aava_cli.memory.checkpoints import Chain
    from aava_cli.memory.needs import Basis
    from aava_cli.roles import Role

Verdict: TypeAlias = Literal["fits", "tight", "partly", "no"]
"""`tight` fits as things usually are; `partly` leaves layers of a GPU's model on the host."""

Place: TypeAlias = Literal["gpu", "host", "both", "nowhere"]


@dataclass(frozen=True, slots=True)
class ModelFit:
    """What one model takes, and where it goes; *all* is the sum, corrected by past loads."""

    id: str
    role: Role
    backend: str
    basis: Basis
    place: Place
    weights: Amount
    cache: Amount
    compute: Amount
    all: Amount


@dataclass(frozen=True, slots=True)
class DeviceFit:
    """One GPU, or the host's memory: what is free for the set, and what the set takes.

    *free_bytes* counts what the running models give back. *layers* are those of the language
    model, the output counted as one.
    """

    name: str
    total_bytes: int
    free_bytes: int
    used: Amount
    layers: int
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class LanguageFit:
    """How the language model is spread: *layers* of *of* on GPUs, at *context* tokens.

    *largest_context* is the most that fits with the model where it is now, *whole_context* with
    all layers on GPUs, None where there are none. *tier_layers* and
    *tier_context* are what the daemon itself takes for -1 and for no context on its first GPU;
    they are None without a GPU, and so is *tier_fits*.
    """

    context: int
    layers: int
    of: int
    largest_context: int
    whole_context: int | None
    trained_context: int | None
    tier_layers: int | None
    tier_context: int | None
    tier_fits: bool | None


@dataclass(frozen=True, slots=True)
class ReloadFit:
    """The moment of the switch, when old and new models may be in memory together."""

    freed_bytes: int
    host: Amount
    gpus: tuple[Amount, ...]
    fits: bool


@dataclass(frozen=True, slots=True)
class ContextCut:
    """More tokens were asked for than the model was trained to see, which is what counts."""

    asked: int
    trained: int


@dataclass(frozen=True, slots=True)
class FitPlan:
    """What is to be expected of a set of models on a host.

    *gpus* are those that programs should see, by their place among *devices*; the plan is for
    them alone. *cut* is None where the context is as asked.
    """

    verdict: Verdict
    gpus: tuple[int, ...]
    cut: ContextCut | None
    models: tuple[ModelFit, ...]
    devices: tuple[DeviceFit, ...]
    language: LanguageFit | None
    chain: Chain | None
    reload: ReloadFit
    advice: tuple[str, ...]

"""How models are to be run: what the user asks for, and what is known of the daemon."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aava_cli.memory.host import Loaded
    from aava_cli.roles import Role

EVERY_LAYER = -1
# `n_ubatch` of llama.cpp, which `n_batch` bounds; the daemon's `LOCAL_LLM_BATCH` is 128.
_MICRO_BATCH = 512
DEFAULT_BATCH = 128


@dataclass(frozen=True, slots=True)
class CacheTerms:
    """What the size of a cache depends on: *context* tokens for each of *parallel* callers.

    With *full_window* the cache of a sliding window is as long as any other; llama-cpp-python
    has it so, other programs do not.
    """

    context: int
    parallel: int = 1
    kind: str = "f16"
    micro_batch: int = DEFAULT_BATCH
    full_window: bool = False


@dataclass(frozen=True, slots=True)
class FitTerms:
    """What a set of models is asked to do, and what runs already.

    *context* is None where the daemon chooses; *gpu_layers* is -1 for all that fit. *native* is
    `aava serve`, in which the old model stays until the new one is loaded, and each model has a
    process of its own. *speech_on_gpu* are the roles that were asked to compute there.
    *factors* are what past loads say of an estimate, by backend and architecture.
    """

    context: int | None = None
    parallel: int = 1
    cache_type: str = "f16"
    batch: int = DEFAULT_BATCH
    gpu_layers: int = EVERY_LAYER
    flash_attention: bool | None = None
    native: bool = False
    speech_on_gpu: frozenset[Role] = frozenset()
    loaded: tuple[Loaded, ...] = ()
    factors: Mapping[str, float] = field(default_factory=dict, hash=False)

    def cache(self, context: int) -> CacheTerms:
        """Return what the cache for *context* tokens depends on."""
        micro_batch = max(1, min(self.batch, _MICRO_BATCH, context))
        return CacheTerms(
            context, self.parallel, self.cache_type, micro_batch, full_window=not self.native
        )

"""The models that a daemon has loaded, and what they take: seen, or else as they were counted."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from aava_cli.backends import lookup
from aava_cli.daemon.status import is_native, slots_of
from aava_cli.errors import AavaError
from aava_cli.measuring.disk import need_on_disk
from aava_cli.measuring.observed import Observations
from aava_cli.measuring.processes import host_bytes
from aava_cli.memory.fit import plan_fit
from aava_cli.memory.host import GpuMemory, HostMemory, Loaded
from aava_cli.memory.terms import FitTerms

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from aava_cli.daemon.status import Slot
    from aava_cli.memory.fitted import FitPlan
    from aava_cli.memory.needs import ModelNeed
    from aava_cli.roles import Role
    from aava_cli.settings import Settings

_PLENTY = 1 << 50


@dataclass(frozen=True, slots=True)
class Running:
    """One loaded model: what its files say, what that comes to, and what its process has.

    *seen_bytes* is None where the daemon does not say which process is the model's.
    """

    role: Role
    backend: str
    need: ModelNeed
    plan: FitPlan
    seen_bytes: int | None = None
    seen_gpu_bytes: tuple[int, ...] = ()

    @property
    def counted_bytes(self) -> int:
        """What it should take, in all places, before any correction."""
        return self.plan.models[0].all.likely_bytes

    @property
    def seen_in_all(self) -> int:
        """What its process has in all places."""
        return (self.seen_bytes or 0) + sum(self.seen_gpu_bytes)

    def loaded(self) -> Loaded:
        """Return what is given back when this model goes."""
        *gpus, host = (device.used.likely_bytes for device in self.plan.devices)
        if self.seen_bytes is None:
            return Loaded(self.role, self.backend, host, tuple(gpus))
        return Loaded(self.role, self.backend, self.seen_bytes, self.seen_gpu_bytes or tuple(gpus))


def running_models(
    settings: Settings, status: Mapping[str, Any], gpus: tuple[GpuMemory, ...]
) -> tuple[Running, ...]:
    """Return the models that *status* says are loaded, as far as their files are on this disk."""
    found = (_running(settings, status, slot, gpus) for slot in slots_of(status))
    return tuple(each for each in found if each is not None)


def note_loaded(settings: Settings, status: Mapping[str, Any], roles: Iterable[Role]) -> None:
    """Remember what the models of *roles*, loaded just now, take beside what was expected."""
    if not is_native(status):
        return  # the other daemon is one process, and nobody can tell its models apart
    gpus: tuple[GpuMemory, ...] = ()
    if lookup(status, "gpu.runtime_usable"):
        from aava_cli.measuring.host import read_host

        gpus = read_host().gpus
    wanted = set(roles)
    found = running_models(settings, status, gpus)
    Observations(settings.state_dir).note(each for each in found if each.role in wanted)


def _running(
    settings: Settings,
    status: Mapping[str, Any],
    slot: Slot,
    gpus: tuple[GpuMemory, ...],
) -> Running | None:
    if not slot.loaded or not slot.path or slot.backend is None:
        return None
    path: Path = settings.host_path(slot.path)
    # What cannot be read is a model of the engine's own, and is not counted.
    with suppress(AavaError, OSError):
        backend = slot.backend.name
        need = need_on_disk(path, slot.role, backend, path.name)
        plan = plan_fit((need,), _unbounded(gpus), _terms(status))
        pid = lookup(status, f"models.{slot.role}.pid")
        if isinstance(pid, int):
            seen = host_bytes(pid)
            on_gpus = tuple(gpu.held_by(pid) for gpu in gpus)
            return Running(slot.role, backend, need, plan, seen, on_gpus)
        return Running(slot.role, backend, need, plan)
    return None


def _unbounded(gpus: tuple[GpuMemory, ...]) -> HostMemory:
    free = tuple(replace(gpu, total_bytes=_PLENTY, free_bytes=_PLENTY) for gpu in gpus)
    return HostMemory(_PLENTY, _PLENTY, free)


def _terms(status: Mapping[str, Any]) -> FitTerms:
    """Return how the daemon runs its models, by its own account."""
    said = lookup(status, "models.llm.config") or {}
    native = is_native(status)
    on_gpu = lookup(status, "models.stt.device") == "cuda"
    return FitTerms(
        context=_count(said, "context_effective") or _count(said, "context") or None,
        batch=_count(said, "batch") or 1,
        gpu_layers=_count(said, "gpu_layers_effective"),
        flash_attention=True if native else None,
        native=native,
        speech_on_gpu=frozenset({"stt"} if on_gpu else ()),
    )


def _count(said: Mapping[str, Any], key: str) -> int:
    value = said.get(key)
    return value if isinstance(value, int) and value > 0 else 0

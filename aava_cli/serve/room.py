"""Whether memory holds a new model beside the old one, decided before anything is loaded."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aava_cli.backends import lookup
from aava_cli.errors import AavaError
from aava_cli.output import human_bytes
from aava_cli.serve.engines import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from aava_cli.memory.fitted import FitPlan
    from aava_cli.memory.host import HostMemory, Loaded
    from aava_cli.memory.needs import ModelNeed
    from aava_cli.memory.terms import FitTerms
    from aava_cli.roles import Role
    from aava_cli.serve.process import Wanted
    from aava_cli.settings import Settings

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_RESIDENT = 1


@dataclass(frozen=True, slots=True)
class Room:
    """What new models need of the host's memory, most likely and at least, and what is free.

    *with_old_gone_bytes* is free once the models of the same roles are gone. *unload_first* says
    that they have to go before the new ones come, for the sake of the host or of a GPU.
    """

    needed_bytes: int
    least_bytes: int
    free_bytes: int
    with_old_gone_bytes: int
    unload_first: bool

    def require(self) -> None:
        """Refuse models that do not fit even when the old ones are gone.

        Raises:
            EngineError: both amounts are named.
        """
        if self.least_bytes > self.with_old_gone_bytes:
            needed, free = map(human_bytes, (self.least_bytes, self.with_old_gone_bytes))
            message = f"not enough memory: the model needs at least {needed}, {free} are free"
            raise EngineError(message)


def measure_room(
    settings: Settings,
    wanted: Mapping[Role, Wanted],
    status: Mapping[str, Any],
    limit_bytes: int | None,
) -> Room:
    """Return the room for *wanted*, where the daemon that says *status* of itself would make place.

    *limit_bytes* is what the daemon and its models may take, None what the host has.
    """
    from aava_cli.measuring.host import read_host
    from aava_cli.memory.fit import plan_fit

    # A driver is not asked about models that leave its devices alone.
    host = read_host(gpus=None if any(map(asks_for_gpu, wanted.values())) else ())
    host = _within(host, limit_bytes)
    terms = replace(_terms(settings, wanted), loaded=tuple(_loaded(settings, wanted, status, host)))
    return _room_in(plan_fit(tuple(_needs(wanted)), host, terms), host)


def _loaded(
    settings: Settings, roles: Iterable[Role], status: Mapping[str, Any], host: HostMemory
) -> Iterator[Loaded]:
    """Yield what the models of *roles* give back: as counted, else what their processes have."""
    from aava_cli.measuring.running import running_models
    from aava_cli.memory.host import Loaded

    counted = {each.role: each for each in running_models(settings, status, host.gpus)}
    for role in roles:
        pid = lookup(status, f"models.{role}.pid")
        if role in counted:
            yield counted[role].loaded()
        elif isinstance(pid, int):
            yield Loaded(role, "", resident_bytes(pid))


def _within(host: HostMemory, limit_bytes: int | None) -> HostMemory:
    if limit_bytes is None:
        return host
    left = max(0, limit_bytes - family_bytes())
    return replace(host, available_bytes=min(host.available_bytes, left))


def _room_in(plan: FitPlan, host: HostMemory) -> Room:
    on_host = plan.devices[-1]
    return Room(
        needed_bytes=on_host.used.likely_bytes,
        least_bytes=on_host.used.low_bytes,
        free_bytes=host.available_bytes,
        with_old_gone_bytes=on_host.free_bytes,
        unload_first=not plan.reload.fits,
    )


def _needs(wanted: Mapping[Role, Wanted]) -> Iterator[ModelNeed]:
    """Yield what is known of the needs of *wanted*; loading tells what is wrong with the others."""
    from aava_cli.measuring.disk import need_on_disk

    for role, each in wanted.items():
        with suppress(AavaError, OSError):
            yield need_on_disk(each.path, role, each.engine, each.path.name)


def _terms(settings: Settings, wanted: Mapping[Role, Wanted]) -> FitTerms:
    from aava_cli.measuring.observed import Observations
    from aava_cli.memory.terms import FitTerms

    options = wanted["llm"].options if "llm" in wanted else {}
    return FitTerms(
        context=int(options.get("context") or 0) or None,
        batch=int(options.get("batch") or 1),
        gpu_layers=int(options.get("gpu_layers") or 0),
        native=True,
        speech_on_gpu=frozenset(
            role for role, each in wanted.items() if role != "llm" and asks_for_gpu(each)
        ),
        factors=Observations(settings.state_dir).factors(),
    )


def asks_for_gpu(wanted: Wanted) -> bool:
    """Return whether the weights of *wanted* are to lie on a GPU, if there is one."""
    layers = wanted.options.get("gpu_layers") or "0"
    return layers != "0" or wanted.options.get("device") == "cuda"


def resident_bytes(pid: int) -> int:
    """Return how much memory the process *pid* has, or 0 where it has ended."""
    try:
        fields = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()
    except OSError:
        return 0
    return int(fields[_RESIDENT]) * _PAGE_BYTES


def family_bytes() -> int:
    """Return how much memory the daemon and its models have."""
    return sum(map(resident_bytes, (os.getpid(), *_children(os.getpid()))))


def _children(pid: int) -> Iterator[int]:
    import psutil

    for child in psutil.Process(pid).children():
        yield child.pid

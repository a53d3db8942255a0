"""Whether memory holds a new model beside the old one, decided before anything is loaded."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aava_cli.limits import free_memory_bytes
from aava_cli.output import human_bytes
from aava_cli.serve.engines import EngineError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from aava_cli.serve.process import Wanted

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_RESIDENT = 1


@dataclass(frozen=True, slots=True)
class Room:
    """What new models need, what is free for them, and what the old ones hold.

    What old models hold of a GPU is not known, so nothing is refused for its sake.
    """

    needed_bytes: int
    free_bytes: int
    held_bytes: int = 0
    gpu_needed_bytes: int = 0
    gpu_free_bytes: int = 0

    @property
    def unload_first(self) -> bool:
        """Whether the old models have to go before the new ones come."""
        host = self.needed_bytes > self.free_bytes
        return host or self.gpu_needed_bytes > self.gpu_free_bytes

    def require(self) -> None:
        """Refuse models that do not fit even when the old ones are gone.

        Raises:
            EngineError: both amounts are named.
        """
        there = self.free_bytes + self.held_bytes
        if self.needed_bytes > there:
            needed, free = human_bytes(self.needed_bytes), human_bytes(there)
            raise EngineError(f"not enough memory: the model needs about {needed}, {free} are free")


def measure_room(
    wanted: Collection[Wanted], old: Iterable[int | None], limit_bytes: int | None
) -> Room:
    """Return the room for *wanted* where the processes *old* would make place.

    *limit_bytes* is what the daemon and its models may take, None what the host has.
    """
    free = free_memory_bytes()
    if limit_bytes is not None:
        free = min(free, limit_bytes - family_bytes())
    gpu_free = _gpu_free_bytes() if any(map(asks_for_gpu, wanted)) else None
    on_gpu = [each for each in wanted if gpu_free is not None and asks_for_gpu(each)]
    return Room(
        needed_bytes=sum(needed_bytes(each) for each in wanted if each not in on_gpu),
        free_bytes=max(free, 0),
        held_bytes=sum(resident_bytes(pid) for pid in old if pid),
        gpu_needed_bytes=sum(map(needed_bytes, on_gpu)),
        gpu_free_bytes=gpu_free or 0,
    )


def asks_for_gpu(wanted: Wanted) -> bool:
    """Return whether the weights of *wanted* are to lie on a GPU, if there is one."""
    layers = wanted.options.get("gpu_layers") or "0"
    return layers != "0" or wanted.options.get("device") == "cuda"


def _gpu_free_bytes() -> int | None:
    """Return what is free on the GPUs together, or None where there is none to ask."""
    from aava_cli.gpu.probe import find_gpus

    free = [each.free_bytes for each in find_gpus().devices if each.free_bytes is not None]
    return sum(free) if free else None


def needed_bytes(wanted: Wanted) -> int:
    """Return about how much memory *wanted* takes: the size of its files."""
    named = (Path(value) for value in wanted.options.values() if value.startswith("/"))
    return sum(_size_of(path) for path in (wanted.path, *named) if path.is_absolute())


def _size_of(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else (path,)
    return sum(each.stat().st_size for each in files if each.is_file())


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

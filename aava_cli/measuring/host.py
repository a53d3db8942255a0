"""The memory of this host as programs may have it: in its container, and on its GPUs."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from aava_cli.gpu.probe import find_gpus
from aava_cli.limits import ROOT, memory_in_use_bytes, memory_limit_bytes
from aava_cli.memory.host import GpuMemory, HostMemory

if TYPE_CHECKING:
    from pathlib import Path

    from aava_cli.gpu.facts import Gpu

_KIB = 1024


def read_host(root: Path = ROOT, gpus: tuple[GpuMemory, ...] | None = None) -> HostMemory:
    """Return the memory of this host, within its container's limit; *gpus* stand in for its own."""
    total, available = read_memory(root)
    if gpus is None:
        gpus = tuple(gpu_memory(each, total, available) for each in find_gpus().devices)
    return HostMemory(total, available, gpus)


def read_memory(root: Path = ROOT) -> tuple[int, int]:
    """Return how much memory there is, and how much of it may be had now."""
    total, available = _meminfo(root)
    limit = memory_limit_bytes(root)
    if limit is None or limit >= total:
        return total, available
    left = limit - (memory_in_use_bytes(root) or 0)
    return limit, max(0, min(available, left))


def _meminfo(root: Path) -> tuple[int, int]:
    found: dict[str, int] = {}
    for line in (root / "proc/meminfo").read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(":")
        with suppress(ValueError, IndexError):
            found[name] = int(value.split()[0]) * _KIB
    total = found.get("MemTotal", 0)
    return total, found.get("MemAvailable", found.get("MemFree", total))


def gpu_memory(gpu: Gpu, total_bytes: int, available_bytes: int) -> GpuMemory:
    """Return what *gpu* has; one without memory of its own has that of its host."""
    holders = tuple((each.pid, each.used_bytes or 0) for each in gpu.holders)
    if gpu.total_bytes is None:
        return GpuMemory(gpu.name, total_bytes, available_bytes, is_unified=True, holders=holders)
    free = gpu.total_bytes if gpu.free_bytes is None else gpu.free_bytes
    return GpuMemory(gpu.name, gpu.total_bytes, free, holders=holders)

"""How much memory and processor time this container may use: control groups, both versions."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path("/")

# Version 1 writes "no limit" as the largest number of whole pages.
_NO_LIMIT_BYTES = 1 << 60


def memory_limit_bytes(root: Path = ROOT) -> int | None:
    """Return the smallest memory limit of this process and everything around it, if any."""
    limits = [
        int(text)
        for name, controller in (("memory.max", ""), ("memory.limit_in_bytes", "memory"))
        for text in _values(root, controller, name)
        if text.isdecimal() and int(text) < _NO_LIMIT_BYTES
    ]
    return min(limits, default=None)


def free_memory_bytes(root: Path = ROOT) -> int:
    """Return how much memory this process can still get: of the host, within every limit.

    What the kernel only keeps in case a file is read again counts as free.
    """
    lines = (root / "proc/meminfo").read_text(encoding="ascii").splitlines()
    kibibytes = {
        name: value.split()[0] for name, _, value in (line.partition(":") for line in lines)
    }
    free = [int(kibibytes["MemAvailable"]) * 1024]
    free += [
        _left_in(group, limit, used)
        for controller, limit, used in (
            ("", "memory.max", "memory.current"),
            ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
        )
        for group in _groups(root, controller)
        if _number(group / limit) < _NO_LIMIT_BYTES
    ]
    return max(0, min(free))


def _left_in(group: Path, limit: str, used: str) -> int:
    stat = (group / "memory.stat").read_text(encoding="ascii").split()
    counts = dict(zip(stat[::2], stat[1::2], strict=False))
    # Version 1 tells the group's own pages and, as `total_`, those of the groups in it as well.
    idle = int(counts.get("total_inactive_file", counts.get("inactive_file", 0)))
    return _number(group / limit) - _number(group / used) + idle


def _number(file: Path) -> int:
    """Return what *file* says; no limit where it says no number, or is not there."""
    text = file.read_text(encoding="ascii").strip() if file.is_file() else ""
    return int(text) if text.isdecimal() else _NO_LIMIT_BYTES


def cpu_limit(root: Path = ROOT) -> float | None:
    """Return how many processors' time this process may use, if that is limited."""
    return min((*_new_cpu_limits(root), *_old_cpu_limits(root)), default=None)


def usable_processors(root: Path = ROOT) -> int:
    """Return how many processors this process can keep busy: its affinity, within its limit."""
    limit = cpu_limit(root)
    allowed = len(os.sched_getaffinity(0))
    return allowed if limit is None else max(1, min(allowed, int(limit)))


def _new_cpu_limits(root: Path) -> Iterator[float]:
    for text in _values(root, "", "cpu.max"):
        quota, _, period = text.partition(" ")
        if quota.isdecimal() and period.isdecimal():
            yield int(quota) / int(period)


def _old_cpu_limits(root: Path) -> Iterator[float]:
    quotas = _values(root, "cpu", "cpu.cfs_quota_us")
    periods = _values(root, "cpu", "cpu.cfs_period_us")
    for quota, period in zip(quotas, periods, strict=False):
        # -1 means no limit.
        if quota.isdecimal() and period.isdecimal():
            yield int(quota) / int(period)


def _values(root: Path, controller: str, name: str) -> Iterator[str]:
    """Yield what *name* says in this process's group and in each group around it."""
    for group in _groups(root, controller):
        # A container sees its own group as the root, so the path of the host may lead nowhere.
        file = group / name
        if file.is_file():
            yield file.read_text(encoding="ascii").strip()


def _groups(root: Path, controller: str) -> Iterator[Path]:
    mounted = root / "sys/fs/cgroup" / controller
    own = _own_group(root, controller)
    yield from (mounted / own, *(mounted / parent for parent in own.parents))


def _own_group(root: Path, controller: str) -> Path:
    """Return this process's group, relative to where the groups are mounted."""
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return Path()
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            return Path(path.lstrip("/"))
    return Path()

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


def memory_in_use_bytes(root: Path = ROOT) -> int | None:
    """Return what the group with a memory limit holds, less what it would give back at once."""
    for used_name, controller in (("memory.current", ""), ("memory.usage_in_bytes", "memory")):
        used = next(_values(root, controller, used_name), "")
        if used.isdecimal():
            stat = next(_values(root, controller, "memory.stat"), "")
            return max(0, int(used) - _idle_bytes(stat))
    return None


def _idle_bytes(stat: str) -> int:
    """Return the pages of files that nobody has touched for a while."""
    fields = dict(line.split(maxsplit=1) for line in stat.splitlines() if " " in line)
    return int(fields.get("total_inactive_file") or fields.get("inactive_file") or 0)


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
    mounted = root / "sys/fs/cgroup" / controller
    own = _own_group(root, controller)
    for group in (mounted / own, *(mounted / parent for parent in own.parents)):
        # A container sees its own group as the root, so the path of the host may lead nowhere.
        file = group / name
        if file.is_file():
            yield file.read_text(encoding="ascii").strip()


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

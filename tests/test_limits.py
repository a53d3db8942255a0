"""Limits of containers, read from files as the kernel writes them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from aava_cli.limits import cpu_limit, memory_limit_bytes, usable_processors

if TYPE_CHECKING:
    from pathlib import Path


def write(root: Path, files: dict[str, str]) -> Path:
    """Write *files*, by their path below *root*."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_no_control_groups_mean_no_limit(tmp_path: Path) -> None:
    """Some kernels have none."""
    assert (memory_limit_bytes(tmp_path), cpu_limit(tmp_path)) == (None, None)


def test_a_container_sees_its_group_as_the_root(tmp_path: Path) -> None:
    """With version 2 and a namespace of its own."""
    root = write(
        tmp_path,
        {
            "proc/self/cgroup": "0::/\n",
            "sys/fs/cgroup/memory.max": "8589934592\n",
            "sys/fs/cgroup/cpu.max": "150000 100000\n",
        },
    )
    assert (memory_limit_bytes(root), cpu_limit(root)) == (8589934592, 1.5)


def test_the_tightest_group_around_the_process_counts(tmp_path: Path) -> None:
    """A service may be limited less than its slice."""
    root = write(
        tmp_path,
        {
            "proc/self/cgroup": "0::/system.slice/aava.service\n",
            "sys/fs/cgroup/system.slice/aava.service/memory.max": "max\n",
            "sys/fs/cgroup/system.slice/aava.service/cpu.max": "max 100000\n",
            "sys/fs/cgroup/system.slice/memory.max": "4096\n",
            "sys/fs/cgroup/system.slice/cpu.max": "200000 100000\n",
        },
    )
    assert (memory_limit_bytes(root), cpu_limit(root)) == (4096, 2.0)


def test_version_1_limits_count(tmp_path: Path) -> None:
    """The path of the host leads nowhere inside a container; the mount itself is the group."""
    root = write(
        tmp_path,
        {
            "proc/self/cgroup": "4:memory:/docker/abc\n2:cpu,cpuacct:/docker/abc\n0::/\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "2147483648\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "50000\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
        },
    )
    assert (memory_limit_bytes(root), cpu_limit(root)) == (2147483648, 0.5)


def test_version_1_without_a_limit_says_so_with_numbers(tmp_path: Path) -> None:
    """A huge number and -1 both mean none."""
    root = write(
        tmp_path,
        {
            "proc/self/cgroup": "4:memory:/a\n1:cpu:/a\n",
            "sys/fs/cgroup/memory/a/memory.limit_in_bytes": "9223372036854771712\n",
            "sys/fs/cgroup/cpu/a/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu/a/cpu.cfs_period_us": "100000\n",
        },
    )
    assert (memory_limit_bytes(root), cpu_limit(root)) == (None, None)


def test_this_process_has_limits_that_make_sense() -> None:
    """The real files are readable."""
    memory, cpus = memory_limit_bytes(), cpu_limit()
    assert memory is None or memory > 0
    assert cpus is None or cpus > 0


@pytest.mark.parametrize(("quota", "processors"), [("50000", 1), ("100000", 1)])
def test_a_share_of_time_is_a_number_of_processors(
    tmp_path: Path, quota: str, processors: int
) -> None:
    """Half a processor keeps one thread busy, and so does a whole one."""
    root = write(tmp_path, {"sys/fs/cgroup/cpu.max": f"{quota} 100000\n"})
    assert processors == usable_processors(root)


def test_without_a_limit_the_affinity_counts(tmp_path: Path) -> None:
    """A process that may run on one processor uses one, however many there are."""
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert 1 == usable_processors(tmp_path)
    finally:
        os.sched_setaffinity(0, allowed)
    assert len(allowed) == usable_processors(tmp_path)


def test_a_generous_share_is_no_reason_for_more_threads(tmp_path: Path) -> None:
    """The limit of a container may be higher than what the machine has."""
    root = write(tmp_path, {"sys/fs/cgroup/cpu.max": "100000000 100000\n"})
    assert len(os.sched_getaffinity(0)) == usable_processors(root)

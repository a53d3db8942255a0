"""The memory of a host: as the kernel says, within the container's limit, and on GPUs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from aava_cli.gpu.facts import Gpu, Holder
from aava_cli.limits import memory_in_use_bytes
from aava_cli.measuring.host import gpu_memory, read_host, read_memory
from aava_cli.measuring.processes import host_bytes
from aava_cli.memory.host import GpuMemory

if TYPE_CHECKING:
    from pathlib import Path

GIB = 1 << 30
MEMINFO = "MemTotal:       16777216 kB\nMemFree: 1048576 kB\nMemAvailable:    8388608 kB\nodd\n"


def write(root: Path, **files: str) -> Path:
    """Write *files*, `__` in whose names is a slash, below *root*."""
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_memory_of_a_host(tmp_path: Path) -> None:
    """What may be had counts, or on an old kernel what is free."""
    write(tmp_path, proc__meminfo=MEMINFO)
    assert (16 * GIB, 8 * GIB) == read_memory(tmp_path)
    write(tmp_path, proc__meminfo=MEMINFO.replace("MemAvailable", "Else"))
    assert (16 * GIB, GIB) == read_memory(tmp_path)


def test_memory_of_a_container(tmp_path: Path) -> None:
    """The limit is what there is; files that nobody uses would be given back."""
    write(tmp_path, proc__meminfo=MEMINFO)
    write(tmp_path, **{"sys__fs__cgroup__memory.max": f"{4 * GIB}\n"})
    assert (4 * GIB, 4 * GIB) == read_memory(tmp_path)
    write(
        tmp_path,
        **{
            "sys__fs__cgroup__memory.current": f"{3 * GIB}\n",
            "sys__fs__cgroup__memory.stat": f"anon 1\ninactive_file {GIB}\n",
        },
    )
    assert 2 * GIB == memory_in_use_bytes(tmp_path)
    assert (4 * GIB, 2 * GIB) == read_memory(tmp_path)
    write(tmp_path, **{"sys__fs__cgroup__memory.max": f"{64 * GIB}\n"})
    assert (16 * GIB, 8 * GIB) == read_memory(tmp_path)


def test_memory_of_a_container_of_the_old_kind(tmp_path: Path) -> None:
    """Version 1 has other names for the same."""
    write(tmp_path, proc__meminfo=MEMINFO)
    write(
        tmp_path,
        sys__fs__cgroup__memory__memory=" ",
        **{
            "sys__fs__cgroup__memory__memory.limit_in_bytes": f"{2 * GIB}\n",
            "sys__fs__cgroup__memory__memory.usage_in_bytes": f"{GIB}\n",
            "sys__fs__cgroup__memory__memory.stat": "total_inactive_file 0\n",
        },
    )
    assert (2 * GIB, GIB) == read_memory(tmp_path)


def test_gpus_in_place_of_the_hosts_own() -> None:
    """Another host's GPUs are believed; this one's memory is its own."""
    asked = (GpuMemory("mine", GIB, GIB),)
    found = read_host(gpus=asked)
    assert asked == found.gpus
    assert 0 < found.available_bytes <= found.total_bytes
    assert isinstance(read_host().gpus, tuple)


@pytest.mark.parametrize(
    ("gpu", "expected"),
    [
        (Gpu("a", "u", 8 * GIB, 6 * GIB), GpuMemory("a", 8 * GIB, 6 * GIB)),
        (Gpu("a", "u", 8 * GIB), GpuMemory("a", 8 * GIB, 8 * GIB)),
        (Gpu("a", "u"), GpuMemory("a", 16 * GIB, 9 * GIB, is_unified=True)),
        (
            Gpu("a", "u", 8 * GIB, GIB, holders=(Holder(7, "x", GIB), Holder(8, None, None))),
            GpuMemory("a", 8 * GIB, GIB, holders=((7, GIB), (8, 0))),
        ),
    ],
)
def test_what_a_driver_says_of_a_gpu(gpu: Gpu, expected: GpuMemory) -> None:
    """One without memory of its own uses its host's."""
    found = gpu_memory(gpu, 16 * GIB, 9 * GIB)
    assert expected == found
    assert [sum(used for _, used in found.holders), 0] == [found.held_by(7), found.held_by(9)]


def test_memory_of_a_process(tmp_path: Path) -> None:
    """As the kernel counts it; who is gone has none."""
    own = host_bytes(os.getpid())
    assert own is not None
    assert own > 10 << 20
    write(tmp_path, **{"7__status": "Name: x\nVmRSS:\t 2048 kB\n", "8__status": "Name: x\n"})
    write(tmp_path, **{"9__status": "VmRSS: much\n"})
    assert [2048 * 1024, None, None, None] == [host_bytes(pid, tmp_path) for pid in (7, 8, 9, 10)]

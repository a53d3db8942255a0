"""The memory of a host: as the kernel says, within the container's limit, and on GPUs."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import pynvml
import pytest

from aava_cli.gpu.facts import Gpu
from aava_cli.limits import memory_in_use_bytes
from aava_cli.measuring.host import gpu_memory, read_host, read_memory
from aava_cli.measuring.processes import gpu_bytes, host_bytes
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
    ],
)
def test_what_a_driver_says_of_a_gpu(gpu: Gpu, expected: GpuMemory) -> None:
    """One without memory of its own uses its host's."""
    assert expected == gpu_memory(gpu, 16 * GIB, 9 * GIB)


def test_memory_of_a_process(tmp_path: Path) -> None:
    """As the kernel counts it; who is gone has none."""
    own = host_bytes(os.getpid())
    assert own is not None
    assert own > 10 << 20
    write(tmp_path, **{"7__status": "Name: x\nVmRSS:\t 2048 kB\n", "8__status": "Name: x\n"})
    write(tmp_path, **{"9__status": "VmRSS: much\n"})
    assert [2048 * 1024, None, None, None] == [host_bytes(pid, tmp_path) for pid in (7, 8, 9, 10)]


class Running(NamedTuple):
    """A process as the driver's library sees it."""

    pid: int
    usedGpuMemory: int | None  # noqa: N815 - the library's name


@dataclass
class Nvml:
    """The library's functions, for the processes of each GPU that the test chose."""

    gpus: tuple[tuple[Running, ...], ...]
    refusal: int | None = None
    is_open: bool = field(default=False)

    def nvmlInit(self) -> None:  # noqa: N802 - the library's name
        """Open the library."""
        self.is_open = True

    def nvmlShutdown(self) -> None:  # noqa: N802 - the library's name
        """Close the library."""
        self.is_open = False

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802 - the library's name
        """Return how many GPUs there are."""
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> Any:  # noqa: ANN401, N802 - the library's name
        """Return one of them."""
        return self.gpus[index]

    def nvmlDeviceGetComputeRunningProcesses(self, gpu: Any) -> Any:  # noqa: ANN401, N802 - the library's name
        """Return who computes on it."""
        if self.refusal is not None:
            raise pynvml.NVMLError(self.refusal)
        return gpu


def test_memory_of_a_process_on_gpus() -> None:
    """As the driver counts it, on each GPU; a driver that does not say knows of none."""
    nvml = Nvml(((Running(7, 100), Running(8, 50), Running(7, 1)), (), (Running(7, None),)))
    assert (101, 0, 0) == gpu_bytes(7, nvml)
    assert not nvml.is_open
    assert () == gpu_bytes(7, Nvml(((Running(7, 1),),), pynvml.NVML_ERROR_NOT_SUPPORTED))
    assert isinstance(gpu_bytes(os.getpid()), tuple)

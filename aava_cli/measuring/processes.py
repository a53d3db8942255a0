"""How much memory a process really has: of the host, and of each GPU."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

_KIB = 1024
_PROC = Path("/proc")


def host_bytes(pid: int, proc: Path = _PROC) -> int | None:
    """Return what the process *pid* has in memory, its files included; None if it is gone."""
    with suppress(OSError, ValueError, IndexError):
        for line in (proc / str(pid) / "status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * _KIB
    return None


def gpu_bytes(pid: int, library: Any = None) -> tuple[int, ...]:  # noqa: ANN401 - a module without types
    """Return what the process *pid* has on each GPU; nothing where no driver says so."""
    import pynvml

    nvml = library or pynvml
    try:
        nvml.nvmlInit()
    except pynvml.NVMLError:
        return ()
    try:
        handles = map(nvml.nvmlDeviceGetHandleByIndex, range(nvml.nvmlDeviceGetCount()))
        return tuple(_of(nvml, handle, pid) for handle in handles)
    except pynvml.NVMLError:
        return ()
    finally:
        nvml.nvmlShutdown()


def _of(nvml: Any, handle: object, pid: int) -> int:  # noqa: ANN401 - a module without types
    running = nvml.nvmlDeviceGetComputeRunningProcesses(handle)
    return sum(each.usedGpuMemory or 0 for each in running if each.pid == pid)

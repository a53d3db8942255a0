"""What the NVIDIA driver says about its devices; every value may be missing."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aava_cli.gpu.facts import Gpu, Gpus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from aava_cli.gpu.facts import DriverProblem

SMI_TIMEOUT_S = 4.0

_KERNEL_MODULE = Path("/proc/driver/nvidia/version")
_SMI_FIELDS = ("name", "uuid", "memory.total", "memory.free", "compute_cap", "driver_version")
_MIB = 1 << 20


def find_gpus(library: Any = None) -> Gpus:  # noqa: ANN401 - a module without types
    """Ask the driver's *library*, else the driver's program, else the kernel."""
    import pynvml

    nvml = library or pynvml
    try:
        return read_nvml(nvml)
    except pynvml.NVMLError as error:
        if error.value != pynvml.NVML_ERROR_LIBRARY_NOT_FOUND:
            return Gpus(problem=problem_of(pynvml, error.value), detail=str(error))
    if shutil.which("nvidia-smi"):
        return ask_nvidia_smi()
    # A container that was started without its GPU still sees the host's kernel module.
    return Gpus(problem="no-library") if _KERNEL_MODULE.exists() else Gpus()


def problem_of(nvml: Any, code: int) -> DriverProblem:  # noqa: ANN401 - a module without types
    """Return which kind of problem the library's error *code* stands for."""
    known: Mapping[int, DriverProblem] = {
        nvml.NVML_ERROR_DRIVER_NOT_LOADED: "not-loaded",
        nvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH: "mismatch",
        nvml.NVML_ERROR_NO_PERMISSION: "no-permission",
    }
    return known.get(code, "other")


def read_nvml(nvml: Any) -> Gpus:  # noqa: ANN401 - a module without types
    """Return the devices that *nvml*, the driver's library, lists.

    Raises:
        nvml.NVMLError: the library does not work.
    """
    nvml.nvmlInit()
    try:
        handles = map(nvml.nvmlDeviceGetHandleByIndex, range(nvml.nvmlDeviceGetCount()))
        devices = tuple(device for handle in handles for device in _devices(nvml, handle))
        return Gpus(devices, nvml.nvmlSystemGetDriverVersion())
    finally:
        nvml.nvmlShutdown()


def _devices(nvml: Any, handle: object) -> Iterator[Gpu]:  # noqa: ANN401 - a module without types
    """Yield the GPU of *handle*, or its slices if it is cut into some."""
    compute = _asked(nvml, nvml.nvmlDeviceGetCudaComputeCapability, handle)
    mode = _asked(nvml, nvml.nvmlDeviceGetMigMode, handle)
    if not mode or not mode[0]:
        yield _gpu(nvml, handle, compute)
        return
    for index in range(_asked(nvml, nvml.nvmlDeviceGetMaxMigDeviceCount, handle) or 0):
        slice_ = _asked(nvml, nvml.nvmlDeviceGetMigDeviceHandleByIndex, handle, index)
        if slice_ is not None:
            yield _gpu(nvml, slice_, compute)


def _gpu(nvml: Any, handle: object, compute: tuple[int, int] | None) -> Gpu:  # noqa: ANN401 - a module without types
    # A device that shares the host's memory does not support the question.
    memory = _asked(nvml, nvml.nvmlDeviceGetMemoryInfo, handle)
    return Gpu(
        name=_asked(nvml, nvml.nvmlDeviceGetName, handle) or "unnamed GPU",
        uuid=_asked(nvml, nvml.nvmlDeviceGetUUID, handle) or "",
        total_bytes=memory and int(memory.total),
        free_bytes=memory and int(memory.free),
        compute=compute and (int(compute[0]), int(compute[1])),
    )


def _asked(nvml: Any, question: Callable[..., Any], *about: object) -> Any:  # noqa: ANN401 - a module without types
    try:
        return question(*about)
    except nvml.NVMLError:
        return None


def ask_nvidia_smi() -> Gpus:
    """Return the devices that the driver's program lists."""
    query = ",".join(_SMI_FIELDS)
    ran = subprocess.run(
        ["nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader,nounits"],
        capture_output=True,
        text=True,
        timeout=SMI_TIMEOUT_S,
        check=False,
    )
    if ran.returncode:
        return Gpus(problem="other", detail=(ran.stdout + ran.stderr).strip().partition("\n")[0])
    rows = [_smi_row(line) for line in ran.stdout.splitlines() if line.strip()]
    devices = tuple(_smi_gpu(row) for row in rows)
    return Gpus(devices, rows[0]["driver_version"] if rows else None)


def _smi_row(line: str) -> dict[str, str | None]:
    values = [value.strip() for value in line.split(",")]
    return {
        name: None if value.startswith("[") else value
        for name, value in zip(_SMI_FIELDS, values, strict=False)
    }


def _smi_gpu(row: Mapping[str, str | None]) -> Gpu:
    major, _, minor = (row.get("compute_cap") or "").partition(".")
    return Gpu(
        name=row.get("name") or "unnamed GPU",
        uuid=row.get("uuid") or "",
        total_bytes=_mib(row.get("memory.total")),
        free_bytes=_mib(row.get("memory.free")),
        compute=(int(major), int(minor)) if major.isdecimal() and minor.isdecimal() else None,
    )


def _mib(value: str | None) -> int | None:
    return int(value) * _MIB if value and value.isdecimal() else None

"""What the NVIDIA driver's library says about its devices; every value may be missing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from aava_cli.gpu.codes import LIBRARY_NOT_FOUND, problem_of
from aava_cli.gpu.facts import Broken, Gpu, Gpus, Holder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_UNCUT = "MIG is on, and it has no instance"


def ask_nvml() -> Gpus:
    """Return what the driver's library says; without one that is its problem."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return Gpus(problem=problem_of(error.value), detail=str(error), library=_library(error))
    try:
        return _read()
    except pynvml.NVMLError as error:
        return Gpus(problem=problem_of(error.value), detail=str(error), library=_library())
    finally:
        _ask(pynvml.nvmlShutdown)


def _library(error: Any = None) -> str | None:  # noqa: ANN401 - an error of a module without types
    """Return the version of the library itself, which it tells before it is set up."""
    import pynvml

    if error is not None and error.value == LIBRARY_NOT_FOUND:
        return None
    # It counts from the CUDA release that it came with: `12.550.90.07`.
    version: str | None = _ask(pynvml.nvmlSystemGetNVMLVersion)
    return version and version.partition(".")[2]


def _read() -> Gpus:
    import pynvml

    found = [each for index in range(pynvml.nvmlDeviceGetCount()) for each in _devices(index)]
    cuda = _ask(pynvml.nvmlSystemGetCudaDriverVersion)
    return Gpus(
        devices=tuple(each for each in found if isinstance(each, Gpu)),
        driver=_ask(pynvml.nvmlSystemGetDriverVersion),
        broken=tuple(each for each in found if isinstance(each, Broken)),
        newest_cuda=cuda and (cuda // 1000, cuda % 1000 // 10),
        library=_library(),
    )


def _devices(index: int) -> Iterator[Gpu | Broken]:
    """Yield the GPU *index*, or its slices if it is cut into some."""
    import pynvml

    try:
        handle = pynvml.nvmlDeviceGetHandleByIndex(index)
        mode = _ask(pynvml.nvmlDeviceGetMigMode, handle)
        found = tuple(_slices(index, handle)) if mode and mode[0] else (_gpu(index, handle),)
    except pynvml.NVMLError as error:
        yield Broken(index, problem_of(error.value), str(error))
    else:
        yield from found or (Broken(index, "uncut", _UNCUT),)


def _slices(index: int, handle: object) -> Iterator[Gpu]:
    import pynvml

    for number in range(_ask(pynvml.nvmlDeviceGetMaxMigDeviceCount, handle) or 0):
        part = _ask(pynvml.nvmlDeviceGetMigDeviceHandleByIndex, handle, number)
        if part is not None:
            yield _gpu(index, part, handle)


def _gpu(index: int, handle: object, whole: object = None) -> Gpu:
    """Return the device *handle*, which may be a slice of *whole*.

    Raises:
        pynvml.NVMLError: it fell off the bus since it was counted.
    """
    import pynvml

    gpu = handle if whole is None else whole
    memory = _memory(handle)
    bus = _ask(pynvml.nvmlDeviceGetPciInfo, gpu)
    return Gpu(
        name=_ask(pynvml.nvmlDeviceGetName, handle) or "unnamed GPU",
        uuid=_ask(pynvml.nvmlDeviceGetUUID, handle) or "",
        total_bytes=memory and int(memory.total),
        free_bytes=memory and int(memory.free),
        compute=_ask(pynvml.nvmlDeviceGetCudaComputeCapability, gpu),
        index=index,
        bus_id=bus.busId if bus else "",
        parent=None if whole is None else _ask(pynvml.nvmlDeviceGetUUID, whole),
        holders=tuple(_holders(handle)),
        uncorrected_errors=_uncorrected_errors(gpu),
    )


def _memory(handle: object) -> Any:  # noqa: ANN401 - a structure of a module without types
    """Return the device's own memory; one that shares the host's has none.

    GB10 and Jetson refuse the question, or answer nothing at all
    (github.com/XuehaiPan/nvitop/pull/208, github.com/ollama/ollama/pull/12619).
    """
    import pynvml

    try:
        memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    except pynvml.NVMLError as error:
        if problem_of(error.value) != "other":
            raise
        return None
    return memory if memory.total else None


def _holders(handle: object) -> Iterator[Holder]:
    import pynvml

    for each in _ask(pynvml.nvmlDeviceGetComputeRunningProcesses, handle) or ():
        name = _ask(pynvml.nvmlSystemGetProcessName, each.pid)
        yield Holder(each.pid, Path(name).name if name else None, each.usedGpuMemory)


def _uncorrected_errors(gpu: object) -> int | None:
    import pynvml

    kinds = (pynvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED, pynvml.NVML_VOLATILE_ECC)
    errors: int | None = _ask(pynvml.nvmlDeviceGetTotalEccErrors, gpu, *kinds)
    return errors


def _ask(question: Callable[..., Any], *about: object) -> Any:  # noqa: ANN401 - a module without types
    import pynvml

    try:
        return question(*about)
    except pynvml.NVMLError:
        return None

"""Whether this host has a GPU that its containers can use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aava_cli.docker.engine import Engine


def has_usable_gpu(engine: Engine, library: Any = None) -> bool:  # noqa: ANN401 - a module without types
    """Return whether *engine* can give containers a GPU, and the driver's *library* sees one."""
    if not engine.offers_gpu:
        return False
    # The devices of another host are not ours to count.
    return engine.is_elsewhere or count_devices(library) > 0


def compute_capabilities(library: Any = None) -> tuple[tuple[int, int], ...]:  # noqa: ANN401 - a module without types
    """Return what each device that the driver's *library* sees can compute: (8, 6) and so on."""
    import pynvml

    nvml = library or pynvml
    try:
        nvml.nvmlInit()
        try:
            devices = map(nvml.nvmlDeviceGetHandleByIndex, range(nvml.nvmlDeviceGetCount()))
            pairs = map(nvml.nvmlDeviceGetCudaComputeCapability, devices)
            return tuple((int(major), int(minor)) for major, minor in pairs)
        finally:
            nvml.nvmlShutdown()
    except pynvml.NVMLError:
        return ()


def count_devices(library: Any = None) -> int:  # noqa: ANN401 - a module without types
    """Return how many devices the driver's *library* sees; none without a working driver."""
    import pynvml

    nvml = library or pynvml
    try:
        nvml.nvmlInit()
        try:
            return int(nvml.nvmlDeviceGetCount())
        finally:
            nvml.nvmlShutdown()
    except pynvml.NVMLError:
        return 0

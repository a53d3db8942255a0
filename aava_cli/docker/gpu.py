"""Whether this host has a GPU that its containers can use."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aava_cli.docker.engine import Engine

_ELSEWHERE = ("tcp://", "ssh://", "http://", "https://")


def has_usable_gpu(engine: Engine, library: Any = None) -> bool:  # noqa: ANN401 - a module without types
    """Return whether *engine* can give containers a GPU, and the driver's *library* sees one."""
    if not engine.offers_gpu:
        return False
    # The devices of another host are not ours to count.
    return is_elsewhere(os.environ) or count_devices(library) > 0


def is_elsewhere(environ: Mapping[str, str]) -> bool:
    """Return whether the engine that *environ* names is on another host."""
    return environ.get("DOCKER_HOST", "").startswith(_ELSEWHERE)


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

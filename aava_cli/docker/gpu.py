"""Whether this host has a GPU that its containers can use."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aava_cli.docker.engine import Engine
    from aava_cli.gpu.facts import Gpus


def has_usable_gpu(engine: Engine, gpus: Gpus | None = None) -> bool:
    """Return whether *engine* can give containers a GPU, and the driver lists one.

    *gpus* is what the driver said, where somebody has asked it already.
    """
    if not engine.offers_gpu:
        return False
    # The devices of another host are not ours to count.
    return engine.is_elsewhere or bool((gpus or _asked()).devices)


def compute_capabilities(gpus: Gpus | None = None) -> tuple[tuple[int, int], ...]:
    """Return what each device that the driver lists can compute: (8, 6) and so on."""
    devices = (gpus or _asked()).devices
    return tuple(gpu.compute for gpu in devices if gpu.compute is not None)


def _asked() -> Gpus:
    from aava_cli.gpu.probe import ask_driver

    return ask_driver()

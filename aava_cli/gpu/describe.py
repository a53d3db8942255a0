"""A GPU in words: what it is called, where it is, and who holds its memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aava_cli.output import human_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aava_cli.gpu.facts import Gpu, Gpus


def device_lines(gpus: Gpus) -> Iterator[str]:
    """Yield a line for each device with what names it for good, and one for its driver."""
    for gpu in gpus.devices:
        compute = f"compute capability {gpu.compute[0]}.{gpu.compute[1]}" if gpu.compute else ""
        held = f"held by {', '.join(holder_words(gpu))}" if gpu.holders else ""
        words = (gpu.name, gpu.uuid, gpu.bus_id, compute, memory_words(gpu), held)
        yield f"GPU {gpu.index}: {', '.join(filter(None, words))}"
    for broken in gpus.broken:
        yield f"GPU {broken.index}: {broken.detail}"
    if gpus.driver:
        module = f", kernel module {gpus.system.module}" if gpus.system.module else ""
        yield f"driver {gpus.driver}, {gpus.source}{module}"


def memory_words(gpu: Gpu) -> str:
    """Return how much memory the device has, and how much of it is free."""
    if gpu.total_bytes is None:
        return "a slice" if gpu.parent else "shares the host's memory"
    free = f"{human_bytes(gpu.free_bytes)} free of " if gpu.free_bytes is not None else ""
    return f"{free}{human_bytes(gpu.total_bytes)}"


def holder_words(gpu: Gpu) -> Iterator[str]:
    """Yield who holds the device's memory, the one with the most of it first."""
    for each in sorted(gpu.holders, key=lambda each: -(each.used_bytes or 0)):
        size = f", {human_bytes(each.used_bytes)}" if each.used_bytes is not None else ""
        yield f"{each.name or 'a hidden program'} (pid {each.pid}{size})"

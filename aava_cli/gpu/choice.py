"""Which of several GPUs the daemon takes: the order of the bus, CUDA's own, and what is set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aava_cli.output import human_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aava_cli.gpu.facts import Gpu, Gpus


@dataclass(frozen=True, slots=True)
class Choice:
    """The GPU that is taken and *how*; *fix* where another one would be better."""

    gpu: Gpu | None
    how: str
    fix: str = ""


def told(choice: Choice) -> str:
    """Return the choice in a sentence."""
    if choice.gpu is None:
        return choice.how
    return f"{choice.how} {_named(choice.gpu)}"


def compose_choice(gpus: Gpus, settings: Mapping[str, str]) -> Choice | None:
    """Return what a container gets that asks for one GPU, with the *settings* of its `.env`.

    Docker hands in the first *count* of the driver's own order, that of the bus, and the container
    counts them from 0 (moby, daemon/nvidia_linux.go: `countToDevices`).
    """
    hidden = settings.get("CUDA_VISIBLE_DEVICES", "")
    if gpus.devices and hidden.isdecimal() and int(hidden) > 0:
        how = f"`CUDA_VISIBLE_DEVICES={hidden}`: a container with one GPU counts it as 0, so none"
        return Choice(None, how, f"take it out of `.env`, and {_by_overlay(_best(gpus))}")
    if not gpus.devices or len((*gpus.devices, *gpus.broken)) == 1:
        return None
    first, best = min(gpus.devices, key=lambda gpu: gpu.index), _best(gpus)
    unusable = [broken.index for broken in gpus.broken if broken.index < first.index]
    if unusable:
        how = f"an overlay with `count: 1` gets GPU {min(unusable)}, which cannot be used"
        return Choice(None, how, _by_overlay(best))
    fix = _by_overlay(best) if _is_better(best, first) else ""
    return Choice(first, "an overlay with `count: 1` gets", fix)


def native_choice(gpus: Gpus) -> Choice | None:
    """Return what a program of this host gets, with the environment that this one has.

    CUDA counts the fastest GPU first, unless `CUDA_DEVICE_ORDER` is `PCI_BUS_ID`
    (CUDA C++ Programming Guide, "CUDA Environment Variables").
    """
    if not gpus.devices or len(gpus.devices) == 1:
        return None
    order = gpus.system.choices.get("CUDA_DEVICE_ORDER") or "FASTEST_FIRST"
    first = _first_of_cuda(gpus)
    if first is None:
        return Choice(None, f"{len(gpus.devices)} GPUs, in the order `{order}`")
    best = _best(gpus)
    start = f"start it so: `CUDA_VISIBLE_DEVICES={best.uuid} aava serve`"
    how = f"a program gets, in the order `{order}`,"
    return Choice(first, how, start if _is_better(best, first) else "")


def _first_of_cuda(gpus: Gpus) -> Gpu | None:
    """Return the device that CUDA counts as 0; it names them without the driver's prefix."""
    first = gpus.cuda.devices[0].uuid if gpus.cuda and gpus.cuda.devices else ""
    named = (gpu for gpu in gpus.devices if first and gpu.uuid.endswith(first))
    return next(named, None)


def _best(gpus: Gpus) -> Gpu:
    return max(gpus.devices, key=lambda gpu: (gpu.total_bytes or 0, gpu.compute or (0, 0)))


def _is_better(best: Gpu, taken: Gpu) -> bool:
    return (best.total_bytes or 0) > (taken.total_bytes or 0)


def _by_overlay(gpu: Gpu) -> str:
    return f'in `docker-compose.gpu.yml` write `device_ids: ["{gpu.uuid}"]` in place of `count: 1`'


def _named(gpu: Gpu) -> str:
    memory = f", {human_bytes(gpu.total_bytes)}" if gpu.total_bytes is not None else ""
    return f"GPU {gpu.index}: {gpu.name}{memory} ({gpu.uuid})"

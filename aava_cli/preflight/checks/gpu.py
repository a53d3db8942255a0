"""What a GPU, its driver and CUDA have to be; none is needed."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from aava_cli.gpu.describe import device_lines, holder_words, memory_words
from aava_cli.gpu.floors import (
    NEWEST_COMPUTE,
    OLDEST_COMPUTE,
    runs_cuda_12,
    starts_image,
)
from aava_cli.gpu.rungs import broken_cuda, broken_gpu, broken_rung
from aava_cli.output import human_bytes
from aava_cli.preflight.checks.room import GB
from aava_cli.preflight.findings import Passed, Skipped, Warned, check, known

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aava_cli.gpu.facts import Gpu, Gpus, System
    from aava_cli.preflight.facts import Facts
    from aava_cli.preflight.findings import Finding

_ROOM_ON_GPU_BYTES = 2 * GB
_NEWER_DRIVER = "install driver 550.54.14 or newer"


@check("gpu")
def usable_gpu(facts: Facts) -> Finding:
    """Look for a GPU, which makes large models fast enough for a call; none is needed."""
    gpus = known(facts.gpus)
    rung = broken_rung(gpus)
    if rung is not None:
        return Warned(f"{rung.evidence}: models run on the CPU", rung.fix)
    if not gpus.devices:
        return _no_nvidia(gpus.system)
    described = "; ".join(_described(gpus.devices))
    details = "\n".join(device_lines(gpus))
    if gpus.broken:
        lost = broken_gpu(gpus, gpus.broken[0])
        return Warned(f"{described}; {lost.evidence}", lost.fix, details)
    spoilt = [gpu for gpu in gpus.devices if gpu.uncorrected_errors]
    if spoilt:
        evidence = f"GPU {spoilt[0].index} had {spoilt[0].uncorrected_errors} memory errors"
        fix = "run `sudo nvidia-smi --gpu-reset`, or reboot the host"
        return Warned(f"{described}; {evidence}", fix, details)
    return Passed(described, details)


def _no_nvidia(system: System) -> Finding:
    named = ", ".join(f"{make} GPU {what}" for make, what in system.others.items())
    if "AMD" in system.others:
        fix = "choose models for the CPU: the engines are built for NVIDIA's CUDA, not for ROCm"
        return Warned(f"{named}: models run on the CPU", fix)
    return Skipped(f"no NVIDIA GPU{f', but {named}' if named else ''}: models run on the CPU")


def _described(devices: tuple[Gpu, ...]) -> Iterator[str]:
    """Yield the devices, those alike together with the least of their free memory."""
    counts = Counter((gpu.name, gpu.total_bytes) for gpu in devices)
    for (name, total_bytes), count in counts.items():
        alike = [gpu for gpu in devices if (gpu.name, gpu.total_bytes) == (name, total_bytes)]
        fullest = min(alike, key=lambda gpu: gpu.free_bytes or 0)
        shown = f"{count} x {name}" if count > 1 else name
        yield f"{shown}, {memory_words(fullest)}{' each' if count > 1 and total_bytes else ''}"


@check("gpu-memory")
def room_on_gpu(facts: Facts) -> Finding:
    """Expect room: a model that does not fit goes to the CPU or fails to load."""
    devices = [gpu for gpu in known(facts.gpus).devices if gpu.free_bytes is not None]
    if not devices:
        return Skipped("no GPU with memory of its own")
    roomiest = max(devices, key=lambda gpu: gpu.free_bytes or 0)
    evidence = f"{human_bytes(roomiest.free_bytes or 0)} free"
    if (roomiest.free_bytes or 0) >= _ROOM_ON_GPU_BYTES:
        return Passed(evidence)
    holders = ", ".join(holder_words(roomiest))
    if holders:
        return Warned(f"{evidence}: held by {holders}", "end it, or move it to another GPU")
    fix = "run `nvidia-smi` on the host: what holds it is in another container, or another user's"
    return Warned(f"{evidence}, and no program shows that holds it", fix)


@check("gpu-driver")
def new_enough_driver(facts: Facts) -> Finding:
    """Expect driver 550.54, which came with the CUDA 12.4 that the daemon's GPU image asks for."""
    gpus = known(facts.gpus)
    if gpus.driver is None:
        return Skipped("no NVIDIA driver that answers")
    evidence = _driver(gpus)
    if not runs_cuda_12(gpus):
        return Warned(f"{evidence}: too old for the engines' CUDA 12", _NEWER_DRIVER)
    if not known(facts.is_compose_project) or starts_image(gpus) or is_required_waived(facts):
        return Passed(evidence)
    # Within CUDA 12 it would run: only the image's own requirement stands against it.
    fix = f"{_NEWER_DRIVER}, or set `NVIDIA_DISABLE_REQUIRE=true` in `.env`"
    return Warned(f"{evidence}: the image does not start, `unsatisfied condition: cuda>=12.4`", fix)


def _driver(gpus: Gpus) -> str:
    newest = gpus.newest_cuda
    return f"{gpus.driver}, up to CUDA {newest[0]}.{newest[1]}" if newest else str(gpus.driver)


def is_required_waived(facts: Facts) -> bool:
    """Return whether `.env` has the NVIDIA runtime ignore what an image asks for."""
    value = known(facts.env_file).gpu_settings.get("NVIDIA_DISABLE_REQUIRE", "")
    return value.lower() in {"1", "true"}


@check("gpu-cuda")
def cuda_works(facts: Facts) -> Finding:
    """Expect CUDA to work where the driver answers: without it engines use the CPU, silently."""
    gpus = known(facts.gpus)
    if not gpus.devices or gpus.cuda is None:
        return Skipped("no GPU that the driver lists")
    rung = broken_cuda(gpus.cuda)
    if rung is not None:
        silent = f"`nvidia-smi` is fine, and {rung.evidence}: the engines use the CPU, silently"
        return Warned(silent, rung.fix)
    return Passed(f"a program can use {_count(len(gpus.cuda.devices), 'device')}")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number != 1 else ''}"


@check("gpu-kernels")
def image_has_kernels(facts: Facts) -> Finding:
    """Warn of a GPU that the daemon's GPU image has no code for."""
    computes = [gpu.compute for gpu in known(facts.gpus).devices if gpu.compute]
    if not computes or not known(facts.is_compose_project):
        return Skipped("no GPU that an image has to be built for")
    newest, oldest = max(computes), min(computes)
    if newest > NEWEST_COMPUTE:
        fix = "try `aava smoke`: engines on PyTorch (Kokoro, MeloTTS, Silero) have to use the CPU"
        return Warned(f"{_compute(newest)}: PyTorch in the GPU image has no code for it", fix)
    if oldest < OLDEST_COMPUTE:
        fix = "choose models for the CPU, or an older CUDA"
        return Warned(f"{_compute(oldest)}: CUDA 12 has no code for it", fix)
    return Passed(_compute(newest))


def _compute(compute: tuple[int, int]) -> str:
    return f"compute capability {compute[0]}.{compute[1]}"

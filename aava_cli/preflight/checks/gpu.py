"""What a GPU and its driver have to be; none is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aava_cli.output import human_bytes
from aava_cli.preflight.checks.room import GB
from aava_cli.preflight.findings import Passed, Skipped, Warned, check, known
from aava_cli.preflight.versions import version_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aava_cli.gpu.facts import DriverProblem, Gpu
    from aava_cli.preflight.facts import Facts
    from aava_cli.preflight.findings import Finding

_DRIVER_PROBLEMS: Mapping[DriverProblem, tuple[str, str]] = {
    "mismatch": ("the NVIDIA driver was updated, its kernel module was not", "reboot the host"),
    "not-loaded": ("the NVIDIA kernel module is not loaded", "run `sudo modprobe nvidia`"),
    "no-library": (
        "this container was started without its GPU",
        "start it with `--gpus all`, with the NVIDIA container toolkit on the host",
    ),
    "no-permission": (
        "this user may not use the GPU",
        "add the user to the group of `/dev/nvidia0`, `video` or `render`",
    ),
    "other": (
        "the NVIDIA driver does not work",
        "run `nvidia-smi`; in a container that lost its GPU, start the container again",
    ),
}
_CUDA_12_DRIVER = (525, 60)
_ROOM_ON_GPU_BYTES = 2 * GB
_BLACKWELL = (12, 0)


@check("gpu")
def usable_gpu(facts: Facts) -> Finding:
    """Look for a GPU, which makes large models fast enough for a call; none is needed."""
    gpus = known(facts.gpus)
    if gpus.problem is not None:
        evidence, fix = _DRIVER_PROBLEMS[gpus.problem]
        detail = f" ({gpus.detail})" if gpus.detail else ""
        return Warned(f"{evidence}{detail}: models run on the CPU", fix)
    if gpus.devices:
        return Passed("; ".join(map(_describe, gpus.devices)))
    if gpus.driver is None:
        return Skipped("no NVIDIA driver: models run on the CPU")
    evidence = f"driver {gpus.driver} shows no device: models run on the CPU"
    return Warned(evidence, "run `nvidia-smi -L`; with MIG on, make an instance")


def _describe(gpu: Gpu) -> str:
    if gpu.total_bytes is None or gpu.free_bytes is None:
        return f"{gpu.name}, shares the host's memory"
    return f"{gpu.name}, {human_bytes(gpu.free_bytes)} free of {human_bytes(gpu.total_bytes)}"


@check("gpu-memory")
def room_on_gpu(facts: Facts) -> Finding:
    """Expect room: a model that does not fit goes to the CPU or fails to load."""
    gpus = known(facts.gpus)
    free = [gpu.free_bytes for gpu in gpus.devices if gpu.free_bytes is not None]
    if not free:
        return Skipped("no GPU with memory of its own")
    evidence = f"{human_bytes(max(free))} free"
    if max(free) < _ROOM_ON_GPU_BYTES:
        return Warned(evidence, "run `nvidia-smi` to see which program holds it")
    return Passed(evidence)


@check("gpu-driver")
def new_enough_driver(facts: Facts) -> Finding:
    """Expect driver 525.60, which the engines' CUDA 12 needs."""
    driver = known(facts.gpus).driver
    if driver is None:
        return Skipped("no NVIDIA driver that answers")
    if version_of(driver)[:2] < _CUDA_12_DRIVER:
        return Warned(f"{driver} is too old for CUDA 12", "install driver 550 or newer")
    return Passed(driver)


@check("gpu-kernels")
def image_has_kernels(facts: Facts) -> Finding:
    """Warn of a GPU newer than what the daemon's GPU image is built for."""
    newest = max((gpu.compute or (0, 0) for gpu in known(facts.gpus).devices), default=(0, 0))
    if newest == (0, 0) or not known(facts.is_compose_project):
        return Skipped("no GPU that an image has to be built for")
    evidence = f"compute capability {newest[0]}.{newest[1]}"
    if newest >= _BLACKWELL:
        fix = "check `aava smoke`; engines of the image that need PyTorch may use the CPU"
        return Warned(f"{evidence}: PyTorch in the GPU image may lack kernels for it", fix)
    return Passed(evidence)


@check("gpu-docker")
def docker_reaches_gpu(facts: Facts) -> Finding:
    """Expect the NVIDIA runtime, without which containers run on the CPU or not at all."""
    docker = known(facts.docker)
    if not known(facts.gpus).devices or docker is None or docker.version is None:
        return Skipped("no GPU, or no Docker engine")
    if docker.is_podman:
        evidence = "Podman drops the GPU from a compose file without an error"
        return Warned(evidence, "check `aava status` for the device, or use Docker")
    if docker.is_snap:
        return Warned("Docker from snap cannot use the NVIDIA toolkit", "install Docker's packages")
    if "nvidia" in docker.runtimes or docker.has_cdi:
        return Passed("the NVIDIA runtime is configured")
    fix = "run `sudo nvidia-ctk runtime configure --runtime=docker`, then restart Docker"
    return Warned("Docker does not know the NVIDIA runtime", f"{fix} (this ends running calls)")

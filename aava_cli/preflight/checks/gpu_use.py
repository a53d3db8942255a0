"""Whether the daemon gets the GPU that is there, and the right one of several."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aava_cli.gpu.available import GpuAvailable, gpu_available, why_not
from aava_cli.gpu.choice import compose_choice, native_choice, told
from aava_cli.gpu.rungs import broken_cuda, broken_gpu
from aava_cli.gpu.words import CUT_OFF, KEEP
from aava_cli.preflight.checks.gpu import is_required_waived
from aava_cli.preflight.findings import NotKnown, Passed, Skipped, Warned, check, known

if TYPE_CHECKING:
    from aava_cli.gpu.facts import ContainerGpu, EngineGpu
    from aava_cli.preflight.facts import Docker, Facts
    from aava_cli.preflight.findings import Finding

_RUNTIME = (
    "run `sudo nvidia-ctk runtime configure --runtime=docker`, then `sudo systemctl restart "
    "docker` (this ends running calls)"
)
_TOOLKIT = "run `sudo apt-get install nvidia-container-toolkit`, from NVIDIA's own packages; then "
_WITH_OVERLAY = (
    "run `docker compose -f docker-compose.yml -f docker-compose.gpu.yml up -d --no-build "
    "--force-recreate local_ai_server`, with the GPU overlay"
)


def decide_gpu(facts: Facts) -> GpuAvailable:
    """Return whether the daemon can use a GPU; what is not known is no evidence that it can."""
    try:
        container = known(facts.container_gpu)
    except NotKnown:
        container = None
    try:
        docker = known(facts.docker)
        return gpu_available(
            known(facts.gpus),
            is_compose=known(facts.is_compose_project),
            engine_offers=offers_gpu(docker),
            is_elsewhere=docker is not None and docker.remote is not None,
            container=container,
            is_required_waived=is_required_waived(facts),
        )
    except NotKnown as reason:
        return GpuAvailable(
            usable=False, reason=f"could not be found out: {reason}", is_known=False
        )


def offers_gpu(docker: Docker | None) -> bool | None:
    """Return whether a container can ask *docker* for a GPU; None where no engine answers."""
    if docker is None or docker.version is None:
        return None
    if docker.is_podman or docker.is_snap:
        return False
    return "nvidia" in docker.runtimes or docker.has_cdi


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
        evidence = "Docker from snap cannot use the NVIDIA toolkit"
        return Warned(evidence, "run `sudo snap remove docker`, and install Docker's packages")
    if not offers_gpu(docker):
        toolkit = "" if known(facts.gpus).system.has_toolkit else _TOOLKIT
        return Warned("Docker does not know the NVIDIA runtime", f"{toolkit}{_RUNTIME}")
    return Passed("the NVIDIA runtime is configured")


@check("gpu-container")
def container_uses_gpu(facts: Facts) -> Finding:
    """Expect a container of the daemon's own image to use the GPU; tried only with `--deep`."""
    container = known(facts.container_gpu)
    if container is None:
        return Skipped("not tried: `aava preflight --deep` does, with an image and a GPU request")
    if container.works:
        return Passed(f"{container.image}: {container.smi}")
    return Warned(why_not(container), _container_fix(container))


def _container_fix(container: ContainerGpu) -> str:
    if "cuda>=" in container.refusal:
        return "install driver 550.54.14 or newer, or set `NVIDIA_DISABLE_REQUIRE=true` in `.env`"
    if container.refusal:
        return _RUNTIME
    if "Unknown Error" in container.smi:
        return KEEP
    rung = broken_cuda(container.cuda)
    return rung.fix if container.has_smi and rung else _WITH_OVERLAY


@check("gpu-choice")
def right_gpu(facts: Facts) -> Finding:
    """Say which of several GPUs the daemon takes, and whether it is the one with most memory."""
    gpus = known(facts.gpus)
    if known(facts.is_compose_project):
        choice = compose_choice(gpus, known(facts.env_file).gpu_settings)
    else:
        choice = native_choice(gpus)
    if choice is None:
        return Skipped("no more than one GPU")
    return Warned(told(choice), choice.fix) if choice.fix else Passed(told(choice))


@check("gpu-mig")
def slices_are_cut(facts: Facts) -> Finding:
    """Expect a GPU that is to be cut into slices to have some."""
    gpus = known(facts.gpus)
    slices = [gpu for gpu in gpus.devices if gpu.parent is not None]
    uncut = [broken for broken in gpus.broken if broken.problem == "uncut"]
    if not slices and not (uncut and gpus.devices):
        return Skipped("no GPU is cut into slices")
    if uncut:
        rung = broken_gpu(gpus, uncut[0])
        return Warned(rung.evidence, rung.fix)
    return Passed(", ".join(dict.fromkeys(gpu.name for gpu in slices)))


@check("gpu-layers")
def layers_on_gpu(facts: Facts) -> Finding:
    """Warn of a GPU that the language model does not use: 0 layers is the daemon's default."""
    env_file = known(facts.env_file)
    if not decide_gpu(facts).usable or not env_file.exists:
        return Skipped("no GPU that the daemon can use, or no `.env`")
    value = env_file.gpu_settings.get("LOCAL_LLM_GPU_LAYERS", "")
    if value and value != "0":
        return Passed(f"`LOCAL_LLM_GPU_LAYERS={value}`")
    said = "is 0" if value else "is not set"
    fix = f"run `aava preflight --fix`, or set `LOCAL_LLM_GPU_LAYERS=-1` in {env_file.path}"
    return Warned(f"`LOCAL_LLM_GPU_LAYERS` {said}: the language model runs on the CPU", fix)


@check("gpu-engine")
def engine_uses_gpu(facts: Facts) -> Finding:
    """Compare the running daemon's own word with what this host has."""
    said = known(facts.port).gpu
    if said is None or not known(facts.gpus).devices:
        return Skipped("no daemon answers, or no GPU")
    if said.fallbacks:
        return Warned(
            "; ".join(said.fallbacks),
            "run `aava status` to see what runs where; the daemon's log says why",
        )
    # A native daemon says whether a model uses the GPU, the image's whether it sees one.
    if said.usable is False and known(facts.is_compose_project) and decide_gpu(facts).usable:
        return _engine_without_gpu(said)
    # It trusts `nvidia-smi` alone: only a container that is tried proves more.
    return Passed("the daemon sees the GPU" if said.usable else "the daemon uses no GPU")


def _engine_without_gpu(said: EngineGpu) -> Finding:
    if "Unknown Error" in said.error:
        return Warned(f"the daemon: {CUT_OFF}", KEEP)
    error = f" ({said.error})" if said.error else ""
    return Warned(f"the daemon sees no GPU{error}", _WITH_OVERLAY)

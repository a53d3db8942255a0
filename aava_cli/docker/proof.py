"""Try the GPU where the daemon would use it: in a container of its own image."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

from aava_cli.docker.argv import SERVICE
from aava_cli.docker.calls import run, succeeds
from aava_cli.docker.compose import find_project, find_service, read_config
from aava_cli.docker.engine import find_container, find_image, require_engine
from aava_cli.docker.problems import EngineFailed
from aava_cli.gpu.cuda import context_source, parse_cuda
from aava_cli.gpu.facts import ContainerGpu

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from aava_cli.docker.argv import Argv

# The first container of a large image is slow: its layers are read for the first time.
TIMEOUT_S = 40.0
_END_S = 10.0
_END_OF_SMI = "end of nvidia-smi:"
# The image may have no Python, and a shell has no other way to CUDA.
_TRIAL = f"""\
nvidia-smi -L 2>&1
echo "{_END_OF_SMI} $?"
python=$(command -v python3 || command -v python) || exit 0
"$python" -c "$AAVA_CONTEXT" || echo '{{"step": "init", "name": "its process died"}}'
"""
# What is run goes in by the environment: a failed command is told by its words.
_IN_SHELL = ("-c", 'eval "$AAVA_TRIAL"')
_VARIABLES = ("--env=AAVA_TRIAL", "--env=AAVA_CONTEXT")


def prove_gpu(folder: Path, env: Mapping[str, str]) -> ContainerGpu | None:
    """Return what a container of the project in *folder*, whose `.env` holds *env*, finds.

    That is the running one, else one of its image that is taken away again. None if the image is
    not here yet, or the engine runs on another host and the project asks for no GPU.

    Raises:
        EngineUnreachable, EngineFailed: there is no engine, or no project, to ask.
    """
    project = find_project(folder, env, require_engine())
    config = read_config(project)
    service = find_service(project, config)
    container = find_container(service.project.name, SERVICE)
    if container is not None and container.status == "running":
        return try_running(container.id, service.image)
    options = tuple(gpu_options(config["services"][SERVICE]))
    if not options or find_image(service.image) is None:
        return None
    return try_image(service.image, options)


def gpu_options(service: Mapping[str, Any]) -> Iterator[str]:
    """Yield the options of `docker run` for the GPU that the *service* of a Compose file asks for.

    A request by `deploy`, by `gpus` (Compose 2.30 and later), or by `runtime: nvidia`.
    """
    devices: Any = service.get("deploy") or {}
    for key in ("resources", "reservations", "devices"):
        devices = devices.get(key) or {}
    for request in (*devices, *_of_gpus(service.get("gpus"))):
        yield from _option(request)
    if service.get("runtime"):
        yield f"--runtime={service['runtime']}"


def _of_gpus(gpus: Any) -> Iterator[Mapping[str, Any]]:  # noqa: ANN401 - `all`, or requests
    if gpus == "all":
        yield {"count": -1, "capabilities": ["gpu"]}
    elif isinstance(gpus, list):
        yield from ({"capabilities": ["gpu"], **request} for request in gpus)


def _option(request: Mapping[str, Any]) -> Iterator[str]:
    ids = request.get("device_ids") or ()
    if request.get("driver") == "cdi":
        yield from (f"--device={device}" for device in ids)
    elif "gpu" in (request.get("capabilities") or ()):
        count = request.get("count", -1)
        # Docker reads it as a line of CSV, and quotes keep a list together.
        which = f'"device={",".join(ids)}"' if ids else f"count={'all' if count == -1 else count}"
        driver = request.get("driver")
        yield f"--gpus={which}{f',driver={driver}' if driver else ''}"


def try_image(image: str, options: Argv, *, timeout_s: float = TIMEOUT_S) -> ContainerGpu:
    """Return what a new container of *image*, started with *options*, finds; it is removed."""
    name = f"aava-gpu-{uuid.uuid4().hex[:12]}"
    start = ("docker", "run", "--rm", f"--name={name}", "--network=none", "--pull=never")
    try:
        trial = (*_VARIABLES, "--entrypoint=sh", image, *_IN_SHELL)
        return _try((*start, *options, *trial), image, timeout_s)
    finally:
        # What has not ended in time would keep the GPU.
        succeeds(("docker", "rm", "--force", name), timeout_s=_END_S)


def try_running(container: str, image: str, *, timeout_s: float = TIMEOUT_S) -> ContainerGpu:
    """Return what a program in the running *container* of *image* finds."""
    return _try(("docker", "exec", *_VARIABLES, container, "sh", *_IN_SHELL), image, timeout_s)


def _try(argv: Argv, image: str, timeout_s: float) -> ContainerGpu:
    programs = {"AAVA_TRIAL": _TRIAL, "AAVA_CONTEXT": context_source()}
    try:
        return _read(image, run(argv, timeout_s=timeout_s, environ=programs))
    except EngineFailed as error:
        return ContainerGpu(image, refusal=error.message)


def _read(image: str, printed: str) -> ContainerGpu:
    smi, _, rest = printed.partition(_END_OF_SMI)
    code, _, said = rest.strip().partition("\n")
    return ContainerGpu(
        image,
        has_smi=code == "0" and "GPU " in smi,
        smi=smi.strip().partition("\n")[0],
        cuda=parse_cuda(json.loads(said)) if said.strip() else None,
    )

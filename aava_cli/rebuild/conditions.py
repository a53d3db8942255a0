"""What must be so before a build begins; each failure says how to make it so."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from aava_cli.backends import BACKENDS
from aava_cli.docker.calls import ANSWER_S, succeeds
from aava_cli.docker.engine import running_names
from aava_cli.docker.gpu import compute_capabilities
from aava_cli.errors import Busy, NoSpace, NotPossible
from aava_cli.events import Log
from aava_cli.output import human_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from aava_cli.docker.engine import Engine, Image
    from aava_cli.events import Emit
    from aava_cli.rebuild.plan import RebuildPlan
    from aava_cli.rebuild.scene import Scene

# What the daemon's own upgrade and admin page call the container that works for them.
_HELPER = "aava-update-ephemeral"
_ARCHITECTURES = "LLAMA_CUDA_ARCHITECTURES"


def require_conditions(scene: Scene, plan: RebuildPlan, emit: Emit) -> None:
    """Return if nothing stands against building *plan*.

    Raises:
        Busy: the daemon's own upgrade is at work on the project.
        NoSpace: there is no room for another image.
        NotPossible: a tool or the GPU's runtime is missing.
    """
    require_no_helper(scene)
    require_one_image(scene)
    require_builder()
    require_processor(scene.engine, plan)
    require_gpu(scene, plan)
    require_room(scene, plan, emit)


def require_no_helper(scene: Scene) -> None:
    """Raise `Busy` if another program's container is at work on the same project."""
    for name in running_names(_HELPER, mounting=scene.service.project.folder):
        message = f"the container `{name}` is at work on this project: an upgrade or a rebuild"
        raise Busy(message, hint="wait until it has ended: `docker ps` shows it")


def require_one_image(scene: Scene) -> None:
    """Raise `NotPossible` if the container runs another image than the one that would be kept."""
    container, image = scene.container, scene.image
    if container is None or (image is not None and container.image_id == image.id):
        return
    message = f"`{scene.service.image}` is not what the container runs: it was built since"
    hint = f"start that one first: `docker compose up -d --no-build {scene.service.name}`"
    raise NotPossible(message, hint=hint)


def require_builder() -> None:
    """Raise `NotPossible` if Docker has no builder that shows what it does."""
    if not succeeds(("docker", "buildx", "version"), timeout_s=ANSWER_S):
        message = "`docker` has no buildx"
        hint = "install the plugin: `sudo apt-get install docker-buildx-plugin`"
        raise NotPossible(message, hint=hint)


def require_processor(engine: Engine, plan: RebuildPlan) -> None:
    """Raise `NotPossible` if a part of *plan* is not to be had for the processor of *engine*."""
    for backend in map(BACKENDS.__getitem__, plan.add):
        named = backend.processors
        if named and engine.processor not in named:
            where = f"{', '.join(named)} only, and the engine's host is {engine.processor}"
            message = f"`{backend.name}` exists for {where}"
            raise NotPossible(message, hint="run `aava backends` to see the others")


def require_gpu(scene: Scene, plan: RebuildPlan) -> None:
    """Raise `NotPossible` if the container asks for a GPU that it would not get, or not use."""
    if not scene.service.asks_for_gpu:
        return
    if not scene.engine.offers_gpu:
        message = "the Compose files ask for a GPU, and the engine has no NVIDIA runtime"
        hint = "run `sudo nvidia-ctk runtime configure --runtime=docker`, then restart Docker"
        raise NotPossible(message, hint=hint)
    if not scene.engine.is_elsewhere:
        require_architecture(compute_capabilities(), plan.args.get(_ARCHITECTURES, ""))


def require_architecture(devices: Iterable[tuple[int, int]], named: str) -> None:
    """Raise `NotPossible` if code for the architectures that are *named* runs not on all *devices*.

    Where none is named, the image's file says which.
    """
    built = architectures(named)
    for device in devices:
        # Code for an older device runs on a newer one, never the other way.
        if built and device < min(built):
            number = "".join(map(str, device))
            message = f"`{_ARCHITECTURES}` leaves out this GPU, which has {number}"
            raise NotPossible(message, hint=f"add {number} to it in `.env`")


def architectures(text: str) -> tuple[tuple[int, int], ...]:
    """Return the compute capabilities in *text* as CMake has them: `75;86-real`; words are none."""
    numbers = (word.partition("-")[0] for word in text.replace(",", ";").split(";"))
    return tuple((int(each[:-1]), int(each[-1])) for each in numbers if each[1:].isdigit())


def require_room(scene: Scene, plan: RebuildPlan, emit: Emit) -> None:
    """Raise `NoSpace` unless another image fits where images are, and logs where the project is."""
    needed = needed_bytes(plan, scene.image)
    places = {"for images": docker_root(scene.engine), "for the project": _folder(scene)}
    for purpose, place in places.items():
        free = _free_bytes(place) if place else None
        if free is None:
            told = f"the engine's disk is not this host's: it needs {human_bytes(needed)} free"
            emit(Log(told, "warning"))
        elif free < needed:
            message = f"need {human_bytes(needed)} {purpose}, have {human_bytes(free)} on {place}"
            hint = "run `docker system df` to see what takes it; `docker builder prune` frees some"
            raise NoSpace(message, hint=hint)


def needed_bytes(plan: RebuildPlan, image: Image | None) -> int:
    """Return how much room the build of *plan* takes: that of the old *image* at least."""
    return max(plan.room_bytes, image.size_bytes if image else 0)


def docker_root(engine: Engine) -> Path | None:
    """Return where images are, or None where that is not on this host."""
    return None if engine.is_elsewhere else engine.root


def _folder(scene: Scene) -> Path:
    return scene.service.project.folder


def _free_bytes(place: Path) -> int | None:
    try:
        return shutil.disk_usage(place).free
    except OSError:
        # An engine in a virtual machine has folders of its own.
        return None

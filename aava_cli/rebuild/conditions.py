"""What must be so before a build begins; each failure says how to make it so."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from aava_cli.backends import BACKENDS
from aava_cli.docker.calls import ANSWER_S, succeeds
from aava_cli.docker.engine import find_image, running_named
from aava_cli.docker.gpu import compute_capabilities
from aava_cli.docker.tagging import sibling
from aava_cli.errors import Busy, NoSpace, NotPossible
from aava_cli.events import Log
from aava_cli.output import human_bytes
from aava_cli.rebuild.architectures import ARCHITECTURES, require_architecture

if TYPE_CHECKING:
    from pathlib import Path

    from aava_cli.docker.engine import Engine, Image
    from aava_cli.events import Emit
    from aava_cli.rebuild.plan import RebuildPlan
    from aava_cli.rebuild.scene import Scene

# What the daemon's own upgrade and admin page call the container that works for them.
_HELPER = "aava-update-ephemeral"


def require_conditions(scene: Scene, plan: RebuildPlan, emit: Emit) -> None:
    """Return if nothing stands against building *plan*, and against the change that follows.

    Raises:
        Busy: the daemon's own upgrade is at work on the project.
        NoSpace: there is no room for another image.
        NotPossible: a tool or the GPU's runtime is missing, or there would be no way back.
    """
    require_exchange(scene)
    require_builder()
    require_processor(scene.engine, plan)
    require_room(scene, plan, emit)


def require_exchange(scene: Scene) -> None:
    """Return if nothing stands against replacing the container by one of another image.

    Raises:
        Busy: the daemon's own upgrade is at work on the project.
        NotPossible: the new container would not start, or there would be no way back.
    """
    require_no_helper(scene)
    # An image that is pinned by its content can have no other beside it.
    sibling(scene.service.image, "")
    require_way_back(scene)
    require_gpu(scene)
    require_daemon_in_reach(scene)


def require_no_helper(scene: Scene) -> None:
    """Raise `Busy` if another program's container is at work on the same project."""
    folder = scene.service.project.folder.resolve()
    for container in running_named(_HELPER):
        seen = (mount.outside for mount in container.mounts)
        if any(folder.is_relative_to(each) or each.is_relative_to(folder) for each in seen):
            what = f"the container `{container.name}` is at work on this project"
            message = f"{what}: an upgrade or a rebuild"
            raise Busy(message, hint="wait until it has ended: `docker ps` shows it")


def require_way_back(scene: Scene) -> None:
    """Raise `NotPossible` if the container could not be made again as it is.

    Its image must still have the name that it was made with, and its files be those here.
    """
    container = scene.container
    if container is None:
        return
    here = scene.service.project.folder.resolve()
    if container.folder and container.folder.resolve() != here and not scene.engine.is_elsewhere:
        message = f"the container was made from another folder, `{container.folder}`"
        hint = f"go there, or start it from here: `docker compose up -d {scene.service.name}`"
        raise NotPossible(message, hint=hint)
    named = find_image(container.image)
    if named is None:
        message = f"the image that the container runs has lost its name, `{container.image}`"
        hint = f"give it back: `docker tag {container.image_id} {container.image}`"
        raise NotPossible(message, hint=hint)
    if named.id != container.image_id:
        message = f"`{container.image}` is not what the container runs: it was built since"
        hint = f"start that one first: `docker compose up -d --no-build {scene.service.name}`"
        raise NotPossible(message, hint=hint)


def require_daemon_in_reach(scene: Scene) -> None:
    """Raise `NotPossible` if the daemon's address is this host's, and its engine another's."""
    if scene.engine.is_elsewhere and not scene.is_daemon_named:
        message = "the engine is on another host, and no address of its daemon is named"
        raise NotPossible(message, hint="name it: `--daemon ws://HOST:PORT`, or a tunnel's end")


def require_builder() -> None:
    """Raise `NotPossible` if Docker has no builder that shows what it does."""
    if not succeeds(("docker", "buildx", "version"), timeout_s=ANSWER_S):
        message = "`docker` has no buildx"
        hint = "install the plugin: `sudo apt-get install docker-buildx-plugin`"
        raise NotPossible(message, hint=hint)


def require_processor(engine: Engine, plan: RebuildPlan) -> None:
    """Raise `NotPossible` if a part of *plan* is not to be had for the processor of *engine*."""
    for backend in BACKENDS.values():
        named = backend.processors
        if named and engine.processor not in named and plan.brings(backend):
            where = f"{', '.join(named)} only, and the engine's host is {engine.processor}"
            message = f"`{backend.name}` exists for {where}"
            raise NotPossible(message, hint="run `aava backends` to see the others")


def require_gpu(scene: Scene) -> None:
    """Raise `NotPossible` if the container asks for a GPU that it would not get, or not use."""
    if not scene.service.asks_for_gpu:
        return
    if not scene.engine.offers_gpu:
        message = "the Compose files ask for a GPU, and the engine has no NVIDIA runtime"
        hint = "run `sudo nvidia-ctk runtime configure --runtime=docker`, then restart Docker"
        raise NotPossible(message, hint=hint)
    if scene.engine.is_elsewhere:
        return
    devices = compute_capabilities()
    if not devices:
        message = "the Compose files ask for a GPU, and the driver shows none"
        hint = "run `aava preflight`; without a GPU, take its overlay out of `COMPOSE_FILE`"
        raise NotPossible(message, hint=hint)
    require_architecture(devices, scene.known.configured.get(ARCHITECTURES, ""))


def require_room(scene: Scene, plan: RebuildPlan, emit: Emit) -> None:
    """Raise `NoSpace` unless another image fits where images are, and logs where the project is."""
    needed = needed_bytes(plan, scene.current)
    places = {"for images": docker_root(scene.engine), "for the project": _folder(scene)}
    for purpose, place in places.items():
        free = _free_bytes(place) if place else None
        if free is None:
            need = f"it needs {human_bytes(needed)} free, and what is mounted are folders there"
            emit(Log(f"the engine's disk is not this host's: {need}", "warning"))
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

"""Look at the project, its image and its daemon, as they are now."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aava_cli.backends import BACKENDS
from aava_cli.daemon.client import connect
from aava_cli.docker.compose import find_project, find_service, read_config
from aava_cli.docker.engine import find_container, find_image, image_args, require_engine
from aava_cli.errors import DaemonUnreachable, NotPossible
from aava_cli.rebuild.plan import Known
from aava_cli.settings import is_compose_project

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from aava_cli.docker.compose import Service
    from aava_cli.docker.engine import Container, Engine, Image
    from aava_cli.session import Session


@dataclass(frozen=True, slots=True)
class Scene:
    """What a rebuild begins with.

    *image* is what the service's tag names; *current* is what the container runs, which may
    have been made under another name, else the same. *is_daemon_named* says that the user named the
    daemon's address.
    """

    engine: Engine
    service: Service
    image: Image | None
    current: Image | None
    container: Container | None
    status: Mapping[str, Any]
    known: Known
    is_daemon_named: bool = False

    def read_config(self, environ: Mapping[str, str]) -> dict[str, Any]:
        """Return what Compose makes of the files with *environ*, which beats `.env`."""
        return read_config(self.service.project, environ=environ)


def look(session: Session) -> Scene:
    """Return how things are; nothing is changed.

    Raises:
        NotPossible: the project has no Compose file with the daemon in it, or builds no image.
        EngineUnreachable: no engine or Compose answers.
        AccessDenied: the daemon does not accept the token.
    """
    settings = session.require_project()
    if not is_compose_project(settings.project):
        message = f"`{settings.project}` has no Compose file with the daemon in it"
        hint = "the native daemon's engines are packages: `aava backends NAME` names them"
        raise NotPossible(message, hint=hint)
    engine, env = require_engine(), session.env()
    found = find_project(settings.project, env, engine)
    service = find_service(found, read_config(found))
    if service.context is None:
        message = f"the Compose file builds no image for `{service.name}`"
        raise NotPossible(message, hint="add a `build:` to the service")
    container = find_container(service.project.name, service.name)
    image = find_image(service.image)
    current = find_image(container.image_id) if container else image
    # Without a container of ours, whoever answers runs from something else.
    capabilities, status = _ask_daemon(session) if container else (None, {})
    known = Known(
        image_args(current.id) if current else None,
        capabilities,
        service.build_args,
        {**env, **_needed(os.environ)},
        frozenset(_hidden(session.settings.models_dir, engine)),
    )
    is_named = settings.daemon_url is not None
    return Scene(engine, service, image, current, container, status, known, is_named)


def _needed(environ: Mapping[str, str]) -> dict[str, str]:
    needs = {key for backend in BACKENDS.values() for key in backend.build_needs}
    return {key: environ[key] for key in needs if environ.get(key)}


def _hidden(models_dir: Path, engine: Engine) -> Iterator[str]:
    for backend in BACKENDS.values():
        if backend.hidden_without is not None:
            folder = models_dir / backend.hidden_without
            # What another host's daemon finds in its folder, this one does not know.
            if engine.is_elsewhere or not (folder.is_dir() and any(folder.iterdir())):
                yield backend.name


def _ask_daemon(session: Session) -> tuple[Mapping[str, bool] | None, Mapping[str, Any]]:
    try:
        with connect(session) as daemon:
            return daemon.capabilities(), daemon.status()
    except DaemonUnreachable:
        return None, {}

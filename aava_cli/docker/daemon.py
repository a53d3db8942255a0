"""The daemon's own container, replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aava_cli.docker.argv import SERVICE
from aava_cli.docker.calls import run
from aava_cli.docker.compose import find_project, read_service
from aava_cli.docker.engine import inspect_container, require_engine
from aava_cli.docker.recreate import RecreateService
from aava_cli.errors import AavaError, NotPossible
from aava_cli.settings import is_compose_project

if TYPE_CHECKING:
    from pathlib import Path

    from aava_cli.docker.mounts import Mount
    from aava_cli.session import Session
    from aava_cli.steps import Step

# Whoever switches waits for this answer; an engine that is well needs a hundredth of it.
_ANSWER_S = 5.0


def daemon_mounts(folder: Path) -> tuple[Mount, ...] | None:
    """Return what the daemon's container of the project in *folder* sees of its host.

    None where it runs in no container, or where no engine answers.
    """
    if not is_compose_project(folder):
        return None
    label = f"label=com.docker.compose.service={SERVICE}"
    place = f"label=com.docker.compose.project.working_dir={folder.resolve()}"
    words = ("docker", "ps", "--quiet", "--no-trunc", f"--filter={label}", f"--filter={place}")
    try:
        found = run(words, timeout_s=_ANSWER_S).split()
        return inspect_container(found[0]).mounts if found else None
    except AavaError:
        return None


def plan_replacement(
    session: Session, reads: tuple[Step, ...], *, timeout_s: float
) -> RecreateService:
    """Return the step that replaces the daemon's container, which will read what *reads* wrote.

    Raises:
        EngineUnreachable: there is no engine, no Compose, or no permission.
        NotPossible: the daemon does not run in a container of this project.
    """
    engine = require_engine()
    folder = session.settings.project
    project = read_service(find_project(folder, session.env(), engine)).project
    step = RecreateService.plan(project, engine, reads=reads, timeout_s=timeout_s)
    if step.condition == "absent":
        message = "the daemon does not run in a container of this project, and has to start again"
        hint = "add `--offline` to change the files alone, then restart the daemon"
        raise NotPossible(message, hint=hint)
    return step

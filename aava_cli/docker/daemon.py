"""The daemon's own container, replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aava_cli.docker.compose import find_project, read_service
from aava_cli.docker.engine import require_engine
from aava_cli.docker.recreate import RecreateService
from aava_cli.errors import NotPossible

if TYPE_CHECKING:
    from aava_cli.session import Session
    from aava_cli.steps import Step


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

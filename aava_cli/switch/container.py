"""Have Compose replace the daemon's container."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aava_cli.daemon.loads import UNKNOWN_S
from aava_cli.docker.compose import find_project, read_service
from aava_cli.docker.engine import require_engine
from aava_cli.docker.recreate import RecreateService

if TYPE_CHECKING:
    from aava_cli.daemon.step import Terms
    from aava_cli.session import Session
    from aava_cli.steps import Step


def replace_container(session: Session, reads: tuple[Step, ...], terms: Terms) -> RecreateService:
    """Return the step that replaces the daemon's container, which has read what *reads* wrote.

    Raises:
        EngineUnreachable: there is no engine, no Compose, or no permission.
    """
    engine = require_engine()
    folder = session.settings.project
    project = read_service(find_project(folder, session.env(), engine)).project
    return RecreateService.plan(
        project, engine, reads=reads, timeout_s=terms.timeout_s or UNKNOWN_S
    )

"""The command `aava status`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer  # noqa: TC002 - Typer reads the annotations when the command is registered

if TYPE_CHECKING:
    from aava_cli.session import Session


def status(ctx: typer.Context) -> None:
    """Show what is selected beside what runs.

    \b
      aava status
      aava status --json

    Exit code 11: the daemon does not answer; 4: an interrupted change waits for `aava recover`.
    """
    from aava_cli.daemon.overview import project_status

    session: Session = ctx.obj
    session.output.result(project_status(session))

"""The command `aava status`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer  # noqa: TC002 - Typer reads the annotations when the command is registered

if TYPE_CHECKING:
    from aava_cli.session import Session


def status(ctx: typer.Context) -> None:
    """Show what is selected beside what runs, and any drift.

    \b
      aava status
      aava status --json

    Selected is what `.env` says; the YAML overlay and a container's own environment are shown
    where there are any. Drift is no failure: `drift` of `--json` tells it.
    Exit code 11: the daemon does not answer; 4: an interrupted change waits for `aava recover`.
    """
    from aava_cli.daemon.overview import project_status

    session: Session = ctx.obj
    session.output.result(project_status(session))

"""`aava preflight`: look at the host and the project, and change nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from aava_cli.session import Session


def preflight(
    ctx: typer.Context,
    *,
    deep: Annotated[
        bool, typer.Option("--deep", help="Start a container, and try the GPU in it.")
    ] = False,
) -> None:
    """Check that this host can run the models; nothing is changed.

    \b
      aava preflight               every check, with a fix for what is wrong
      aava preflight --json        the same for a script; exit code 9 if a check failed
      aava preflight --deep        try the GPU in a container of the daemon's own image as well
    """
    from aava_cli.preflight.checks import run_checks
    from aava_cli.preflight.probe import gather_facts

    session: Session = ctx.obj
    session.output.result(run_checks(gather_facts(session, deep=deep)))

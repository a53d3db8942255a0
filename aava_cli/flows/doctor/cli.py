"""`aava doctor`: what is wrong here, and a report of it for others."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from aava_cli.session import Session

BundleOption = Annotated[
    Path | None,
    typer.Option("--bundle", metavar="FILE", help="Write all that is known to a `.tar.gz`."),
]
ForceOption = Annotated[
    bool, typer.Option("--force", help="Replace FILE even if it is no older bundle.")
]


def doctor(ctx: typer.Context, *, bundle: BundleOption = None, force: ForceOption = False) -> None:
    """Say what is wrong here, or write a report of it.

    \b
      aava doctor
      aava doctor --bundle report.tar.gz

    Nothing is changed. Secrets are taken out of a bundle; docs/doctor.md says what is in it.

    Exit codes: 0 nothing is wrong, or the bundle is written; 9 something does not work.
    """
    from aava_cli.flows.doctor.examine import examine, make_bundle

    session: Session = ctx.obj
    if bundle is None:
        session.output.result(examine(session))
    else:
        session.output.result(make_bundle(session, bundle.absolute(), force=force))

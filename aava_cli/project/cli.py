"""The command `aava init`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from aava_cli.session import Session

PORT = 8765
_LAST_PORT = 65_535

FolderArgument = Annotated[
    Path | None, typer.Argument(help="The project, else the current folder.")
]
PortOption = Annotated[
    int, typer.Option("--port", min=1, max=_LAST_PORT, help="Where the daemon is to listen.")
]


def init(ctx: typer.Context, folder: FolderArgument = None, port: PortOption = PORT) -> None:
    """Make a folder a project; what is already there stays as it is.

    \b
      aava init                    the current folder
      aava init voice              another one, made if need be
      aava init --port 8766        for a daemon beside another
    """
    from aava_cli.project.layout import init_project

    session: Session = ctx.obj
    named = folder or session.flags.get("project") or Path.cwd()
    settings = session.choose_project(Path(named).expanduser().absolute())
    session.output.result(init_project(settings, port=port))

"""`aava models export` and `import`: models from and to places that are not servers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from aava_cli.session import Session

models = typer.Typer()

NamesArgument = Annotated[
    list[str], typer.Argument(help="Models, or sets such as `starter`; `-` reads names from stdin.")
]
FileArgument = Annotated[Path, typer.Argument(help="The tar file to write.")]
ImportNames = Annotated[
    list[str] | None, typer.Argument(help="An export's file; with `--from`, models or sets.")
]
FromOption = Annotated[
    str | None,
    typer.Option("--from", metavar="WHERE", help="`hub`, `ollama` or a folder: look there."),
]


@models.command()
def export(ctx: typer.Context, names: NamesArgument, file: FileArgument) -> None:
    """Write models that are on disk to one file, for a host without a network.

    \b
      aava models export starter models.tar
    """
    from aava_cli.download.moving.export import export_models
    from aava_cli.download.names import named
    from aava_cli.download.presence import judge_for

    session: Session = ctx.obj
    chosen = session.catalog().expand(named(names, sys.stdin))
    session.output.result(export_models(chosen, file, judge_for(session)))


@models.command("import")
def import_(ctx: typer.Context, names: ImportNames = None, from_: FromOption = None) -> None:
    """Take models from an export, or from files that are on this host already.

    \b
      aava models import models.tar
      aava models import --from hub
      aava models import smollm2-135m --from ~/Downloads
    """
    from aava_cli.download.presence import judge_for
    from aava_cli.download.pulling import import_models

    session: Session = ctx.obj
    judge = judge_for(session)
    session.output.result(import_models(tuple(names or ()), from_, session.catalog(), judge))

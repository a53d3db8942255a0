"""`aava models resolve`: where a model is loaded from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from aava_cli.session import Session

models = typer.Typer()

ModelArgument = Annotated[
    str,
    typer.Argument(
        metavar="MODEL", help="`ORG/NAME[@REVISION]`, a model of the catalog, or a folder."
    ),
]
OfflineOption = Annotated[bool, typer.Option("--offline", help="Do not ask the hub.")]


@models.command()
def resolve(ctx: typer.Context, model: ModelArgument, *, offline: OfflineOption = False) -> None:
    """Say where a model is loaded from, and why not from the other places; nothing is fetched.

    \b
      aava models resolve Qwen/Qwen2.5-7B-Instruct
      aava models resolve Qwen/Qwen2.5-7B-Instruct@main --offline
      aava models resolve ./my-model --json

    Places, in order: a folder of that name, LOCAL_MODELS_DIR, the hub's cache, the hub.
    A place counts only where the model in it is whole. A name without `/` is one of the catalog
    or of the models folder, and the hub is not asked for it.

    Exit codes: 0 found, 6 the hub cannot be reached, 7 incomplete or no model, 10 no such model,
    12 gated or refused, 13 offline and not on this host.
    """
    from aava_cli.download.resolving.locate import resolve_model

    session: Session = ctx.obj
    session.output.result(resolve_model(model, session, offline=offline))

"""`aava models add` and `lock`, and `aava catalog`: write down and check what is known."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aava_cli.roles import Role

if TYPE_CHECKING:
    from aava_cli.session import Session

models = typer.Typer()

OptionalNames = Annotated[
    list[str] | None, typer.Argument(help="Models or sets; else all that are on disk.")
]
AuditNames = Annotated[list[str] | None, typer.Argument(help="Models or sets; else all.")]
NewRoleOption = Annotated[Role | None, typer.Option("--role", help="What an address is for.")]
NewBackendOption = Annotated[
    str | None, typer.Option("--backend", help="The engine that an address is for.")
]
Sha256Option = Annotated[
    str | None,
    typer.Option("--sha256", metavar="HEX", parser=str.lower, help="What an address must hash to."),
]
SourceOption = Annotated[
    str, typer.Option("--source", metavar="ADDRESS", help="Where it is to be had.")
]
FieldOption = Annotated[str | None, typer.Option(help="As in a catalog.")]
CatalogOption = Annotated[
    Path | None, typer.Option("--catalog", metavar="FILE", help="Only this catalog.")
]
WriteOption = Annotated[
    bool, typer.Option("--write", help="Record what is newly known in `--catalog`.")
]


@models.command()
def add(  # noqa: PLR0913 - Typer makes one option of each parameter
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="What to call the model.")],
    source: SourceOption,
    *,
    role: NewRoleOption = None,
    backend: NewBackendOption = None,
    sha256: Sha256Option = None,
    language: FieldOption = None,
    licence: FieldOption = None,
) -> None:
    """Add a model to the project's own catalog, without downloading it.

    \b
      aava models add my-llm --source https://HOST/x.gguf --role llm
      aava models add my-voice --source hf:ORG/REPO/x.onnx --backend piper --language en-GB
    """
    from aava_cli.download.cataloguing.adding import add_to_catalog, draft_from_options
    from aava_cli.download.cataloguing.drafting import Wanted

    session: Session = ctx.obj
    wanted = Wanted(source, role, backend, sha256, name)
    fields = {"language": language, "licence": licence}
    model = draft_from_options(wanted, fields, session.catalog())
    session.output.result(add_to_catalog(model, session.settings, session.output.emit))


@models.command()
def lock(ctx: typer.Context, names: OptionalNames = None) -> None:
    """Record in `aava.lock` which bytes the models on disk are; named ones are updated.

    \b
      aava models lock
      aava models lock smollm2-135m
    """
    from aava_cli.download.locking import lockable, write_lock
    from aava_cli.download.presence import judge_for

    session: Session = ctx.obj
    catalog, judge = session.catalog(), judge_for(session)
    every = catalog.models.values()
    chosen = catalog.expand(names) if names else lockable(every, session.settings)
    session.output.result(write_lock(chosen, judge, replace=not names))


CATALOG_HELP = """Check what the catalog knows against the sources.

\b
  aava catalog audit starter
"""

catalog = typer.Typer(help=CATALOG_HELP, no_args_is_help=True)


@catalog.callback()
def _catalog() -> None:
    """Make `audit` a command of its own, though it is the only one."""


@catalog.command()
def audit(
    ctx: typer.Context,
    names: AuditNames = None,
    file: CatalogOption = None,
    *,
    write: WriteOption = False,
) -> None:
    """Ask each source of the catalog for size and digest, and say what differs or is new.

    \b
      aava catalog audit starter
      aava catalog audit --catalog catalog.toml --write

    Exit codes: 0 all is as the catalog says, 6 a host could not be asked, 7 a file differs.
    """
    from aava_cli.download.cataloguing.auditing import audit_catalog

    session: Session = ctx.obj
    known = None if file else session.catalog()
    emit = session.output.emit
    session.output.result(audit_catalog(tuple(names or ()), known, file, emit, write=write))

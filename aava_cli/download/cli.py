"""`aava models`: list, show, pull, verify and remove models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from aava_cli.roles import Role

if TYPE_CHECKING:
    from aava_cli.download.presence import Judge
    from aava_cli.session import Session

HELP = """List, pull, verify and remove models.

\b
  aava models pull starter
  aava models list --installed
"""

models = typer.Typer(help=HELP, no_args_is_help=True)

NamesArgument = Annotated[list[str], typer.Argument(help="Models, or sets such as `starter`.")]
OptionalNames = Annotated[
    list[str] | None, typer.Argument(help="Models or sets; else all that are on disk.")
]
NameArgument = Annotated[str, typer.Argument(help="A model, by its id or its file's name.")]
RoleOption = Annotated[Role | None, typer.Option("--role", help="Only this role.")]
BackendOption = Annotated[str | None, typer.Option("--backend", help="Only this engine's.")]
LanguageOption = Annotated[
    str | None, typer.Option("--language", help="Only this language: `en`, or `en-US`.")
]
InstalledOption = Annotated[bool, typer.Option("--installed", help="Only what is on disk.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would be done.")]
DeepOption = Annotated[bool, typer.Option("--deep", help="Read every byte again.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Even if `.env` selects it.")]


@models.command("list")
def list_(
    ctx: typer.Context,
    role: RoleOption = None,
    backend: BackendOption = None,
    language: LanguageOption = None,
    *,
    installed: InstalledOption = False,
) -> None:
    """List the models that can be pulled, and those that are on disk.

    \b
      aava models list --installed
      aava models list --role stt --language en
      aava models list --json
    """
    from aava_cli.download.listing import Filter, list_models

    session: Session = ctx.obj
    chosen = Filter(role, backend, language, installed)
    session.output.result(list_models(session.settings, session.catalog(), chosen))


@models.command()
def show(ctx: typer.Context, name: NameArgument) -> None:
    """Show everything known about a model.

    \b
      aava models show smollm2-135m
    """
    from aava_cli.download.listing import show_model

    session: Session = ctx.obj
    session.output.result(show_model(session.settings, session.catalog().find(name)))


@models.command()
def pull(ctx: typer.Context, names: NamesArgument, *, dry_run: DryRunOption = False) -> None:
    """Download and verify models; what is there already is not fetched again.

    \b
      aava models pull starter
      aava models pull vosk-en-us qwen25-1-5b --dry-run
    """
    from aava_cli.download.apply import apply_pull
    from aava_cli.download.plan import plan_pull

    session: Session = ctx.obj
    wanted = session.catalog().expand(names)
    judge = _judge(session, keep=not dry_run)
    plan = plan_pull(wanted, judge.facts(wanted))
    session.output.result(plan if dry_run else apply_pull(plan, wanted, judge))


@models.command()
def verify(ctx: typer.Context, names: OptionalNames = None, *, deep: DeepOption = False) -> None:
    """Check that models on disk are what they were when they were pulled, and can be loaded.

    \b
      aava models verify
      aava models verify smollm2-135m --deep
    """
    from aava_cli.download.verify import on_disk, verify_models

    session: Session = ctx.obj
    catalog, judge = session.catalog(), _judge(session, deep=deep)
    chosen = catalog.expand(names) if names else on_disk(catalog.models.values(), judge)
    session.output.result(verify_models(chosen, judge))


@models.command()
def rm(ctx: typer.Context, name: NameArgument, *, force: ForceOption = False) -> None:
    """Remove a model's files; what `.env` selects stays, unless forced.

    \b
      aava models rm smollm2-135m
    """
    from aava_cli.download.remove import apply_removal, plan_removal, refuse_selected
    from aava_cli.journal import Journal

    session: Session = ctx.obj
    catalog = session.catalog()
    with session.lock():
        # Undoing an interrupted switch may need the model that it replaced.
        Journal(session.settings.state_dir).require_none()
        plan = plan_removal(catalog.find(name), catalog.models.values(), session.settings)
        if not force:
            refuse_selected(plan, session.env(), session.settings)
        session.output.result(apply_removal(plan, session.settings))


def _judge(session: Session, *, deep: bool = False, keep: bool = True) -> Judge:
    from aava_cli.digests import DigestCache
    from aava_cli.download.presence import Judge

    digests = DigestCache(session.settings.state_dir, keep=keep)
    return Judge(session.settings, digests, session.output.emit, deep)

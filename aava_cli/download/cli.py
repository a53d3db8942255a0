"""`aava models`: list, show, pull, verify and remove models."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from aava_cli.roles import Role

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aava_cli.download.presence import Judge
    from aava_cli.session import Session

HELP = """List, pull, verify and remove models.

\b
  aava models pull starter
  aava models list --installed
"""

models = typer.Typer(help=HELP, no_args_is_help=True)

NamesArgument = Annotated[
    list[str], typer.Argument(help="Models, or sets such as `starter`; `-` reads names from stdin.")
]
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
ForceOption = Annotated[
    bool, typer.Option("--force", help="Even if `.env` selects it, or the daemon has it loaded.")
]
PartialOption = Annotated[bool, typer.Option("--partial", help="Downloads that were begun.")]
DetachOption = Annotated[bool, typer.Option("--detach", help="In the background, as a job.")]
AgeOption = Annotated[
    str, typer.Option("--older-than", help="Begun downloads that rest for so long.")
]


@models.command("ls", hidden=True)
@models.command("list")
def list_(
    ctx: typer.Context,
    role: RoleOption = None,
    backend: BackendOption = None,
    language: LanguageOption = None,
    *,
    installed: InstalledOption = False,
    partial: PartialOption = False,
) -> None:
    """List the models that can be pulled, and those that are on disk.

    \b
      aava models list --installed
      aava models ls --partial
      aava models list --role stt --language en
      aava models list --json
    """
    from aava_cli.download.listing import Filter, list_models

    session: Session = ctx.obj
    if partial:
        from aava_cli.download.partials import list_partials

        session.output.result(list_partials(session.settings))
        return
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
def pull(
    ctx: typer.Context,
    names: NamesArgument,
    *,
    dry_run: DryRunOption = False,
    detach: DetachOption = False,
) -> None:
    """Download and verify models; what is there already is not fetched again.

    \b
      aava models pull starter
      aava models pull vosk-en-us qwen25-1-5b --dry-run
      aava models pull starter --detach
      cat names | aava models pull -
    """
    from aava_cli.download.apply import apply_pull
    from aava_cli.download.names import named
    from aava_cli.download.plan import plan_pull

    session: Session = ctx.obj
    chosen = named(names, sys.stdin)
    wanted = session.catalog().expand(chosen)
    if detach and not dry_run:
        _detach(session, "pull", ("models", "pull", *chosen))
        return
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
    """Remove a model's files; what `.env` selects or the daemon runs stays, unless forced.

    \b
      aava models rm smollm2-135m
    """
    from aava_cli.download.loaded import refuse_loaded
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
            refuse_loaded(plan, session)
        session.output.result(apply_removal(plan, session.settings))


@models.command()
def gc(ctx: typer.Context, older_than: AgeOption = "7d", *, dry_run: DryRunOption = False) -> None:
    """Remove what killed and forgotten downloads left; never what is running.

    \b
      aava models gc --dry-run
      aava models gc --older-than 12h
    """
    from aava_cli.ages import parse_span
    from aava_cli.download.garbage import apply_gc, plan_gc

    session: Session = ctx.obj
    plan = plan_gc(session.settings, parse_span(older_than))
    session.output.result(plan if dry_run else apply_gc(plan, session.settings))


def _detach(session: Session, kind: str, words: Sequence[str]) -> None:
    from aava_cli.jobs.launch import start_job
    from aava_cli.jobs.report import report

    session.output.result(report(start_job(session.settings, kind, words)))


def _judge(session: Session, *, deep: bool = False, keep: bool = True) -> Judge:
    from aava_cli.digests import DigestCache
    from aava_cli.download.presence import Judge

    digests = DigestCache(session.settings.state_dir, keep=keep)
    return Judge(session.settings, digests, session.output.emit, deep)

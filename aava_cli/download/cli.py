"""`aava models`: list, pull, verify and remove models.

The functions stay thin: what they do is in the modules that they import. More commands of
`models` are in `cataloguing/cli.py` and `moving/cli.py`.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from aava_cli.roles import Role

if TYPE_CHECKING:
    from aava_cli.session import Session

HELP = """List, pull, verify and remove models.

\b
  aava models pull starter
  aava models pull hf:ORG/REPO/FILE.gguf --role llm
  aava models list --installed
"""

models = typer.Typer(help=HELP, no_args_is_help=True)

OptionalNames = Annotated[
    list[str] | None, typer.Argument(help="Models or sets; else all that are on disk.")
]
PullNames = Annotated[
    list[str] | None, typer.Argument(help="Models, sets such as `starter`, or addresses.")
]
NameArgument = Annotated[str, typer.Argument(help="A model, by its id or its file's name.")]
RoleOption = Annotated[Role | None, typer.Option("--role", help="Only this role.")]
BackendOption = Annotated[str | None, typer.Option("--backend", help="Only this engine's.")]
LanguageOption = Annotated[
    str | None, typer.Option("--language", help="Only this language: `en`, or `en-US`.")
]
InstalledOption = Annotated[bool, typer.Option("--installed", help="Only what is on disk.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would be done.")]
JobsOption = Annotated[
    int | None, typer.Option("--jobs", min=1, max=64, help="Connections; else as many as help.")
]
RateOption = Annotated[
    str | None, typer.Option("--limit-rate", help="Bytes a second, such as `10M` or `500k`.")
]
DeepOption = Annotated[bool, typer.Option("--deep", help="Read every byte again.")]
ForceOption = Annotated[
    bool, typer.Option("--force", help="Even if `.env` selects it, or the daemon has it loaded.")
]
PartialOption = Annotated[bool, typer.Option("--partial", help="Downloads that were begun.")]
DetachOption = Annotated[bool, typer.Option("--detach", help="In the background, as a job.")]
AgeOption = Annotated[
    str, typer.Option("--older-than", help="Begun downloads and ended jobs that rest for so long.")
]
NewRoleOption = Annotated[Role | None, typer.Option("--role", help="What an address is for.")]
NewBackendOption = Annotated[
    str | None, typer.Option("--backend", help="The engine that an address is for.")
]
Sha256Option = Annotated[
    str | None,
    typer.Option("--sha256", metavar="HEX", parser=str.lower, help="What an address must hash to."),
]
AsOption = Annotated[
    str | None, typer.Option("--as", metavar="NAME", help="What to call an address's model.")
]
MirrorOption = Annotated[
    str | None,
    typer.Option("--mirror", metavar="URL", help="Try `URL/sha256/HEX` first; else AAVA_MIRROR."),
]
LockedOption = Annotated[bool, typer.Option("--locked", help="Only what `aava.lock` says.")]


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
    from aava_cli.download.listing import Filter, list_models, refuse_filters

    session: Session = ctx.obj
    chosen = Filter(role, backend, language, installed)
    if partial:
        from aava_cli.download.sharing.partials import list_partials

        refuse_filters(chosen)
        session.output.result(list_partials(session.settings))
        return
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
def pull(  # noqa: PLR0913 - Typer makes one option of each parameter
    ctx: typer.Context,
    names: PullNames = None,
    *,
    role: NewRoleOption = None,
    backend: NewBackendOption = None,
    sha256: Sha256Option = None,
    as_: AsOption = None,
    mirror: MirrorOption = None,
    jobs: JobsOption = None,
    limit_rate: RateOption = None,
    locked: LockedOption = False,
    dry_run: DryRunOption = False,
    detach: DetachOption = False,
) -> None:
    """Download and verify models; what is there already is not fetched again.

    \b
      aava models pull starter
      aava models pull vosk-en-us qwen25-1-5b --dry-run
      aava models pull starter --detach
      aava models pull qwen25-1-5b --limit-rate 10M
      cat names | aava models pull -
      aava models pull https://HOST/x.gguf --role llm --sha256 HEX
      aava models pull hf:ORG/REPO@REVISION/FILE.gguf
      aava models pull hf:ORG/faster-whisper-small
      aava models pull --locked

    An address needs no catalog: the model is checked, and becomes an entry of the project's
    own catalog. `--locked` brings exactly what `aava.lock` says.
    """
    from aava_cli.download.cataloguing.drafting import Wanted
    from aava_cli.download.detaching import detach_pull
    from aava_cli.download.names import named
    from aava_cli.download.presence import judge_for
    from aava_cli.download.pulling import Pull, pull_models
    from aava_cli.download.transfer.fetch import means_of

    session: Session = ctx.obj
    means = means_of(jobs, limit_rate)
    described = Wanted("", role, backend, sha256, as_)
    chosen = named(names, sys.stdin) if names else ()
    if detach and not dry_run:
        # A name that is misspelt is said at once, not in the log of a job.
        session.catalog().expand(name for name in chosen if ":" not in name)
        options = {"role": role, "backend": backend, "sha256": sha256, "as": as_, "mirror": mirror}
        options |= {"jobs": None if jobs is None else str(jobs), "limit-rate": limit_rate}
        session.output.result(detach_pull(session.settings, chosen, options, locked=locked))
        return
    asked = Pull(chosen, described, mirror, locked, dry_run, means)
    judge = judge_for(session, keep=not dry_run)
    session.output.result(pull_models(asked, session.catalog(), judge))


@models.command()
def verify(
    ctx: typer.Context,
    names: OptionalNames = None,
    *,
    deep: DeepOption = False,
    locked: LockedOption = False,
) -> None:
    """Check that models on disk are what they were when they were pulled, and can be loaded.

    \b
      aava models verify
      aava models verify smollm2-135m --deep
      aava models verify --locked
    """
    from aava_cli.download.locking import verify_locked
    from aava_cli.download.presence import judge_for
    from aava_cli.download.verify import on_disk, verify_models

    session: Session = ctx.obj
    catalog, judge = session.catalog(), judge_for(session, deep=deep)
    if locked:
        session.output.result(verify_locked(names or (), catalog, judge))
        return
    chosen = catalog.expand(names) if names else on_disk(catalog.models.values(), judge)
    session.output.result(verify_models(chosen, judge))


@models.command()
def rm(ctx: typer.Context, name: NameArgument, *, force: ForceOption = False) -> None:
    """Remove a model's files; what `.env` selects or the daemon runs stays, unless forced.

    A model that is not on disk is as it should be.

    \b
      aava models rm smollm2-135m
    """
    from aava_cli.download.loaded import refuse_loaded
    from aava_cli.download.remove import apply_removal, plan_removal, refuse_selected
    from aava_cli.journal import Journal

    session: Session = ctx.obj
    with session.lock():
        # Undoing an interrupted switch may need the model that it replaced.
        Journal(session.settings.state_dir).require_none()
        plan = plan_removal(name, session.catalog(), session.settings)
        if not force:
            refuse_selected(plan, session.env(), session.settings)
            refuse_loaded(plan, session)
        session.output.result(apply_removal(plan, session.settings))


@models.command()
def gc(ctx: typer.Context, older_than: AgeOption = "7d", *, dry_run: DryRunOption = False) -> None:
    """Remove what killed and forgotten downloads left, and old jobs; never what is running.

    \b
      aava models gc --dry-run
      aava models gc --older-than 12h
    """
    from aava_cli.ages import parse_span
    from aava_cli.download.garbage import apply_gc, plan_gc

    session: Session = ctx.obj
    plan = plan_gc(session.settings, parse_span(older_than))
    session.output.result(plan if dry_run else apply_gc(plan, session.settings))

"""The command `aava up`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from aava_cli.errors import NotPossible, UsageError
from aava_cli.switch.cli import (  # noqa: TC001 - Typer reads them when the program runs
    DrainOption,
    ForceOption,
    TimeoutOption,
)

if TYPE_CHECKING:
    from aava_cli.flows.up.plan import UpPlan
    from aava_cli.session import Session

_LAST_PORT = 65_535

ProfileOption = Annotated[
    str, typer.Option("--profile", metavar="NAME", help="What to run, else what fits this host.")
]
PortOption = Annotated[
    int | None,
    typer.Option("--port", min=1, max=_LAST_PORT, help="Where a new project's daemon listens."),
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Begin without asking.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and stop.")]
ListOption = Annotated[
    bool, typer.Option("--list-profiles", help="Show the profiles, and what fits here.")
]


def up(  # noqa: PLR0913 - Typer makes one option of each parameter
    ctx: typer.Context,
    profile: ProfileOption = "auto",
    *,
    port: PortOption = None,
    yes: YesOption = False,
    timeout_s: TimeoutOption = None,
    drain: DrainOption = None,
    force: ForceOption = False,
    list_profiles: ListOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Set everything up: from nothing to a running daemon that is proven to work.

    \b
      aava up                       what fits this host, after asking
      aava up --dry-run             what that would be, and its size
      aava up --profile cpu-minimal --yes
      aava up --list-profiles

    Checks the host, pulls the models, builds the image if it lacks an engine, starts the daemon
    (by Compose, or `aava serve` where there is no Docker), switches it to the models, and proves
    them with a sentence. What is there already stays; after a failure, or Ctrl-C, run it again.
    """
    from aava_cli.daemon.step import terms_of
    from aava_cli.flows.up.apply import apply_up
    from aava_cli.flows.up.look import choose_place, look, tell_profiles

    session: Session = ctx.obj
    choose_place(session)
    if list_profiles:
        session.output.result(tell_profiles(session))
        return
    plan = look(session, profile, port)
    if dry_run:
        session.output.result(plan)
        return
    _agree(session, plan, yes=yes)
    terms = terms_of(session, timeout_s, drain, force=force)
    session.output.result(apply_up(session, plan, terms, port=port))


def _agree(session: Session, plan: UpPlan, *, yes: bool) -> None:
    """Show *plan*, and return once somebody agrees to it; one that changes nothing needs nobody.

    Raises:
        UsageError: nobody is there to be asked.
        NotPossible: they do not agree.
    """
    from aava_cli.events import Log

    for line in plan.text():
        session.output.emit(Log(line))
    if yes or plan.changes_nothing:
        return
    is_watched = sys.stdin.isatty() and session.output.stderr.isatty()
    if session.output.form != "text" or not is_watched:
        message = "`aava up` asks before it begins, and nobody is there to answer"
        raise UsageError(message, hint="add `--yes`, or look first with `--dry-run`")
    if not typer.confirm("go ahead?", default=True, err=True):
        hint = "run `aava up --list-profiles` to see what else there is"
        raise NotPossible("nothing was begun", hint=hint)

"""`aava preflight`: look at the host and the project, and say what is in the way."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from aava_cli.errors import UsageError
from aava_cli.events import Log

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aava_cli.preflight.plan import Repair
    from aava_cli.session import Session


def preflight(  # noqa: PLR0913 - Typer makes one option of each parameter
    ctx: typer.Context,
    *,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", help="These groups or checks alone: `gpu,docker`."),
    ] = None,
    skip: Annotated[
        list[str] | None, typer.Option("--skip", help="Without these groups or checks.")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 9 on a warning as well.")
    ] = False,
    deep: Annotated[
        bool, typer.Option("--deep", help="Start containers, and wait for a slow network.")
    ] = False,
    no_write: Annotated[
        bool, typer.Option("--no-write", help="Do not write `GPU_AVAILABLE` to `.env`.")
    ] = False,
    fix: Annotated[
        bool, typer.Option("--fix", help="Show the safe repairs, and make them one by one.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show the repairs.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Make the repairs unasked.")] = False,
) -> None:
    """Check that this host can run the models, and repair what is safe.

    \b
      aava preflight                     every check, with a fix for what is wrong
      aava preflight --only gpu,docker   some groups: host, network, docker, gpu, project
      aava preflight --fix --dry-run     what could be put right: folders, `.env`, a token
      aava preflight --json              for a script; exit code 9 if a check failed

    Whether the daemon can use a GPU is noted in `.env`, as `GPU_AVAILABLE`. Repairs change
    folders and `.env`. Nothing is installed and nothing is started again: the commands for
    that are shown.
    """
    from aava_cli.preflight.apply import check_host, fix_host
    from aava_cli.preflight.choose import choose_checks
    from aava_cli.preflight.looking import Wanted

    session: Session = ctx.obj
    names = choose_checks(only or (), skip or ())
    wanted = Wanted(names, deep, write=not (no_write or dry_run), strict=strict)
    if fix:
        agree = partial(_agree, session, yes=yes, dry_run=dry_run)
        session.output.result(fix_host(session, wanted, agree))
    else:
        _refuse_without_fix(yes=yes, dry_run=dry_run)
        session.output.result(check_host(session, wanted))


def _refuse_without_fix(*, yes: bool, dry_run: bool) -> None:
    for name, given in (("--yes", yes), ("--dry-run", dry_run)):
        if given:
            hint = "add `--fix`; without it nothing but `GPU_AVAILABLE` is written"
            raise UsageError(f"`{name}` is about repairs", hint=hint)


def _agree(session: Session, repairs: Iterable[Repair], *, yes: bool, dry_run: bool) -> bool:
    """Return whether *repairs* are to be made: as was said, else as the person says now."""
    if yes or dry_run:
        return not dry_run
    if not (sys.stdin.isatty() and session.output.stderr.isatty()):
        message = "`--fix` asks before it changes anything, and nobody is there to answer"
        raise UsageError(message, hint="add `--yes`, or `--dry-run` to see what it would do")
    for repair in repairs:
        session.output.emit(Log(f"{repair.message}\n  $ {repair.command}"))
    return typer.confirm("make these repairs?", err=True)

"""The commands `aava switch`, `aava recover`, `aava history` and `aava undo`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from aava_cli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aava_cli.roles import Role
    from aava_cli.session import Session
    from aava_cli.switch.choose import Choice


DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show what would change, and stop.")]


def switch(  # noqa: PLR0913 - Typer makes one option of each parameter
    ctx: typer.Context,
    stt: Annotated[str | None, typer.Option(metavar="WHAT", help="Speech to text.")] = None,
    llm: Annotated[str | None, typer.Option(metavar="WHAT", help="Language model.")] = None,
    tts: Annotated[str | None, typer.Option(metavar="WHAT", help="Text to speech.")] = None,
    timeout_s: Annotated[
        float, typer.Option("--timeout", min=1, help="Seconds for the daemon to load.")
    ] = 600.0,
    *,
    force: Annotated[
        bool, typer.Option("--force", help="Switch even if it cuts live calls.")
    ] = False,
    tidy: Annotated[
        bool, typer.Option("--tidy", help="Remove lines of `.env` that later ones override.")
    ] = False,
    dry_run: DryRunOption = False,
) -> None:
    """Change the running models, or change nothing.

    \b
      aava switch --stt whisper_cpp:ggml-base.en
      aava switch --tts piper:en_US-joe-medium --llm smollm2-135m
      aava switch --stt faster_whisper --dry-run

    WHAT is a backend, `backend:model`, or a model's name. `.env`, the YAML overlay and the
    daemon change together; success is judged from a fresh status. After any failure all three
    are as before.
    """
    from aava_cli.switch.apply import apply_switch, make_plan

    session: Session = ctx.obj
    choices = _choices(session, {"stt": stt, "llm": llm, "tts": tts})
    planned = partial(make_plan, session, choices, tidy=tidy)
    if dry_run:
        _state, plan = planned()
        session.output.result(plan)
    else:
        session.output.result(apply_switch(session, planned, timeout_s=timeout_s, force=force))


def _choices(session: Session, names: Mapping[Role, str | None]) -> tuple[Choice, ...]:
    from aava_cli.switch.choose import choose

    named = {role: name for role, name in names.items() if name is not None}
    if not named or not all(named.values()):
        empty = next((f"`--{role}` names nothing" for role in named), "nothing to switch")
        raise UsageError(empty, hint="name a model: `aava switch --stt WHAT`")
    session.require_project()
    return tuple(choose(session, role, name) for role, name in named.items())


def recover(ctx: typer.Context) -> None:
    """Bring the old state back after a change was interrupted.

    \b
      aava recover

    May be killed and run again. Without an interrupted change it does nothing.
    """
    from aava_cli.switch.apply import recover_project

    session: Session = ctx.obj
    session.output.result(recover_project(session))


def history(ctx: typer.Context) -> None:
    """Show what was changed, when, and by which command.

    \b
      aava history
      aava history --json

    The number is what `aava undo` takes back. Secrets are not shown.
    """
    from aava_cli.switch.past import tell_history

    session: Session = ctx.obj
    session.output.result(tell_history(session))


def undo(
    ctx: typer.Context,
    number: Annotated[
        int, typer.Argument(min=1, help="The change, as `aava history` numbers it.")
    ] = 1,
    timeout_s: Annotated[
        float, typer.Option("--timeout", min=1, help="Seconds for the daemon to load.")
    ] = 600.0,
    *,
    force: Annotated[
        bool,
        typer.Option("--force", help="Also what others changed since, and if it cuts live calls."),
    ] = False,
    dry_run: DryRunOption = False,
) -> None:
    """Take the last change back, or all since an earlier one.

    \b
      aava undo
      aava undo --dry-run
      aava undo 3              the last three

    It is a switch like any other: all or nothing, in the history, and can be undone. Values
    that somebody else has changed since are a reason to stop.
    """
    from aava_cli.switch.past import apply_undo, preview_undo

    session: Session = ctx.obj
    session.require_project()
    if dry_run:
        session.output.result(preview_undo(session, number, force=force))
    else:
        session.output.result(apply_undo(session, number, timeout_s=timeout_s, force=force))

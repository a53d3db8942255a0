"""The commands `aava switch` and `aava recover`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from aava_cli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aava_cli.backends import Selection
    from aava_cli.roles import Role
    from aava_cli.session import Session


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
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would change, and stop.")
    ] = False,
) -> None:
    r"""Change the running models, or change nothing.

    \b
      aava switch --stt whisper_cpp:ggml-base.en
      aava switch --tts piper:en_US-joe-medium --llm smollm2-135m
      aava switch --stt faster_whisper --dry-run

    WHAT is a backend, `backend:model`, or a model's name. `.env`, the YAML overlay and the
    daemon change together; success is judged from a fresh status. After any failure all three
    are as before.
    """
    from aava_cli.switch.apply import apply_switch, read_state
    from aava_cli.switch.plan import plan_switch

    session: Session = ctx.obj
    wanted = _wanted(session, {"stt": stt, "llm": llm, "tts": tts})
    if dry_run:
        session.output.result(plan_switch(wanted, read_state(session)))
    else:
        session.output.result(apply_switch(session, wanted, timeout_s=timeout_s, force=force))


def _wanted(session: Session, names: Mapping[Role, str | None]) -> tuple[Selection, ...]:
    from aava_cli.switch.choose import choose

    if not any(names.values()):
        raise UsageError("nothing to switch", hint="name a model: `aava switch --stt WHAT`")
    session.require_project()
    return tuple(choose(session, role, name) for role, name in names.items() if name)


def recover(ctx: typer.Context) -> None:
    r"""Bring the old state back after a change was interrupted.

    \b
      aava recover

    May be killed and run again. Without an interrupted change it does nothing.
    """
    from aava_cli.switch.apply import recover_project

    session: Session = ctx.obj
    session.output.result(recover_project(session))

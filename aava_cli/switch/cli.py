"""The commands `aava switch` and `aava recover`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from aava_cli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aava_cli.roles import Role
    from aava_cli.session import Session
    from aava_cli.switch.choose import Choice


DrainOption = Annotated[
    str | None,
    typer.Option("--drain", metavar="SPAN", help="Wait so long for calls to end: `10m`."),
]
ForceOption = Annotated[bool, typer.Option("--force", help="Go on even if it cuts live calls.")]


def switch(  # noqa: PLR0913 - Typer makes one option of each parameter
    ctx: typer.Context,
    stt: Annotated[str | None, typer.Option(metavar="WHAT", help="Speech to text.")] = None,
    llm: Annotated[str | None, typer.Option(metavar="WHAT", help="Language model.")] = None,
    tts: Annotated[str | None, typer.Option(metavar="WHAT", help="Text to speech.")] = None,
    timeout_s: Annotated[
        float | None,
        typer.Option("--timeout", min=1, help="Seconds to load; else as past loads say."),
    ] = None,
    drain: DrainOption = None,
    *,
    force: ForceOption = False,
    require_gpu: Annotated[
        bool, typer.Option("--require-gpu", help="A model on the processor is a failure.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would change, and stop.")
    ] = False,
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
    from aava_cli.ages import parse_span
    from aava_cli.daemon.calls import CallGuard
    from aava_cli.daemon.step import Terms
    from aava_cli.switch.apply import apply_switch, preview_switch

    session: Session = ctx.obj
    choices = _choices(session, {"stt": stt, "llm": llm, "tts": tts})
    if dry_run:
        session.output.result(preview_switch(session, choices))
    else:
        guard = CallGuard(session, force, None if drain is None else parse_span(drain))
        terms = Terms(timeout_s, guard, require_gpu)
        session.output.result(apply_switch(session, choices, terms))


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

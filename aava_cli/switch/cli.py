"""The commands `aava switch` and `aava recover`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from aava_cli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aava_cli.roles import Role
    from aava_cli.session import Session
    from aava_cli.switch.choose import Choice


SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="ROLE.OPTION=VALUE", help="An option; may be repeated."),
]


def switch(  # noqa: PLR0913 - Typer makes one option of each parameter
    ctx: typer.Context,
    stt: Annotated[str | None, typer.Option(metavar="WHAT", help="Speech to text.")] = None,
    llm: Annotated[str | None, typer.Option(metavar="WHAT", help="Language model.")] = None,
    tts: Annotated[str | None, typer.Option(metavar="WHAT", help="Text to speech.")] = None,
    options: SetOption = None,
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
    """Change the running models, or change nothing.

    \b
      aava switch --stt whisper_cpp:ggml-base.en
      aava switch --tts piper:en_US-joe-medium --llm smollm2-135m
      aava switch --stt faster_whisper --dry-run
      aava switch --set stt.language=de --set llm.context=4096 --set llm.gpu_layers=-1

    WHAT is a backend, `backend:model`, or a model's name. Each backend has options of its own:
    run `aava backends NAME` to see them with their ranges. `.env`, the YAML overlay and the
    daemon change together; success is judged from a fresh status. After any failure all three
    are as before.
    """
    from aava_cli.switch.apply import apply_switch, preview_switch

    session: Session = ctx.obj
    choices = _choices(session, {"stt": stt, "llm": llm, "tts": tts}, options or [])
    if dry_run:
        session.output.result(preview_switch(session, choices))
    else:
        session.output.result(apply_switch(session, choices, timeout_s=timeout_s, force=force))


def _choices(
    session: Session, names: Mapping[Role, str | None], options: Sequence[str]
) -> tuple[Choice, ...]:
    from aava_cli.switch.choose import choose_all

    named = {role: name for role, name in names.items() if name is not None}
    if not (named or options) or not all(named.values()):
        empty = next((f"`--{role}` names nothing" for role in named), "nothing to switch")
        raise UsageError(empty, hint="name a model: `aava switch --stt WHAT`")
    session.require_project()
    return choose_all(session, named, options)


def backends(
    ctx: typer.Context,
    name: Annotated[str | None, typer.Argument(help="One of them, with its options.")] = None,
) -> None:
    """List the engines, or what can be set of one.

    \b
      aava backends
      aava backends llama
      aava backends faster_whisper --json

    Nothing is asked of the daemon: `aava status` shows what it runs.
    """
    from aava_cli.backends import backend_named
    from aava_cli.switch.listing import described, listed

    session: Session = ctx.obj
    session.output.result(described(backend_named(name)) if name else listed())


def recover(ctx: typer.Context) -> None:
    """Bring the old state back after a change was interrupted.

    \b
      aava recover

    May be killed and run again. Without an interrupted change it does nothing.
    """
    from aava_cli.switch.apply import recover_project

    session: Session = ctx.obj
    session.output.result(recover_project(session))

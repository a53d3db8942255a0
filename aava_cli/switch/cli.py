"""The commands `aava switch`, `aava recover`, `aava history` and `aava undo`."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aava_cli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aava_cli.roles import Role
    from aava_cli.session import Session
    from aava_cli.switch.choose import Choice


DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show what would change, and stop.")]
TimeoutOption = Annotated[
    float | None,
    typer.Option("--timeout", min=1, help="Seconds to load; else as past loads say."),
]
DrainOption = Annotated[
    str | None,
    typer.Option("--drain", metavar="SPAN", help="Wait so long for calls to end: `10m`."),
]
ForceOption = Annotated[bool, typer.Option("--force", help="Go on even if it cuts live calls.")]
WaitOption = Annotated[
    bool, typer.Option("--wait", help="Wait for a command that is changing this project.")
]
OfflineOption = Annotated[
    bool, typer.Option("--offline", help="Change files only; no daemon is asked.")
]


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
    *,
    provider: Annotated[
        str | None, typer.Option(metavar="NAME", help="The engine's default provider.")
    ] = None,
    pipeline: Annotated[
        str | None, typer.Option(metavar="NAME", help="The engine's active pipeline, or `none`.")
    ] = None,
    timeout_s: TimeoutOption = None,
    drain: DrainOption = None,
    force: ForceOption = False,
    wait: WaitOption = False,
    require_gpu: Annotated[
        bool, typer.Option("--require-gpu", help="A model on the processor is a failure.")
    ] = False,
    pull: Annotated[bool, typer.Option("--pull", help="Pull first what is not installed.")] = False,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Build first what the image does not hold.")
    ] = False,
    smoke: Annotated[
        bool, typer.Option("--smoke", help="Prove the new models with a sentence, or undo.")
    ] = False,
    offline: OfflineOption = False,
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
      aava switch --llm smollm2-135m --pull --smoke --drain 10m
      aava switch --stt faster_whisper:small --pull --rebuild
      aava switch --set stt.language=de --set llm.context=4096 --set llm.gpu_layers=-1
      aava switch --provider local_hybrid --pipeline none

    WHAT is a backend, `backend:model`, or a model's name. Each backend has options of its own:
    run `aava backends NAME` to see them with their ranges. `.env`, the YAML overlay and the
    daemon change together; success is judged from a fresh status. After any failure all three
    are as before. Where calls are live nothing is changed, unless `--drain` or `--force` say so.
    """
    from aava_cli.daemon.step import terms_of
    from aava_cli.flows.switching import build_missing, prove_roles, pull_missing
    from aava_cli.switch.apply import Wish, apply_switch, make_plan
    from aava_cli.switch.routing import Routing

    session: Session = ctx.obj
    named: dict[Role, str | None] = {"stt": stt, "llm": llm, "tts": tts}
    _require_something(
        {"stt": stt, "llm": llm, "tts": tts, "provider": provider, "pipeline": pipeline}, options
    )
    session.require_project()
    choices = _choices(session, named, options or ())
    planned = partial(make_plan, session, Wish(choices, Routing(provider, pipeline), offline, tidy))
    if dry_run:
        session.output.result(planned()[1])
        return
    if pull:
        pull_missing(session, choices)
    terms = replace(
        terms_of(session, timeout_s, drain, force=force), require_gpu=require_gpu, wait=wait
    )
    if rebuild:
        build_missing(session, choices, terms)
    prove = partial(prove_roles, session) if smoke else None
    session.output.result(apply_switch(session, planned, terms, prove=prove))


def _choices(
    session: Session, names: Mapping[Role, str | None], options: Sequence[str]
) -> tuple[Choice, ...]:
    from aava_cli.switch.choose import choose_all

    named = {role: name for role, name in names.items() if name is not None}
    return choose_all(session, named, options)


def _require_something(names: Mapping[str, str | None], options: Sequence[str] | None) -> None:
    empty = [f"`--{option}` names nothing" for option, name in names.items() if name == ""]
    nothing = ["nothing to switch"] if not options and set(names.values()) == {None} else []
    for problem in (*empty, *nothing):
        raise UsageError(problem, hint="name a model: `aava switch --stt WHAT`")


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


TryOption = Annotated[
    str | None, typer.Option(metavar="WHAT", help="`all` that are installed, or some: `a,b`.")
]
JsonOutOption = Annotated[
    Path | None, typer.Option("--json-out", metavar="FILE", help="Also write it as JSON.")
]


def matrix(  # noqa: PLR0913 - Typer makes one option of each parameter
    ctx: typer.Context,
    stt: TryOption = None,
    llm: TryOption = None,
    tts: TryOption = None,
    *,
    smoke: Annotated[bool, typer.Option("--smoke", help="Have each do its work once.")] = False,
    json_out: JsonOutOption = None,
    timeout_s: TimeoutOption = None,
    drain: DrainOption = None,
    force: ForceOption = False,
) -> None:
    """Try the installed models in turn; what ran before runs again after each of them.

    \b
      aava matrix
      aava matrix --stt all --smoke
      aava matrix --llm smollm2-135m --json-out matrix.json

    A trial is a switch that is always undone: a crash in the middle is for `aava recover`.
    What cannot be run here is skipped, and that is no failure.
    """
    from aava_cli.daemon.step import terms_of
    from aava_cli.flows.switching import prove_roles
    from aava_cli.switch.matrix import ALL, run_matrix, write_matrix

    session: Session = ctx.obj
    session.require_project()
    named: dict[Role, str | None] = {"stt": stt, "llm": llm, "tts": tts}
    wanted = {role: name for role, name in named.items() if name} or dict.fromkeys(named, ALL)
    prove = partial(prove_roles, session) if smoke else None
    tried = run_matrix(session, wanted, terms_of(session, timeout_s, drain, force=force), prove)
    if json_out is not None:
        write_matrix(tried, json_out)
    session.output.result(tried)


def recover(ctx: typer.Context) -> None:
    """Bring the old state back after a change was interrupted.

    \b
      aava recover

    May be killed and run again. Without an interrupted change it does nothing.
    """
    from aava_cli.recovery import recover_project

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


def undo(  # noqa: PLR0913 - Typer makes one option of each parameter
    ctx: typer.Context,
    number: Annotated[
        int, typer.Argument(min=1, help="The change, as `aava history` numbers it.")
    ] = 1,
    *,
    timeout_s: TimeoutOption = None,
    drain: DrainOption = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Also what others changed since, and if it cuts live calls."),
    ] = False,
    wait: WaitOption = False,
    offline: OfflineOption = False,
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
    from aava_cli.daemon.step import terms_of
    from aava_cli.switch.past import Undoing, apply_undo, preview_undo

    session: Session = ctx.obj
    session.require_project()
    undoing = Undoing(number, force, offline)
    if dry_run:
        session.output.result(preview_undo(session, undoing))
    else:
        terms = replace(terms_of(session, timeout_s, drain, force=force), wait=wait)
        session.output.result(apply_undo(session, undoing, terms))

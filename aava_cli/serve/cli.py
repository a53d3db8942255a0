"""The command `aava serve`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aava_cli.ages import parse_span
from aava_cli.errors import UsageError
from aava_cli.serve.limits import DAY_S, MIB, Limits
from aava_cli.serve.units import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from aava_cli.serve.config import ServeConfig
    from aava_cli.serve.units import Unit
    from aava_cli.session import Session

_STANDARD = Limits()
_DRAIN = f"{_STANDARD.drain_s:g}s"
_LONGEST_S = 7 * DAY_S
_RECORDING = f"{_STANDARD.recording_s / 60:g}min"

# What a unit's command line repeats, by the name of the parameter, and what goes without saying.
_PASSED_ON = {
    "host": "--host",
    "port": "--port",
    "drain": "--drain",
    "calls": "--max-calls",
    "queue": "--max-queue",
    "message": "--max-message",
    "body": "--max-body",
    "requests": "--max-requests",
    "recording": "--max-recording",
    "memory": "--memory",
    "pid_file": "--pid-file",
}
_USUAL = {
    "--drain": _DRAIN,
    "--max-calls": _STANDARD.sessions,
    "--max-queue": _STANDARD.queue,
    "--max-message": _STANDARD.message_bytes // MIB,
    "--max-body": _STANDARD.body_bytes // MIB,
    "--max-requests": _STANDARD.requests,
    "--max-recording": _RECORDING,
}

HostOption = Annotated[
    str | None, typer.Option(metavar="ADDRESS", help="Listen here instead of LOCAL_WS_HOST.")
]
PortOption = Annotated[
    int | None, typer.Option(min=1, max=65535, help="Listen here instead of LOCAL_WS_PORT.")
]
DrainOption = Annotated[
    str, typer.Option("--drain", metavar="TIME", help="How long calls may go on after SIGTERM.")
]
CallsOption = Annotated[int, typer.Option("--max-calls", min=1, max=10_000, help="Calls at once.")]
QueueOption = Annotated[
    int, typer.Option("--max-queue", min=1, max=10_000, help="Requests of a connection that wait.")
]
MessageOption = Annotated[
    int,
    typer.Option("--max-message", min=1, max=1_024, metavar="MB", help="One WebSocket message."),
]
BodyOption = Annotated[
    int,
    typer.Option(
        "--max-body", min=1, max=4_096, metavar="MB", help="The body of one HTTP request."
    ),
]
RequestsOption = Annotated[
    int, typer.Option("--max-requests", min=1, max=10_000, help="HTTP requests at once.")
]
RecordingOption = Annotated[
    str, typer.Option("--max-recording", metavar="TIME", help="The longest recording.")
]
MemoryOption = Annotated[
    int | None,
    typer.Option(
        "--memory", min=1, max=1 << 30, metavar="MB", help="What all models may take; else all."
    ),
]
PidOption = Annotated[
    Path | None, typer.Option("--pid-file", help="Where to say which process it is.")
]
ReadyOption = Annotated[
    int | None,
    typer.Option("--ready-fd", min=0, help="Write `READY=1` to this descriptor once models load."),
]
UnitOption = Annotated[
    Kind | None, typer.Option("--print-unit", help="Print what starts it with the host, and end.")
]


def serve(  # noqa: PLR0913 - a limit each
    ctx: typer.Context,
    *,
    host: HostOption = None,
    port: PortOption = None,
    drain: DrainOption = _DRAIN,
    calls: CallsOption = _STANDARD.sessions,
    queue: QueueOption = _STANDARD.queue,
    message: MessageOption = _STANDARD.message_bytes // MIB,
    body: BodyOption = _STANDARD.body_bytes // MIB,
    requests: RequestsOption = _STANDARD.requests,
    recording: RecordingOption = _RECORDING,
    memory: MemoryOption = None,
    pid_file: PidOption = None,
    ready_fd: ReadyOption = None,
    print_unit: UnitOption = None,
) -> None:
    """Run the voice daemon on this host, without Docker.

    \b
      aava serve
      aava serve --port 9000 --drain 5min
      aava serve --print-unit systemd

    Reads `.env` for the models, the address and the token. The port answers while models load,
    WebSocket and HTTP alike: `/health`, `/metrics`, `/generate`, `/stt`, `/tts`.
    Beyond loopback a token (`LOCAL_WS_AUTH_TOKEN`) is required. After SIGTERM, or Ctrl-C, calls
    may go on for `--drain`; a second one ends them at once.
    """
    from aava_cli.serve.notify import require_open

    require_open(ready_fd)
    session: Session = ctx.obj
    settings = session.require_project()
    limits = replace(
        _STANDARD,
        sessions=calls,
        queue=queue,
        message_bytes=message * MIB,
        body_bytes=body * MIB,
        requests=requests,
        recording_s=_span("--max-recording", recording, least_s=1),
        drain_s=_span("--drain", drain),
        memory_bytes=memory and memory * MIB,
    )
    if print_unit is not None:
        session.output.result(_unit(print_unit, session, ctx.params, limits.drain_s))
        return
    from aava_cli.serve.config import require_server

    require_server()
    named = {"LOCAL_WS_HOST": host, "LOCAL_WS_PORT": port and str(port)}
    env = session.env() | {key: value for key, value in named.items() if value}
    named_in = pid_file or settings.state_dir / "serve.pid"
    config = replace(_config(session, env), pid_file=named_in, ready_fd=ready_fd)
    _serve(session, replace(config, limits=limits))


def _span(option: str, text: str, *, least_s: int = 0) -> float:
    """Return the seconds that *text* means for *option*.

    Raises:
        UsageError: it is no span of time, or out of range.
    """
    seconds = parse_span(text)
    if least_s <= seconds <= _LONGEST_S:
        return seconds
    message = f"`{option}` must be from {least_s} s to {_LONGEST_S / DAY_S:g} days, not `{text}`"
    raise UsageError(message, hint="write a number with a unit: `90s`, `30min`, `12h`")


def _config(session: Session, env: dict[str, str]) -> ServeConfig:
    from aava_cli.events import Log
    from aava_cli.serve.config import serve_config

    def tell() -> None:
        session.output.emit(Log("the daemon is listening"))

    return replace(serve_config(session.settings, env), on_ready=tell)


def _serve(session: Session, config: ServeConfig) -> None:
    from aava_cli.files import command_line, exclusive_lock
    from aava_cli.serve.app import run

    with exclusive_lock(session.settings.state_dir / "serve.lock", command=command_line()):
        run(config)


def _unit(kind: Kind, session: Session, given: Mapping[str, Any], drain_s: float) -> Unit:
    """Return the unit that starts what this command line would."""
    import getpass
    import sys

    from aava_cli.serve.units import Service, unit_for

    settings = session.settings
    places = {"--project": settings.project, "--models-dir": session.flags.get("models_dir")}
    asked = {option: given[name] for name, option in _PASSED_ON.items()}
    options = (
        word
        for option, value in (places | asked).items()
        if value not in (None, _USUAL.get(option))
        for word in (option, str(value))
    )
    command = (sys.executable, "-m", "aava_cli", "serve", *options)
    log = settings.state_dir / "serve.log"
    service = Service(command, settings.project, getpass.getuser(), log, drain_s)
    return unit_for(kind, service)

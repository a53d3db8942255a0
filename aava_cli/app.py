"""The command line: parse, run one command, and turn what happened into an exit code."""

from __future__ import annotations

import contextlib
import os
import signal
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from aava_cli.commonoptions import COMMON_OPTIONS, take_common_options
from aava_cli.errors import (
    EXIT_INTERRUPTED,
    AavaError,
    Bug,
    Interrupted,
    Stopped,
    Terminated,
    environment_failure,
)
from aava_cli.output import Output
from aava_cli.session import Session
from aava_cli.usage import usage_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from aava_cli.output import Form

# Typer exports one kind of wrong command line; its base class is all of them.
_UsageProblem: Any = typer.BadParameter.__mro__[1]

HELP = """Model lifecycle manager for self-hosted voice agents.

\b
  aava up                                   from nothing to a proven daemon, in one command
  aava init                                 set up a project in this folder
  aava models pull starter                  download and verify three small models
  aava serve                                run a daemon with them
  aava switch --stt faster_whisper:small    change a model, all or nothing
  aava status                               what is selected, what is running

\b
Options of every command, before or after it:
  --json, --events     answer with one JSON object, or with JSON lines as work goes on
  --quiet              no progress; warnings and errors only
  --project FOLDER     the project, else the nearest one above this folder
  --models-dir FOLDER  where models are, else `models` in the project
  --daemon URL         the daemon, else what `.env` says

\b
Exit codes: 0 done, 1 failed, 2 usage, 3 rolled back, 4 run `aava recover`, 5 busy,
6 network, 7 integrity, 8 no space, 9 check failed, 10 not found, 11 no daemon,
12 access denied, 13 offline, 70 bug, 130 interrupted, 143 terminated. No telemetry.
"""

# Where each command, or the parts of a group of commands, are found under their own name.
_COMMANDS = {
    "init": ("project.cli",),
    "up": ("flows.up.cli",),
    "preflight": ("preflight.cli",),
    "doctor": ("flows.doctor.cli",),
    "models": (
        *("download.cli", "download.cataloguing.cli", "download.moving.cli"),
        *("download.resolving.cli", "download.fitting.cli"),
    ),
    "switch": ("switch.cli",),
    "rebuild": ("rebuild.cli",),
    "backends": ("switch.cli",),
    "matrix": ("switch.cli",),
    "status": ("daemon.cli",),
    "smoke": ("smoke.cli",),
    "serve": ("serve.cli",),
    "recover": ("switch.cli",),
    "history": ("switch.cli",),
    "undo": ("switch.cli",),
    "jobs": ("jobs.cli",),
    "audit": ("audit.cli",),
    "catalog": ("download.cataloguing.cli",),
}

# The shell's completion asks with this variable instead of words.
_COMPLETING = "_AAVA_COMPLETE"


def main(argv: Sequence[str], *, build: Callable[[], typer.Typer] | None = None) -> int:
    """Run *argv* in the command tree of *build* and return the exit code; nothing else ends a run.

    Without *build* it is the program's own tree.
    """
    output = Output()
    try:
        with _signals_raise():
            return _run(argv, output, build)
    except AavaError as error:
        failure = error
    except OSError as error:
        failure = environment_failure(error)
    except Terminated:
        failure = Stopped("terminated", hint="run the same command again")
    except (KeyboardInterrupt, typer.Abort):
        failure = Interrupted("interrupted", hint="run the same command again")
    except Exception as error:  # noqa: BLE001 - the one place where a bug ends the run
        output.bug(error)
        failure = Bug(f"a bug in aava: {error!r}", hint="report it with the lines above")
    output.error(failure)
    return failure.exit_code


def _run(argv: Sequence[str], output: Output, build: Callable[[], typer.Typer] | None) -> int:
    # An error in the options themselves must already come out in the form that was asked for.
    output.form = "json" if "--json" in argv else "events" if "--events" in argv else "text"
    common = take_common_options(argv)
    output.form, output.quiet = common.form, common.quiet
    output.command = " ".join(_command_words(common.rest))
    app = build() if build else build_app(None if _COMPLETING in os.environ else common.rest)
    try:
        code = app(
            common.rest or _nothing_asked(common.form),
            obj=Session(common.flags, output),
            prog_name="aava",
            standalone_mode=False,
        )
    except _UsageProblem as problem:
        raise usage_error(problem, output.command, everywhere=COMMON_OPTIONS) from problem
    if code == EXIT_INTERRUPTED:
        # Typer makes this of a Ctrl-C.
        raise KeyboardInterrupt
    return code if isinstance(code, int) else output.exit_code


def _nothing_asked(form: Form) -> list[str]:
    # A person gets the help; a program gets the error that no command was named.
    return ["--help"] if form == "text" else []


def _command_words(rest: Sequence[str]) -> list[str]:
    """Return the words that name the command: `models pull`, `switch`."""
    words = [word for word in rest if not word.startswith("-")]
    return words[:2] if words[:1] in (["catalog"], ["jobs"], ["models"]) else words[:1]


def build_app(words: Sequence[str] | None = None) -> typer.Typer:
    """Return the command tree; for the *words* of a command line, only what they need of it.

    Building what nobody asked for would take longer than most commands.
    """
    app = new_app()
    named = [word for word in words or () if not word.startswith("-")]
    if named and named[0] in _COMMANDS:
        _add_command(app, named[0], lambda group: _narrowed(group, named[1:]))
        return app
    for name in _COMMANDS:
        _add_command(app, name, _listed if words is not None else lambda group: group)
    return app


def _add_command(app: typer.Typer, name: str, reduce: Callable[[typer.Typer], typer.Typer]) -> None:
    command = find_command(name)
    if isinstance(command, typer.Typer):
        app.add_typer(reduce(command), name=name)
    else:
        app.command()(command)


def find_command(name: str) -> typer.Typer | Callable[..., None]:
    """Return the command *name* of the program, or the group of commands with all its parts."""
    command, *parts = (
        getattr(import_module(f"aava_cli.{module}"), name) for module in _COMMANDS[name]
    )
    if not parts:
        found: typer.Typer | Callable[..., None] = command
        return found
    whole = typer.Typer(help=command.info.help, no_args_is_help=True)
    for part in (command, *parts):
        whole.registered_commands += part.registered_commands
    return whole


def _narrowed(group: typer.Typer, words: Sequence[str]) -> typer.Typer:
    """Return *group* with the command that *words* begin with, or whole where they name none."""
    commands = [each for each in group.registered_commands if _name_of(each) in words[:1]]
    if not commands:
        return group
    narrowed = _listed(group)
    narrowed.registered_commands = commands
    return narrowed


def _listed(group: typer.Typer) -> typer.Typer:
    """Return *group* as a list of commands shows it: its help, and nothing in it."""
    return typer.Typer(help=group.info.help)


def _name_of(command: typer.models.CommandInfo) -> str:
    return command.name or (command.callback.__name__ if command.callback else "")


def new_app() -> typer.Typer:
    """Return a command tree without commands."""
    app = typer.Typer(
        help=HELP,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    app.callback()(_root)
    return app


def _show_version(ctx: typer.Context, *, wanted: bool) -> None:
    if wanted:
        from aava_cli import __version__
        from aava_cli.version import Version

        session: Session = ctx.obj
        session.output.result(Version(__version__))
        raise typer.Exit


def _root(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", is_eager=True, callback=_show_version),
    ] = False,
) -> None:
    """Take the option; its callback has done the work."""


@contextlib.contextmanager
def _signals_raise() -> Iterator[None]:
    """Make SIGTERM and SIGHUP raise `Terminated` in the block, so that it can undo."""

    def raise_terminated(_number: int, _frame: object) -> NoReturn:
        raise Terminated

    with contextlib.ExitStack() as restore:
        for number in (signal.SIGTERM, signal.SIGHUP):
            # Who runs us under `nohup` wants us to outlive the terminal. Only the main thread
            # may set handlers; a caller in another thread has its own.
            if signal.getsignal(number) != signal.SIG_IGN:
                with contextlib.suppress(ValueError):
                    restore.callback(signal.signal, number, signal.signal(number, raise_terminated))
        yield

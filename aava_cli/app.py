"""The command line: parse, run one command, and turn what happened into an exit code."""

from __future__ import annotations

import contextlib
import errno
import signal
import sys
import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from aava_cli.errors import (
    EXIT_BUG,
    EXIT_INTERRUPTED,
    AavaError,
    NoSpace,
    NotPossible,
    Terminated,
    UsageError,
)
from aava_cli.output import Output
from aava_cli.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aava_cli.output import Form

EXIT_TERMINATED = 143

# Typer exports one kind of wrong command line; its base class is all of them.
_UsageProblem: Any = typer.BadParameter.__mro__[1]

HELP = """Model lifecycle manager for self-hosted voice agents.

\b
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
12 access denied, 70 bug, 130 interrupted, 143 terminated. No telemetry.
"""

_FLAGS = {"--json", "--events", "--quiet"}
_VALUES = {"--project": "project", "--models-dir": "models_dir", "--daemon": "daemon"}


@dataclass(slots=True)
class CommonOptions:
    """The options of every command, taken out of a command line."""

    form: Form = "text"
    quiet: bool = False
    flags: dict[str, str | None] = field(default_factory=dict)
    rest: list[str] = field(default_factory=list)


def main(argv: Sequence[str]) -> int:
    """Run *argv* and return the exit code; nothing else ends a run."""
    output = Output()
    try:
        with _sigterm_raises():
            return _run(argv, output)
    except BrokenPipeError:
        return _stdout_is_gone()
    except (AavaError, OSError) as error:
        failure = error if isinstance(error, AavaError) else _environment_failure(error)
        output.error(failure)
        return failure.exit_code
    except Terminated:
        return EXIT_TERMINATED
    except (KeyboardInterrupt, typer.Abort):
        return EXIT_INTERRUPTED
    except Exception:  # noqa: BLE001 - the one place where a bug ends the run
        traceback.print_exc()
        return EXIT_BUG


def _run(argv: Sequence[str], output: Output) -> int:
    # An error in the options themselves must already come out in the form that was asked for.
    output.form = "json" if "--json" in argv else "text"
    common = take_common_options(argv)
    output.form, output.quiet = common.form, common.quiet
    output.command = " ".join(_command_words(common.rest))
    app = build_app()
    try:
        code = app(
            common.rest,
            obj=Session(common.flags, output),
            prog_name="aava",
            standalone_mode=False,
        )
    except _UsageProblem as problem:
        raise _usage_error(problem, output.command) from problem
    output.stdout.flush()
    return code if isinstance(code, int) else output.exit_code


def take_common_options(argv: Sequence[str]) -> CommonOptions:
    """Take the options of every command out of *argv*, wherever they stand before `--`.

    Raises:
        UsageError: an option that needs a value has none.
    """
    common = CommonOptions()
    words = iter(argv)
    for word in words:
        name, equals, value = word.partition("=")
        if word == "--":
            common.rest += [word, *words]
        elif word in _FLAGS:
            _apply_flag(common, word)
        elif name in _VALUES:
            common.flags[_VALUES[name]] = value if equals else _value_after(name, words)
        else:
            common.rest.append(word)
    return common


def _apply_flag(common: CommonOptions, word: str) -> None:
    match word:
        case "--json":
            common.form = "json"
        case "--events":
            common.form = "events"
        case _:
            common.quiet = True


def _value_after(name: str, words: Iterator[str]) -> str:
    value = next(words, None)
    if value is None:
        raise UsageError(f"`{name}` needs a value", hint="run `aava --help`")
    return value


def _environment_failure(error: OSError) -> AavaError:
    """Return what an error of the file system means to the user."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        hint = "make room, then run the same command again"
        return NoSpace(f"no space left: {error}", hint=hint)
    return NotPossible(str(error), hint="run `aava preflight` to see what is wrong here")


def _command_words(rest: Sequence[str]) -> list[str]:
    """Return the words that name the command: `models pull`, `switch`."""
    words = [word for word in rest if not word.startswith("-")]
    return words[:2] if words[:1] == ["models"] else words[:1]


def _usage_error(problem: Exception, command: str) -> UsageError:
    message = str(problem.format_message()) if hasattr(problem, "format_message") else str(problem)
    first = message[:1].lower() + message[1:].rstrip(".").replace("'", "`")
    return UsageError(first, hint=f"run `{f'aava {command}'.strip()} --help`")


def build_app() -> typer.Typer:
    """Return the command tree; the commands' own work is imported when they run."""
    from aava_cli.daemon.cli import status
    from aava_cli.download.cli import models
    from aava_cli.preflight.cli import preflight
    from aava_cli.project import init
    from aava_cli.serve.cli import serve
    from aava_cli.smoke import smoke
    from aava_cli.switch.cli import recover, switch

    app = typer.Typer(
        help=HELP,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    app.callback()(_root)
    for command in (init, preflight, switch, status, smoke, serve, recover):
        app.command()(command)
    app.add_typer(models, name="models")
    return app


def _root(
    ctx: typer.Context,
    version: bool = typer.Option(False, "--version", help="Print the version."),  # noqa: FBT001, FBT003 - Typer's way to declare a flag
) -> None:
    if version:
        from aava_cli import __version__

        session: Session = ctx.obj
        session.output.line(f"aava {__version__}")
        raise typer.Exit


@contextlib.contextmanager
def _sigterm_raises() -> Iterator[None]:
    def raise_terminated(_number: int, _frame: object) -> NoReturn:
        raise Terminated

    try:
        previous = signal.signal(signal.SIGTERM, raise_terminated)
    except ValueError:
        # Only the main thread may set handlers; a caller in another thread has its own.
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _stdout_is_gone() -> int:
    # `aava models list | head` is no failure, but nothing more can be written.
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.close()
    return 0

"""The command line: options anywhere, and one exit code for each way to end."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Annotated

import pytest
import typer

from aava_cli import __version__
from aava_cli.app import build_app, main, new_app
from aava_cli.commonoptions import take_common_options
from aava_cli.errors import Busy, Terminated, UsageError
from aava_cli.events import Log, Progress

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Aava

COMMANDS = ["init", "models", "preflight", "recover", "serve", "smoke", "status", "switch"]


def _bug() -> None:
    raise KeyError("path")


def _busy(ctx: typer.Context) -> None:
    ctx.obj.output.emit(Progress("load", 1, 2))
    raise Busy("a call is active", hint="pass `--drain`")


def _full() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "models/x")


def _quota() -> None:
    raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))


def _denied() -> None:
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "/etc/x")


def _interrupt() -> None:
    raise KeyboardInterrupt


def _abort() -> None:
    raise typer.Abort


def _terminate() -> None:
    raise Terminated


def _signal(number: int) -> None:
    signal.raise_signal(signal.Signals(number))


def _leave(code: int) -> None:
    raise typer.Exit(code)


def _echo(
    ctx: typer.Context,
    words: Annotated[list[str] | None, typer.Argument()] = None,
    stt: str = "",
    timeout_s: Annotated[float, typer.Option("--timeout")] = 1.0,
) -> None:
    output = ctx.obj.output
    output.emit(Log("said so"))
    output.line(json.dumps([*(words or []), stt, timeout_s, dict(ctx.obj.flags), output.command]))


def a_tree() -> typer.Typer:
    """Return a command tree in which each command ends in another way."""
    app = new_app()
    for command in (_bug, _busy, _full, _quota, _denied, _interrupt, _abort, _terminate):
        app.command(command.__name__.strip("_"))(command)
    for taking in (_signal, _leave, _echo):
        app.command(taking.__name__.strip("_"))(taking)
    models = typer.Typer()
    models.command("pull")(_echo)
    models.command("list")(_bug)
    app.add_typer(models, name="models")
    return app


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        ("bug", 70, "bug"),
        ("busy", 5, "busy"),
        ("full", 8, "no-space"),
        ("quota", 8, "no-space"),
        ("denied", 1, "not-possible"),
        ("interrupt", 130, "interrupted"),
        ("abort", 130, "interrupted"),
        ("terminate", 143, "terminated"),
        (f"signal {signal.SIGTERM:d}", 143, "terminated"),
        (f"signal {signal.SIGHUP:d}", 143, "terminated"),
        (f"signal {signal.SIGINT:d}", 130, "interrupted"),
        ("", 2, "usage"),
        ("models", 2, "usage"),
        ("nothing", 2, "usage"),
        ("echo --timeout soon", 2, "usage"),
        ("signal", 2, "usage"),
        ("--project", 2, "usage"),
    ],
)
def test_each_ending_has_its_exit_code_in_every_form(
    words: str, code: int, error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Text says it on stderr, JSON and events with exactly one object that agrees."""
    if words:
        assert code == main(words.split(), build=a_tree)
        stdout, stderr = capsys.readouterr()
        assert stdout == ""
        assert "error: " in stderr
        assert "hint:  " in stderr
    for form in ("--json", "--events"):
        assert code == main([form, *words.split()], build=a_tree)
        shown = capsys.readouterr().out
        # Progress comes before the end, as events only.
        last = json.loads(shown if form == "--json" else shown.splitlines()[-1])
        assert (False, error, code) == (last["ok"], last["error"]["code"], last["error"]["exit"])
        assert last["error"]["hint"]


def test_bug_shows_its_traceback_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever reports it has where it happened."""
    assert main(["bug", "--json"], build=a_tree) == 70
    stdout, stderr = capsys.readouterr()
    assert "raise KeyError" in stderr
    assert "KeyError('path')" in json.loads(stdout)["error"]["message"]


def test_full_disk_names_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    """The user learns where to make room."""
    main(["full"], build=a_tree)
    assert "models/x" in capsys.readouterr().err


def test_command_may_choose_its_exit_code() -> None:
    """`typer.Exit` is honoured."""
    assert main(["leave", "9"], build=a_tree) == 9


def test_handlers_are_as_before_afterwards() -> None:
    """A program that calls `main` keeps its own signals."""
    numbers = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
    before = [signal.getsignal(number) for number in numbers]
    main(["echo"], build=a_tree)
    assert before == [signal.getsignal(number) for number in numbers]


def test_ignored_hangup_stays_ignored(capsys: pytest.CaptureFixture[str]) -> None:
    """Under `nohup` the work outlives the terminal."""
    previous = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert main(["signal", str(int(signal.SIGHUP))], build=a_tree) == 0
    finally:
        signal.signal(signal.SIGHUP, previous)
    assert capsys.readouterr().err == ""


def test_main_runs_in_a_thread() -> None:
    """A server may run a command; its own thread cannot take signals."""
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(main(["echo"], build=a_tree)))
    thread.start()
    thread.join()
    assert codes == [0]


def said(capsys: pytest.CaptureFixture[str], *words: str) -> list[object]:
    """Return what the echoing command understood."""
    assert main(words, build=a_tree) == 0
    answer: list[object] = json.loads(capsys.readouterr().out)
    return answer


@pytest.mark.parametrize(
    "words",
    [
        ["--project", "p", "--quiet", "echo", "--stt", "vosk"],
        ["echo", "--stt", "vosk", "--quiet", "--project", "p"],
        ["echo", "--stt=vosk", "--project=p", "--quiet"],
        ["--project=other", "echo", "--project=p", "--quiet", "--stt=vosk"],
    ],
)
def test_common_options_stand_anywhere(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Before the command, after it, with `=` or a space; the last one counts."""
    assert said(capsys, *words) == ["vosk", 1.0, {"project": "p"}, "echo"]


def test_words_after_two_dashes_are_the_commands_own(capsys: pytest.CaptureFixture[str]) -> None:
    """A file may be called `--json`."""
    answer = said(capsys, "echo", "--quiet", "--", "--json", "--project")
    assert answer == ["--json", "--project", "", 1.0, {}, "echo"]


def test_command_is_named_with_its_group(capsys: pytest.CaptureFixture[str]) -> None:
    """An answer says which command it answers."""
    assert said(capsys, "models", "pull", "x", "--quiet")[-1] == "models pull"


def test_quiet_drops_what_is_only_interesting(capsys: pytest.CaptureFixture[str]) -> None:
    """Without it the line is there."""
    main(["echo"], build=a_tree)
    assert capsys.readouterr().err == "said so\n"
    main(["echo", "--quiet"], build=a_tree)
    assert capsys.readouterr().err == ""


def test_all_common_options_are_taken() -> None:
    """Each has its place."""
    words = ["--events", "--quiet", "--project", "a", "--models-dir", "b", "--daemon=ws://c", "x"]
    common = take_common_options(words)
    assert ("events", True, ["x"]) == (common.form, common.quiet, common.rest)
    assert common.flags == {"project": "a", "models_dir": "b", "daemon": "ws://c"}


@pytest.mark.parametrize("words", [["--daemon"], ["--project="], ["--project", ""]])
def test_empty_value_is_refused(words: list[str]) -> None:
    """A shell variable that was not set must not choose another project."""
    with pytest.raises(UsageError, match="needs a value"):
        take_common_options(words)


@pytest.mark.parametrize(
    ("words", "message", "help_of"),
    [
        ("swich", "no command named `swich`; nearest: `switch`, ", "aava"),
        ("models pul", "no command named `pul`; nearest: `pull`, ", "aava models"),
        ("switch --sst x", "no option named `--sst`; nearest: `--set`, `--stt`, ", "aava switch"),
        ("switch --dry_run", "no option named `--dry_run`; nearest: `--dry-run`, ", "aava switch"),
        ("status --jsn", "no option named `--jsn`; nearest: `--json`, ", "aava status"),
        (
            "models pull --dry x",
            "no option named `--dry`; nearest: `--dry-run`, ",
            "aava models pull",
        ),
        ("--projct x", "no option named `--projct`; nearest: `--project`, ", "aava"),
        ("switch --stt", "option `--stt` requires an argument", "aava switch"),
        ("switch --timeout soon", "invalid value for `--timeout`: `soon` is not", "aava switch"),
        ("models", "missing command", "aava models"),
        ("status more", "got unexpected extra argument", "aava status"),
    ],
)
def test_wrong_command_line_names_what_was_meant(
    words: str, message: str, help_of: str, aava: Aava
) -> None:
    """Exit 2, the nearest names, and the help to read: in text and in JSON."""
    text = aava(*words.split())
    assert (2, "") == (text.exit_code, text.stdout)
    assert text.stderr.startswith(f"error: {message}")
    assert text.stderr.endswith(f"hint:  run `{help_of} --help`\n")
    shown = aava(*words.split(), "--json")
    error = json.loads(shown.stdout)["error"]
    assert (2, "") == (shown.exit_code, shown.stderr)
    assert error["message"].startswith(message)
    assert error["hint"] == f"run `{help_of} --help`"


@pytest.mark.parametrize("words", ["swich", "switch --sst x"])
def test_three_nearest_names_are_given(words: str, aava: Aava) -> None:
    """Enough to choose from, few enough to read."""
    nearest = aava(*words.split()).stderr.splitlines()[0].partition("nearest: ")[2]
    assert len(nearest.split(", ")) == 3


def test_without_arguments_a_person_gets_the_help(aava: Aava) -> None:
    """The first thing that anyone types shows what there is."""
    ran = aava()
    assert (0, "") == (ran.exit_code, ran.stderr)
    listed = ran.stdout.partition("Commands:\n")[2].splitlines()
    assert set(COMMANDS) <= {line.split()[0] for line in listed}
    assert "Exit codes: 0 done" in ran.stdout


@pytest.mark.parametrize("command", [[name] for name in COMMANDS if name != "models"])
def test_each_command_has_help_with_an_example(command: list[str], aava: Aava) -> None:
    """Nobody has to read a manual first."""
    ran = aava(*command, "-h")
    assert (0, "") == (ran.exit_code, ran.stderr)
    assert f"aava {' '.join(command)}" in ran.stdout.partition("\n")[2]


def test_version_beside_other_options(aava: Aava) -> None:
    """It answers whatever else is there, and as JSON where that is asked for."""
    assert aava("--version").stdout == f"aava {__version__}\n"
    assert json.loads(aava("--version", "--json").stdout)["result"] == {"version": __version__}


def start(*words: str, **environ: str) -> subprocess.Popen[str]:
    """Start the program as a shell would."""
    return subprocess.Popen(
        [sys.executable, "-m", "aava_cli", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environ},
    )


def test_version_is_answered_at_once() -> None:
    """The entry point itself knows it."""
    program = start("--version")
    assert (f"aava {__version__}\n", "") == program.communicate()
    assert program.returncode == 0


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_can_be_shown(shell: str) -> None:
    """What it prints is for the shell's own configuration."""
    program = start("--show-completion", shell)
    stdout, stderr = program.communicate()
    assert (0, "") == (program.returncode, stderr)
    assert "_AAVA_COMPLETE" in stdout


def test_completion_can_be_installed(own_home: Path) -> None:
    """It goes where the shell looks for it, in the user's home."""
    program = start("--install-completion", "bash")
    program.communicate()
    assert program.returncode == 0
    assert "bash_completions/aava.sh" in (own_home / ".bashrc").read_text()


def test_completion_completes_commands() -> None:
    """The shell asks the program itself."""
    program = start(_AAVA_COMPLETE="complete_bash", COMP_WORDS="aava sw", COMP_CWORD="1")
    assert program.communicate()[0].split() == ["switch"]


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """Listen, and never answer."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(60)
        yield listener


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 143), (signal.SIGINT, 130)]
)
def test_signal_ends_a_waiting_command(
    number: signal.Signals, code: int, project: Path, silent: socket.socket
) -> None:
    """A command that waits for a daemon stops when it is told to, and says so."""
    url = f"ws://127.0.0.1:{silent.getsockname()[1]}"
    program = start("status", "--project", str(project), "--daemon", url)
    with silent.accept()[0]:
        program.send_signal(number)
        stdout, stderr = program.communicate()
    assert (code, "") == (program.returncode, stdout)
    assert "Traceback" not in stderr


def shell(line: str) -> subprocess.CompletedProcess[str]:
    """Run *line* in bash, where `$AAVA` runs the program and every part of a pipe counts."""
    return subprocess.run(
        ["bash", "-c", f"{line}; echo ${{PIPESTATUS[*]}} >&2"],
        env={**os.environ, "AAVA": f"{sys.executable} -m aava_cli"},
        capture_output=True,
        text=True,
        check=True,
    )


@pytest.mark.parametrize(
    ("line", "codes"),
    [
        ("$AAVA models list | true", "0 0"),
        ("$AAVA models list --json | head -c 1 >/dev/null", "0 0"),
        ("$AAVA nothing 2>&1 >/dev/null | true", "2 0"),
        ("$AAVA nothing --json | true", "2 0"),
    ],
)
def test_reader_that_leaves_changes_no_exit_code(line: str, codes: str) -> None:
    """`| head` is no failure, and hides none."""
    assert codes == shell(line).stderr.strip()


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("$AAVA models list >&-", 0),
        ("$AAVA models list --json >&- 2>&- <&-", 0),
        ("$AAVA --version >&-", 0),
        ("$AAVA nothing >&- 2>&-", 2),
    ],
)
def test_closed_stream_changes_no_exit_code(line: str, code: int) -> None:
    """Nothing is written there, and into no file that was opened in its place."""
    assert f"{code}\n" == shell(line).stderr


def test_full_disk_under_stdout_is_no_success() -> None:
    """An answer that was not written was not given."""
    done = shell("$AAVA models list > /dev/full")
    assert "the answer could not be written: No space left" in done.stderr
    assert done.stderr.splitlines()[-1] == "8"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["switch", "--help"], ["switch"]),
        (["models", "list"], ["models list"]),
        (["--help"], ["init", "models", "jobs", "catalog"]),
    ],
)
def test_only_what_is_asked_for_is_built(words: list[str], expected: list[str]) -> None:
    """Commands that nobody named cost nothing."""
    app = build_app(words)
    found = [each.callback.__name__ for each in app.registered_commands if each.callback]
    for group in app.registered_groups:
        assert group.typer_instance is not None
        inner = group.typer_instance.registered_commands
        found += [f"{group.name} {each.name}" for each in inner] or [str(group.name)]
    assert set(expected) <= set(found)
    assert len(found) == len(expected) or words == ["--help"]

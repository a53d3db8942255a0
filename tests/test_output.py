"""What is printed, in each form, to files, pipes and terminals."""

from __future__ import annotations

import io
import json
import os
import pty
import re
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aava_cli.errors import AavaError, Busy, NotFound
from aava_cli.events import Log, Progress, ignore
from aava_cli.output import (
    Output,
    Result,
    Table,
    align,
    human_bytes,
    human_time,
    plain,
)
from aava_cli.watching import PlainLines, describe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import TextIO

    from aava_cli.output import Form


@dataclass(frozen=True, slots=True)
class Answer(Result):
    """A result with a line, a table, and perhaps a failure."""

    path: Path = Path("/app/models")
    count: int = 3
    trouble: AavaError | None = None

    def text(self) -> Iterable[str | Table]:
        """Yield a line and a table."""
        yield "found three"
        yield Table(("role", "model"), (("stt", "vosk"), ("llm", "")))

    def failure(self) -> AavaError | None:
        """Return the failure it was made with."""
        return self.trouble


@dataclass(slots=True)
class Printed:
    """An output and what it printed."""

    form: Form = "text"
    quiet: bool = False
    stdout: io.StringIO = field(default_factory=io.StringIO)
    stderr: io.StringIO = field(default_factory=io.StringIO)

    def open(self) -> Output:
        """Return the output that prints here."""
        return Output(
            self.form,
            quiet=self.quiet,
            command="status",
            stdout=self.stdout,
            stderr=self.stderr,
        )

    def lines(self) -> list[dict[str, Any]]:
        """Return stdout as JSON lines."""
        return [json.loads(line) for line in self.stdout.getvalue().splitlines()]


BUSY = Busy("a call is active", hint="pass `--drain`")
BUSY_FIELDS = {
    "code": "busy",
    "exit": 5,
    "message": "a call is active",
    "hint": "pass `--drain`",
    "retryable": True,
}


def test_text_result_goes_to_stdout_alone() -> None:
    """Stdout is data."""
    printed = Printed()
    printed.open().result(Answer())
    assert printed.stdout.getvalue() == "found three\nrole  model\nstt   vosk\nllm\n"
    assert printed.stderr.getvalue() == ""


def test_json_result_is_one_object() -> None:
    """A script parses all of stdout."""
    printed = Printed("json")
    output = printed.open()
    output.result(Answer())
    assert json.loads(printed.stdout.getvalue()) == {
        "schema": 1,
        "command": "status",
        "ok": True,
        "result": {"path": "/app/models", "count": 3, "trouble": None},
    }
    assert (0, "") == (output.exit_code, printed.stderr.getvalue())


def test_failed_result_sets_the_exit_code_and_keeps_the_answer() -> None:
    """What was found out is shown beside what is wrong."""
    printed = Printed("json")
    output = printed.open()
    output.result(Answer(trouble=BUSY))
    shown = json.loads(printed.stdout.getvalue())
    assert (5, False, BUSY_FIELDS) == (output.exit_code, shown["ok"], shown["error"])
    assert shown["result"]["count"] == 3


def test_failed_result_in_text_prints_the_error_on_stderr() -> None:
    """The answer stays data, the failure is conversation."""
    printed = Printed()
    printed.open().result(Answer(trouble=BUSY))
    assert printed.stdout.getvalue().startswith("found three\n")
    assert printed.stderr.getvalue() == "error: a call is active\nhint:  pass `--drain`\n"


def test_text_error_goes_to_stderr_with_its_hint() -> None:
    """Nothing of an error reaches a pipe that expects data."""
    printed = Printed()
    printed.open().error(NotFound("no model", hint="run `aava models list`"))
    assert printed.stderr.getvalue() == "error: no model\nhint:  run `aava models list`\n"
    assert printed.stdout.getvalue() == ""


def test_json_error_is_one_object_on_stdout() -> None:
    """A program finds the failure where it looks for the answer."""
    printed = Printed("json")
    printed.open().error(BUSY)
    assert json.loads(printed.stdout.getvalue()) == {
        "schema": 1,
        "command": "status",
        "ok": False,
        "error": BUSY_FIELDS,
    }


def test_bug_shows_its_traceback_on_stderr_in_every_form() -> None:
    """Whoever reports a bug has the lines to report."""
    printed = Printed("json")
    printed.open().bug(KeyError("path"))
    assert ("", "KeyError: 'path'\n") == (printed.stdout.getvalue(), printed.stderr.getvalue())


def test_events_are_json_lines_that_end_with_the_result() -> None:
    """A program follows the work line by line."""
    printed = Printed("events")
    output = printed.open()
    output.emit(Progress("pull", 5, 10))
    output.emit(Log("one more", "warning"))
    output.result(Answer())
    progress, log, result = printed.lines()
    assert progress == {
        "event": "progress",
        "task": "pull",
        "done": 5,
        "total": 10,
        "unit": "bytes",
        "verified": None,
        "per_second": None,
        "remaining_s": None,
        "stalled_s": None,
    }
    assert log == {"event": "log", "message": "one more", "level": "warning"}
    assert ("result", True, 3) == (result["event"], result["ok"], result["result"]["count"])


def test_events_end_with_the_error() -> None:
    """The last line always tells how it ended."""
    printed = Printed("events")
    printed.open().error(BUSY)
    [line] = printed.lines()
    assert ("error", BUSY_FIELDS) == (line["event"], line["error"])


def test_json_form_keeps_progress_to_itself_but_not_log_lines() -> None:
    """One object on stdout; what a person must know still reaches stderr."""
    printed = Printed("json")
    output = printed.open()
    output.emit(Progress("pull", 5, 10))
    output.emit(Log("using the cache"))
    assert ("", "using the cache\n") == (printed.stdout.getvalue(), printed.stderr.getvalue())


def test_quiet_keeps_warnings_and_errors() -> None:
    """`--quiet` drops what is only interesting."""
    printed = Printed(quiet=True)
    output = printed.open()
    output.emit(Progress("pull", 5, 10))
    output.emit(Log("starting"))
    output.emit(Log("no digest is known", "warning"))
    assert printed.stderr.getvalue() == "warning: no digest is known\n"


def test_progress_without_a_terminal_is_a_line_per_ten_percent() -> None:
    """A log file of a large download stays short."""
    printed = Printed()
    output = printed.open()
    for done in range(1001):
        output.emit(Progress("pull", done, 1000))
    lines = printed.stderr.getvalue().splitlines()
    assert len(lines) == 11
    assert lines[5] == "pull: 50 % (500 B of 1.0 kB)"


def test_progress_of_two_tasks_and_of_unknown_size() -> None:
    """Each task has its own steps; one without a size is told once."""
    printed = Printed()
    output = printed.open()
    for done in (0, 1000):
        output.emit(Progress("a", done, 1000))
        output.emit(Progress("b", done, None))
        output.emit(Progress("c", done, 4000, unit="steps"))
    assert printed.stderr.getvalue().splitlines() == [
        "a: 0 % (0 B of 1.0 kB)",
        "b: 0 B",
        "c: 0 % (0 of 4000)",
        "a: 100 % (1.0 kB of 1.0 kB)",
        "c: 25 % (1000 of 4000)",
    ]


def test_log_line_stands_between_lines_of_progress() -> None:
    """A word to the person is no reason to tell the same progress again."""
    printed = Printed()
    output = printed.open()
    output.emit(Progress("pull", 1, 10))
    output.emit(Log("retrying"))
    for done in (1, 2):
        output.emit(Progress("pull", done, 10))
    assert printed.stderr.getvalue().splitlines() == [
        "pull: 10 % (1 B of 10 B)",
        "retrying",
        "pull: 20 % (2 B of 10 B)",
    ]


def on_terminal(show: Callable[[TextIO], None]) -> str:
    """Return what a terminal has received once *show* has written to it."""
    screen, side = pty.openpty()
    with os.fdopen(side, "w") as stream:
        show(stream)
    shown = b""
    # Reading fails when all was read from a terminal that nobody writes to any more.
    with suppress(OSError):
        while received := os.read(screen, 4096):
            shown += received
    os.close(screen)
    return shown.decode()


def test_terminal_shows_live_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person sees each task move in place, and then the error."""
    monkeypatch.setenv("TERM", "xterm")

    def show(stream: TextIO) -> None:
        output = Output(stdout=io.StringIO(), stderr=stream)
        output.emit(Progress("pull one", 5, 10))
        output.emit(Progress("pull one", 10, 10))
        output.error(BUSY)

    shown = on_terminal(show)
    assert "pull one" in shown
    assert "\x1b[" in shown
    assert shown.endswith("error: a call is active\r\nhint:  pass `--drain`\r\n")


def test_bars_are_of_what_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks that are done, and what is said, stand above the bars; verifying is not done yet."""
    monkeypatch.setenv("TERM", "xterm")

    def show(stream: TextIO) -> None:
        output = Output(stdout=io.StringIO(), stderr=stream)
        output.emit(Progress("one", 5, 10))
        output.emit(Progress("two", 10, 10, verified=5))
        output.emit(Log("[x] is told"))
        for _ in range(2):
            output.emit(Progress("one", 10, 10))
        output.error(BUSY)

    last = on_terminal(show).rpartition("[x] is told\r\n")[2]
    assert 1 == last.count("one: 100 % (10 B of 10 B)\r\n")
    assert "two " in last
    assert "5 B verified" in last


def test_dumb_terminal_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """An editor's shell cannot move its cursor."""
    monkeypatch.setenv("TERM", "dumb")

    def show(stream: TextIO) -> None:
        Output(stdout=io.StringIO(), stderr=stream).emit(Progress("pull", 1, 10))

    assert on_terminal(show) == "pull: 10 % (1 B of 10 B)\r\n"


def test_table_on_a_terminal_honours_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    """Readable without colour."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", "1")
    shown = on_terminal(lambda stream: Output(stdout=stream).result(Answer()))
    assert "\x1b[3" not in shown
    assert [["found", "three"], ["role", "model"], ["stt", "vosk"], ["llm"]] == [
        re.sub(r"\x1b\[\d*m", "", line).split() for line in shown.splitlines()
    ]


@dataclass(frozen=True, slots=True)
class Odd(Result):
    """A result whose cells look like Rich markup."""

    def text(self) -> Iterable[Table]:
        """Yield one table."""
        yield Table(("name",), (("[red]x",),))


def test_table_shows_markup_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file named `[red]` is no colour."""
    monkeypatch.setenv("TERM", "xterm")
    assert "[red]x" in on_terminal(lambda stream: Output(stdout=stream).result(Odd()))


@contextmanager
def pipe_without_reader() -> Iterator[TextIO]:
    """Open a pipe whose reader has gone, as in `aava ... | head`."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stream:
        yield stream


def test_work_goes_on_when_nobody_reads() -> None:
    """A reader that leaves in the middle neither stops a change nor decides how it ended."""
    with pipe_without_reader() as stream, pipe_without_reader() as other:
        output = Output("events", stdout=stream, stderr=other)
        output.emit(Progress("pull", 1, 10))
        output.emit(Progress("pull", 2, 10))
        output.result(Answer(trouble=BUSY))
        output.bug(KeyError())
        assert output.exit_code == 5


def test_full_disk_under_stdout_is_a_failure() -> None:
    """Data that did not arrive is not passed over."""
    with Path("/dev/full").open("w") as stream, pytest.raises(OSError, match="No space"):
        Output(stdout=stream).line("x")


def test_full_disk_under_the_log_stops_nothing() -> None:
    """What is told on the way is missed there; the work and its exit code are the same."""
    with Path("/dev/full").open("w") as stream:
        output = Output(stdout=io.StringIO(), stderr=stream)
        output.emit(Log("listening"))
        output.emit(Progress("pull", 1, 10))
        output.error(BUSY)


def test_line_prints_what_is_no_result() -> None:
    """A script on stdout is a script."""
    printed = Printed("json")
    printed.open().line("#!/bin/sh")
    assert printed.stdout.getvalue() == "#!/bin/sh\n"


def test_plain_turns_everything_into_json_types() -> None:
    """Nested values, paths and sets come out as JSON knows them."""
    value = {1: (Path("a"), PurePosixPath("b")), "two": [Answer()], "three": {4.5, None}}
    shown = plain(value)
    assert shown["1"] == ["a", "b"]
    assert shown["two"] == [{"path": "/app/models", "count": 3, "trouble": None}]
    assert sorted(shown["three"], key=str) == [4.5, None]
    assert plain(BUSY) == "a call is active"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON)
def test_plain_changes_no_json(value: Any) -> None:  # noqa: ANN401 - any JSON value
    """What is JSON already stays."""
    assert value == plain(value)


@given(st.lists(st.tuples(st.text("ab", max_size=9), st.text("ab", max_size=9)), max_size=5))
def test_align_puts_every_column_at_one_place(rows: list[tuple[str, str]]) -> None:
    """The second column starts where the widest first cell ends."""
    table = Table(("name", "size"), tuple(rows))
    start = max(len(row[0]) for row in (table.header, *rows)) + 2
    shown = list(align(table))
    assert [row[1] for row in (table.header, *rows)] == [line[start:] for line in shown]


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (98_362_432, "98.4 MB"),
        (21_400_000_000, "21.4 GB"),
        (4.2e12, "4.2 TB"),
        (7.1e15, "7100.0 TB"),
        (-2500, "-2.5 kB"),
    ],
)
def test_human_bytes(count: float, text: str) -> None:
    """Sizes read as on the box of a disk."""
    assert text == human_bytes(count)


def test_describe_without_a_total() -> None:
    """Nobody invents a percentage."""
    assert ("3", "3.0 kB") == (
        describe(Progress("x", 3, None, "steps")),
        describe(Progress("x", 3000, 0)),
    )


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (Progress("x", 45, 100, per_second=5, remaining_s=11), "5 B/s, 11 s left"),
        (Progress("x", 45, 100, verified=40, per_second=5), "40 B verified, 5 B/s"),
        (Progress("x", 45, 100, verified=45, per_second=0, stalled_s=12), "stalled 12 s"),
        (Progress("x", 45, 100, "steps", per_second=5, remaining_s=200), "5/s, 3 min 20 s left"),
    ],
)
def test_describe_says_the_pace(event: Progress, said: str) -> None:
    """A rate, the time that is left and what is verified; what stalls says so instead."""
    assert describe(event).partition("), ")[2] == said


def test_describe_ends_without_a_pace() -> None:
    """What is whole has no rate any more."""
    done = Progress("x", 100, 100, verified=100, per_second=5, remaining_s=0)
    assert describe(done) == "100 % (100 B of 100 B)"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *((0, "0 s"), (12.9, "12 s"), (60, "1 min"), (200, "3 min 20 s")),
        *((7500, "2 h 5 min"), (90_000, "1 d 1 h"), (86_400, "1 d")),
    ],
)
def test_human_time(seconds: float, text: str) -> None:
    """Two units are enough to decide whether to wait."""
    assert text == human_time(seconds)


def test_stalled_task_is_told_every_half_minute() -> None:
    """A log shows that nothing comes, and does not fill with it."""
    now = iter((0.0, 5.0, 29.0, 30.0, 45.0, 60.0))
    stderr = io.StringIO()
    lines = PlainLines(stderr, clock=lambda: next(now))
    for stalled_s in (None, 5, 29, 30, 45, 60):
        lines.show(Progress("x", 4, 10, stalled_s=stalled_s))
    assert stderr.getvalue().splitlines() == [
        "x: 40 % (4 B of 10 B)",
        "x: 40 % (4 B of 10 B), stalled 30 s",
        "x: 40 % (4 B of 10 B), stalled 1 min",
    ]


def test_ignored_events_go_nowhere(capsys: pytest.CaptureFixture[str]) -> None:
    """A caller that nobody watches prints nothing."""
    ignore(Log("x"))
    assert ("", "") == capsys.readouterr()


def test_result_must_say_its_text() -> None:
    """A result without words is a mistake in the program."""
    with pytest.raises(NotImplementedError):
        tuple(Result().text())
    assert Result().failure() is None


@dataclass(frozen=True, slots=True)
class Quoting(Result):
    """A result that repeats what somebody else wrote."""

    said: str

    def text(self) -> Iterable[str | Table]:
        """Yield it in a line and in a table."""
        yield f"{self.said}\tend\nnext"
        yield Table(("said",), ((self.said,),))


def test_no_command_to_the_terminal_is_passed_on() -> None:
    """Whatever others wrote; a program that reads JSON gets it as it was."""
    stdout, stderr = io.StringIO(), io.StringIO()
    output = Output(stdout=stdout, stderr=stderr)
    output.result(Quoting("a\x1b[2J\x9b\r"))
    output.emit(Log("a\x07"))
    output.emit(Progress("a\x1b", 1, 2))
    output.error(NotFound("a\x1b]0;", hint="b\x00"))
    spelled = "a\\x1b[2J\\x9b\\x0d"
    assert stdout.getvalue() == f"{spelled}\tend\nnext\nsaid\n{spelled}\n"
    assert stderr.getvalue().startswith("a\\x07\na\\x1b: ")
    assert stderr.getvalue().endswith("error: a\\x1b]0;\nhint:  b\\x00\n")
    as_json, said = io.StringIO(), "a\x1b\x9b\x7f\u202e\u2028"
    Output("json", stdout=as_json).result(Quoting(said))
    assert json.loads(as_json.getvalue())["result"] == {"said": said}
    assert as_json.getvalue().isascii()


def test_what_others_wrote_stays_in_its_place() -> None:
    """A cell of a table is one line, and no letter turns the order of those behind it."""
    stdout = io.StringIO()
    Output(stdout=stdout).result(Quoting("a\nb\u202e"))
    assert stdout.getvalue().endswith("said\na\\x0ab\\u202e\n")

"""What the user sees: the only module that prints.

stdout carries data, stderr carries conversation. Three forms: text for people, one JSON
object with `--json`, and JSON lines while the work goes on with `--events`.
"""

from __future__ import annotations

import errno
import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TextIO, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from aava_cli.errors import AavaError
    from aava_cli.events import Event, Log, Progress

Form: TypeAlias = Literal["text", "json", "events"]
SCHEMA = 1

_TIMES = (("d", 86_400, "h", 3_600), ("h", 3_600, "min", 60), ("min", 60, "s", 1))


class Table(NamedTuple):
    """Rows under a header, for `Result.text`."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class Result:
    """What a command answers: a frozen dataclass whose fields are the JSON."""

    __slots__ = ()

    def text(self) -> Iterable[str | Table]:
        """Yield the answer for people, a line or a table at a time."""
        raise NotImplementedError

    def failure(self) -> AavaError | None:
        """Return what the answer itself says went wrong, such as a check that failed."""
        return None


class Output:
    """Prints results, errors and events in one form."""

    def __init__(
        self,
        form: Form = "text",
        *,
        quiet: bool = False,
        command: str = "",
        stdout: TextIO | None = None,
        stderr: TextIO | None = None,
    ) -> None:
        self.form: Form = form
        self.quiet = quiet
        self.command = command
        self.exit_code = 0
        self.stdout = stdout or sys.stdout
        self.stderr = stderr or sys.stderr
        self._watcher: _Watcher | None = None
        # What goes on in the background reports as well, such as that nothing comes.
        self._guard = threading.RLock()

    def result(self, result: Result) -> None:
        """Print the answer of a command; one that says what failed sets the exit code."""
        failure = result.failure()
        self._finish_progress()
        if self.form == "text":
            self._print_text(result)
            if failure is not None:
                self._print_error(failure)
        elif failure is None:
            self._print_json("result", self._envelope(ok=True) | {"result": plain(result)})
        else:
            shown = self._envelope(ok=False) | {"result": plain(result)}
            self._print_json("error", shown | {"error": _error_fields(failure)})
        if failure is not None:
            self.exit_code = failure.exit_code

    def error(self, error: AavaError) -> None:
        """Print a failure and its hint."""
        self._finish_progress()
        if self.form == "text":
            self._print_error(error)
        else:
            self._print_json("error", self._envelope(ok=False) | {"error": _error_fields(error)})

    def bug(self, error: Exception) -> None:
        """Print where a bug showed itself, for the report of it."""
        import traceback

        self._finish_progress()
        _write(self.stderr, "".join(traceback.format_exception(error)))

    def emit(self, event: Event) -> None:
        """Show *event* to whoever watches."""
        from aava_cli.events import Log

        with self._guard:
            if self.form == "events":
                self._write_line({"event": type(event).__name__.lower(), **plain(event)})
            elif isinstance(event, Log):
                self._log(event)
            elif self.form == "text" and not self.quiet:
                self._watch(event)

    def line(self, text: str) -> None:
        """Print one line of data, for what is not a `Result`: a version, a script."""
        _write(self.stdout, text + "\n")

    def _log(self, event: Log) -> None:
        if self.quiet and event.level == "info":
            return
        line = ("warning: " if event.level == "warning" else "") + event.message
        if self._watcher is None:
            _write(self.stderr, line + "\n")
        else:
            self._watcher.say(line)

    def _watch(self, event: Progress) -> None:
        if self._watcher is None:
            live = self.stderr.isatty() and os.environ.get("TERM") != "dumb"
            self._watcher = _LiveBars(self.stderr) if live else _PlainLines(self.stderr)
        self._watcher.show(event)

    def _finish_progress(self) -> None:
        if self._watcher is not None:
            self._watcher.close()
            self._watcher = None

    def _print_text(self, result: Result) -> None:
        for part in result.text():
            if isinstance(part, Table):
                self._print_table(part)
            else:
                _write(self.stdout, part + "\n")

    def _print_error(self, error: AavaError) -> None:
        _write(self.stderr, f"error: {error.message}\nhint:  {error.hint}\n")

    def _print_table(self, table: Table) -> None:
        if self.stdout.isatty():
            _print_rich_table(table, self.stdout)
            return
        _write(self.stdout, "".join(row + "\n" for row in align(table)))

    def _envelope(self, *, ok: bool) -> dict[str, Any]:
        return {"schema": SCHEMA, "command": self.command, "ok": ok}

    def _print_json(self, event: str, message: dict[str, Any]) -> None:
        if self.form == "events":
            self._write_line({"event": event, **message})
        else:
            # Programs read it on one line, in a third of the time.
            indent = 2 if self.stdout.isatty() else None
            _write(self.stdout, _json(message, indent))

    def _write_line(self, message: dict[str, Any]) -> None:
        _write(self.stdout, _json(message))


def _json(message: dict[str, Any], indent: int | None = None) -> str:
    import json

    return json.dumps(message, indent=indent, ensure_ascii=False) + "\n"


def _write(stream: TextIO, text: str) -> None:
    """Write *text* at once; a reader that is gone misses it, and the work goes on."""
    try:
        stream.write(text)
        stream.flush()
    except OSError as error:
        # Python writes again at exit what is still in its buffer; now nothing can fail there.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
        if error.errno not in (errno.EPIPE, errno.EIO):
            raise


def plain(value: Any) -> Any:  # noqa: ANN401 - any dataclass in, JSON out
    """Return *value* as JSON types: dataclasses as objects, tuples as arrays, paths as text."""
    if hasattr(value, "__dataclass_fields__"):
        return {name: plain(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return str(value)


def align(table: Table) -> Iterator[str]:
    """Yield the rows of *table* as columns of plain text."""
    rows = (table.header, *table.rows)
    widths = [max(len(row[column]) for row in rows) for column in range(len(table.header))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()


def human_bytes(count: float) -> str:
    """Return *count* bytes in decimal units, as disks and links are sold."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(count) < 1000:  # noqa: PLR2004 - the step of the units
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def human_time(seconds: float) -> str:
    """Return *seconds* in the two largest units that count: `12 s`, `3 min 20 s`, `2 h 5 min`."""
    whole = int(seconds)
    for name, size, smaller, smaller_size in _TIMES:
        if whole >= size:
            rest = whole % size // smaller_size
            return f"{whole // size} {name}" + (f" {rest} {smaller}" if rest else "")
    return f"{whole} s"


def _error_fields(error: AavaError) -> dict[str, Any]:
    return {
        "code": error.code,
        "exit": error.exit_code,
        "message": error.message,
        "hint": error.hint,
        "retryable": error.retryable,
    }


def _print_rich_table(table: Table, stdout: TextIO) -> None:
    from rich.console import Console
    from rich.table import Table as RichTable

    shown = RichTable(*table.header, box=None, header_style="bold", pad_edge=False)
    for row in table.rows:
        shown.add_row(*row)
    Console(file=stdout, highlight=False, markup=False).print(shown)


class _Watcher:
    """Shows progress until it is closed."""

    def show(self, event: Progress) -> None:
        raise NotImplementedError

    def say(self, line: str) -> None:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError


class _PlainLines(_Watcher):
    """One line per 10 % or 30 s, for logs and terminals without cursor control."""

    _STEP_PERCENT = 10
    _STEP_S = 30.0

    def __init__(self, stderr: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stderr = stderr
        self._clock = clock
        self._shown: dict[str, tuple[int, float]] = {}

    def show(self, event: Progress) -> None:
        step = event.done * 100 // event.total // self._STEP_PERCENT if event.total else 0
        now = self._clock()
        last = self._shown.get(event.task)
        if last is not None and last[0] == step and now - last[1] < self._STEP_S:
            return
        self._shown[event.task] = (step, now)
        self.say(f"{event.task}: {describe(event)}")

    def say(self, line: str) -> None:
        _write(self._stderr, line + "\n")

    def close(self) -> None:
        self._shown.clear()


class _LiveBars(_Watcher):
    """A bar per task that goes on, redrawn in place; what is done or said stands above."""

    def __init__(self, stderr: TextIO) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as Bars

        # What the event says is shown as it is: a rate of our own would not know of stalls.
        self._bars = Bars(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            console=Console(file=stderr),
        )
        self._tasks: dict[str, Any] = {}
        self._done: set[str] = set()
        self._bars.start()

    def show(self, event: Progress) -> None:
        if event.task in self._done:
            return
        note = describe(event)
        if event.done == event.total and event.verified in (None, event.done):
            # A bar for each of many files would push those that still move off the screen.
            self._done.add(event.task)
            if event.task in self._tasks:
                self._bars.remove_task(self._tasks.pop(event.task))
            self.say(f"{event.task}: {note}")
            return
        if event.task not in self._tasks:
            added = self._bars.add_task(event.task, total=event.total, note=note)
            self._tasks[event.task] = added
        task = self._tasks[event.task]
        self._bars.update(task, completed=event.done, total=event.total, note=note)

    def say(self, line: str) -> None:
        self._bars.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def close(self) -> None:
        self._bars.stop()


def describe(event: Progress) -> str:
    """Return how far *event* is: `45 % (44.1 MB of 98.4 MB), 9.1 MB/s, 6 s left`."""
    return ", ".join([_amount(event), *_pace(event)])


def _amount(event: Progress) -> str:
    amount = human_bytes if event.unit == "bytes" else str
    if not event.total:
        return amount(event.done)
    return f"{event.done * 100 // event.total} % ({amount(event.done)} of {amount(event.total)})"


def _pace(event: Progress) -> Iterator[str]:
    amount = human_bytes if event.unit == "bytes" else str
    if event.verified is not None and event.verified < event.done:
        yield f"{amount(event.verified)} verified"
    if event.stalled_s is not None:
        yield f"stalled {human_time(event.stalled_s)}"
        return
    if event.per_second is not None and event.done != event.total:
        yield f"{amount(event.per_second)}/s"
    if event.remaining_s is not None and event.done != event.total:
        yield f"{human_time(event.remaining_s)} left"

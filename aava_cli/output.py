"""What the user sees: the only module that prints; `watching.py` draws its progress.

stdout carries data, stderr carries conversation. Three forms: text for people, one JSON
object with `--json`, and JSON lines while the work goes on with `--events`.
"""

from __future__ import annotations

import contextlib
import errno
import sys
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TextIO, TypeAlias

from aava_cli.writing import printable, printable_json, tell, write

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from aava_cli.errors import AavaError
    from aava_cli.events import Event, Finding, Log, Progress
    from aava_cli.watching import Watcher

Form: TypeAlias = Literal["text", "json", "events"]
SCHEMA = 1

_TIMES = (("d", 86_400, "h", 3_600), ("h", 3_600, "min", 60), ("min", 60, "s", 1))


_UNICODE = ("utf-8", "utf8")


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
        self._unwritten: OSError | None = None
        self._watcher: Watcher | None = None
        # What goes on in the background reports as well, such as that nothing comes.
        self._guard = threading.RLock()

    def result(self, result: Result) -> None:
        """Print the answer of a command; one that says what failed sets the exit code.

        Raises:
            NoSpace, NotPossible: it cannot be written, although the work was done.
        """
        try:
            self._answer(result, result.failure())
        except OSError as error:
            self._unwritten = error
        if self._unwritten is not None:
            raise _not_answered(self._unwritten) from self._unwritten

    def _answer(self, result: Result, failure: AavaError | None) -> None:
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
        """Print a failure and its hint; as text where nothing else can be written."""
        self._finish_progress()
        if self.form != "text" and self._unwritten is None:
            shown = self._envelope(ok=False) | {"error": _error_fields(error)}
            with contextlib.suppress(OSError):
                self._print_json("error", shown)
                return
        self._print_error(error)

    def bug(self, error: Exception) -> None:
        """Print where a bug showed itself, for the report of it."""
        import traceback

        self._finish_progress()
        tell(self.stderr, "".join(traceback.format_exception(error)))

    def emit(self, event: Event) -> None:
        """Show *event* to whoever watches; the work goes on where that cannot be written."""
        from aava_cli.events import Finding, Log, Progress

        with self._guard:
            if self.form == "events":
                self._write_event(event)
            elif isinstance(event, Log):
                self._log(event)
            elif isinstance(event, Finding):
                self._log(Log(_told(event)))
            elif isinstance(event, Progress) and self.form == "text" and not self.quiet:
                self._watch(event)

    def _write_event(self, event: Event) -> None:
        try:
            self._write_line({"event": type(event).__name__.lower(), **plain(event)})
        except OSError as error:
            self._unwritten = error

    def line(self, text: str) -> None:
        """Print one line of data, for what is not a `Result`: a version, a script."""
        write(self.stdout, text + "\n")

    def _log(self, event: Log) -> None:
        if self.quiet and event.level == "info":
            return
        line = ("warning: " if event.level == "warning" else "") + printable(event.message)
        if self._watcher is None:
            tell(self.stderr, line + "\n")
        else:
            self._watcher.say(line)

    def _watch(self, event: Progress) -> None:
        if self._watcher is None:
            from aava_cli.watching import watch

            self._watcher = watch(self.stderr)
        self._watcher.show(replace(event, task=printable(event.task)))

    def _finish_progress(self) -> None:
        if self._watcher is not None:
            self._watcher.close()
            self._watcher = None

    def _print_text(self, result: Result) -> None:
        for part in result.text():
            if isinstance(part, Table):
                self._print_table(_printable_table(part))
            else:
                write(self.stdout, printable(part) + "\n")

    def _print_error(self, error: AavaError) -> None:
        tell(self.stderr, printable(f"error: {error.message}\nhint:  {error.hint}\n"))

    def _print_table(self, table: Table) -> None:
        if self.stdout.isatty():
            _print_rich_table(table, self.stdout)
            return
        write(self.stdout, "".join(row + "\n" for row in align(table)))

    def _envelope(self, *, ok: bool) -> dict[str, Any]:
        return {"schema": SCHEMA, "command": self.command, "ok": ok}

    def _print_json(self, event: str, message: dict[str, Any]) -> None:
        if self.form == "events":
            self._write_line({"event": event, **message})
        else:
            # Programs read it on one line, in a third of the time.
            indent = 2 if self.stdout.isatty() else None
            self._write_json(message, indent)

    def _write_line(self, message: dict[str, Any]) -> None:
        self._write_json(message, None)

    def _write_json(self, message: dict[str, Any], indent: int | None) -> None:
        import json

        # What the terminal cannot show has to be spelled as JSON does.
        shows_all = (self.stdout.encoding or "utf-8").lower() in _UNICODE
        text = json.dumps(message, indent=indent, ensure_ascii=not shows_all)
        write(self.stdout, printable_json(text) + "\n")


def _printable_table(table: Table) -> Table:
    rows = tuple(tuple(map(_in_one_line, row)) for row in table.rows)
    return Table(table.header, rows)


def _in_one_line(cell: str) -> str:
    return printable(cell).replace("\n", "\\x0a")


def _not_answered(error: OSError) -> AavaError:
    from aava_cli.errors import NoSpace, NotPossible

    message = f"what was asked is done, but the answer could not be written: {error.strerror}"
    kind = NoSpace if error.errno in (errno.ENOSPC, errno.EDQUOT) else NotPossible
    return kind(message, hint="give it room, and run it again; or see `aava status`")


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


def _told(finding: Finding) -> str:
    reasons = f" ({', '.join(finding.reasons)})" if finding.reasons else ""
    return f"{finding.subject}: {finding.status}{reasons}"


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
    from rich.table import Column
    from rich.table import Table as RichTable

    # A figure that is cut off is none.
    columns = (Column(title, overflow="fold") for title in table.header)
    shown = RichTable(*columns, box=None, header_style="bold", pad_edge=False)
    for row in table.rows:
        shown.add_row(*row)
    Console(file=stdout, highlight=False, markup=False).print(shown)

"""Progress as people see it: bars on a terminal, lines elsewhere."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, TextIO

from aava_cli.output import human_bytes, human_time, tell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aava_cli.events import Progress


def watch(stderr: TextIO) -> Watcher:
    """Return what shows progress on *stderr*, as well as it can there."""
    live = stderr.isatty() and os.environ.get("TERM") != "dumb"
    return LiveBars(stderr) if live else PlainLines(stderr)


class Watcher:
    """Shows progress until it is closed."""

    def show(self, event: Progress) -> None:
        """Show how far it is."""
        raise NotImplementedError

    def say(self, line: str) -> None:
        """Print *line*, so that what is shown stays readable."""
        raise NotImplementedError

    def close(self) -> None:
        """Stop showing."""
        raise NotImplementedError


class PlainLines(Watcher):
    """One line per 10 % or 30 s, for logs and terminals without cursor control."""

    _STEP_PERCENT = 10
    _STEP_S = 30.0

    def __init__(self, stderr: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stderr = stderr
        self._clock = clock
        self._shown: dict[str, tuple[int, float]] = {}

    def show(self, event: Progress) -> None:
        """Show how far it is."""
        step = event.done * 100 // event.total // self._STEP_PERCENT if event.total else 0
        now = self._clock()
        last = self._shown.get(event.task)
        if last is not None and last[0] == step and now - last[1] < self._STEP_S:
            return
        self._shown[event.task] = (step, now)
        self.say(f"{event.task}: {describe(event)}")

    def say(self, line: str) -> None:
        """Print *line*."""
        tell(self._stderr, line + "\n")

    def close(self) -> None:
        """Stop showing."""
        self._shown.clear()


class LiveBars(Watcher):
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
        """Show how far it is."""
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
        """Print *line* above the bars."""
        self._bars.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def close(self) -> None:
        """Stop showing."""
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

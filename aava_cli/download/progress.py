"""Progress of one task: rarely enough to be read, never backwards, and honest when it stalls."""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aava_cli.events import Progress
from aava_cli.pulse import pulse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aava_cli.events import Emit, Event

_STEP_S = 0.2
_TICK_S = 1.0
_STALLED_S = 3.0
_WINDOW_S = 10.0


@dataclass(slots=True)
class Meter:
    """Reports how far *task* is; a download that starts over stands still until it catches up."""

    task: str
    emit: Emit
    clock: Callable[[], float] = time.monotonic
    _shown: int = -1
    _next_s: float = 0.0
    _done: int | None = None
    _total: int | None = None
    _verified: int | None = None
    _came_s: float = 0.0
    _arrived: deque[tuple[float, int]] = field(default_factory=deque)
    _guard: threading.RLock = field(default_factory=threading.RLock)

    def __call__(self, done: int, total: int | None = None, verified: int | None = None) -> None:
        """Take note that *done* bytes of *total* are there, *verified* of them from the start."""
        with self._guard:
            now_s = self.clock()
            self._note(done, now_s)
            self._total, self._verified = total, verified
            whole = done == total and done > self._shown
            if now_s >= self._next_s or whole:
                self._next_s = now_s + _STEP_S
                self._report(now_s)

    def tick(self) -> None:
        """Say what was not said yet, and that nothing comes if that is so."""
        with self._guard:
            now_s = self.clock()
            if self._done is None or self._done == self._total:
                return
            if self._done > self._shown or now_s - self._came_s >= _STALLED_S:
                self._report(now_s)

    def _note(self, done: int, now_s: float) -> None:
        before = self._done
        self._done = done
        # What an earlier run left did not come just now.
        came = 0 if before is None else max(0, done - before)
        if before is None or came:
            self._came_s = now_s
            self._arrived.append((now_s, came))
        while now_s - self._arrived[0][0] > _WINDOW_S and len(self._arrived) > 1:
            self._arrived.popleft()

    def _report(self, now_s: float) -> None:
        done = self._done or 0
        self._shown = max(self._shown, done)
        quiet_s = now_s - self._came_s
        stalled_s = int(quiet_s) if quiet_s >= _STALLED_S else None
        rate = self._rate(now_s) if stalled_s is None else 0
        left = None if self._total is None or not rate else (self._total - done) // rate
        verified = None if self._verified is None else min(self._verified, self._shown)
        self.emit(
            Progress(self.task, self._shown, self._total, "bytes", verified, rate, left, stalled_s)
        )

    def _rate(self, now_s: float) -> int | None:
        """Return the bytes per second of the last seconds, once there is something to tell."""
        first_s = self._arrived[0][0]
        if now_s - first_s < _STEP_S:
            return None
        # What came with the first entry came before the time that is counted.
        came = sum(count for _, count in self._arrived) - self._arrived[0][1]
        return int(came / (now_s - first_s))


@contextmanager
def metered(task: str, emit: Emit, every_s: float = _TICK_S) -> Iterator[Meter]:
    """Report on *task* during the block, also that nothing comes."""
    meter = Meter(task, emit)
    with pulse(meter.tick, every_s):
        yield meter


def steady(emit: Emit) -> Emit:
    """Return an `Emit` that never lets a task go back, whoever reports on it in turn."""
    shown: dict[str, int] = {}
    guard = threading.Lock()

    def pass_on(event: Event) -> None:
        if isinstance(event, Progress):
            with guard:
                if event.done < shown.get(event.task, 0):
                    return
                shown[event.task] = event.done
        emit(event)

    return pass_on

"""Progress of one task: rarely enough to be read, and never backwards."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aava_cli.events import Progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from aava_cli.events import Emit

_STEP_S = 0.2


@dataclass(slots=True)
class Meter:
    """Reports how far *task* is; a download that starts over stands still until it catches up."""

    task: str
    emit: Emit
    clock: Callable[[], float] = time.monotonic
    _shown: int = -1
    _next_s: float = 0.0

    def __call__(self, done: int, total: int | None = None) -> None:
        """Take note that *done* bytes of *total* are there."""
        now = self.clock()
        if done > self._shown and (now >= self._next_s or done == total):
            self._shown, self._next_s = done, now + _STEP_S
            self.emit(Progress(self.task, done, total))

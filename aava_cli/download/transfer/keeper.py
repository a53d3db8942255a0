"""Write a download out while it arrives, so that its end does not wait for the disk."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from aava_cli.download.transfer import disk

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from aava_cli.download.transfer.partial import Partial

# Small enough that the same memory is used again while the processor still has it cached.
WINDOW_BYTES = 8 << 20
_TICK_S = 0.01
_CHECKPOINT_S = 1.0


class Keeper:
    """A thread that writes *partial* out window by window, and records what is safe."""

    def __init__(self, partial: Partial) -> None:
        self.failure: OSError | None = None
        self._partial = partial
        self._begun = self._dropped = 0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopped.set()
        self._thread.join()
        if kind is None and self.failure is not None:
            raise self.failure

    def _run(self) -> None:
        next_s = time.monotonic() + _CHECKPOINT_S
        try:
            while not self._stopped.wait(_TICK_S):
                self._write_behind()
                if time.monotonic() >= next_s:
                    self._partial.checkpoint()
                    next_s = time.monotonic() + _CHECKPOINT_S
        except OSError as error:
            self.failure = error

    def _write_behind(self) -> None:
        descriptor, there = self._partial.descriptor, self._partial.prefix
        while there - self._begun >= WINDOW_BYTES:
            disk.begin_writing(descriptor, self._begun, WINDOW_BYTES)
            self._begun += WINDOW_BYTES
        # The window before the last is mostly written by now; waiting for it costs nobody else.
        hashed = min(self._partial.hasher.position, self._begun - WINDOW_BYTES)
        while self._dropped + WINDOW_BYTES <= hashed:
            disk.drop(descriptor, self._dropped, WINDOW_BYTES)
            self._dropped += WINDOW_BYTES

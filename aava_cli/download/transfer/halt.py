"""The word to stop, for threads: exceptions of Ctrl-C and of other files reach none of them."""

from __future__ import annotations

import threading


class Halted(Exception):
    """The work is not wanted any more; nothing was wrong with it."""


class Halt:
    """Is said once, and ends whatever waits by `sleep` or looks by `check`."""

    def __init__(self) -> None:
        self._said = threading.Event()

    def say(self) -> None:
        """Let the work end soon, what came being kept."""
        self._said.set()

    def check(self) -> None:
        """Go on with the work.

        Raises:
            Halted: it is not wanted any more.
        """
        if self._said.is_set():
            raise Halted

    def sleep(self, seconds: float) -> None:
        """Wait so long.

        Raises:
            Halted: the work is not wanted any more.
        """
        if self._said.wait(seconds):
            raise Halted

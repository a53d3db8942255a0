"""Do something at intervals while something else runs."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def pulse(call: Callable[[], None], every_s: float) -> Iterator[None]:
    """Make *call* every *every_s* seconds while the block runs, in a thread of its own."""
    done = threading.Event()

    def run() -> None:
        while not done.wait(every_s):
            call()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()

"""Read a file from its start while another thread is still writing it."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Self


class Growing:
    """The front of a file that grows: `read` waits for what is still to come.

    One thread calls `grow`, then `finish` or `fail`; one other reads.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._position = 0
        self._there = 0
        self._ended = False
        self._failure: BaseException | None = None
        self._changed = threading.Condition()

    @classmethod
    @contextmanager
    def open(cls, path: Path) -> Iterator[Self]:
        """Read *path*, which exists already; leaving the block ends the reader too."""
        descriptor = os.open(path, os.O_RDONLY)
        growing = cls(descriptor)
        try:
            yield growing
        finally:
            growing.finish()
            os.close(descriptor)

    def grow(self, there_bytes: int) -> None:
        """Tell the reader that the first *there_bytes* of the file stay as they are."""
        with self._changed:
            self._there = max(self._there, there_bytes)
            self._changed.notify_all()

    def finish(self) -> None:
        """Tell the reader that no more will come."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def fail(self, failure: BaseException) -> None:
        """Have the reader raise *failure* instead of waiting on."""
        with self._changed:
            self._failure = self._failure or failure
            self._changed.notify_all()

    def read(self, size: int, /) -> bytes:
        """Return up to *size* of the next bytes as soon as there are any, nothing at the end."""
        with self._changed:
            self._changed.wait_for(self._has_news)
            if self._failure is not None:
                raise self._failure
            there = self._there - self._position
        data = os.pread(self._descriptor, min(size, there), self._position)
        self._position += len(data)
        return data

    def _has_news(self) -> bool:
        return self._failure is not None or self._ended or self._there > self._position

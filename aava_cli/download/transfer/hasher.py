"""Hash a file while it arrives: from the buffers of its front where possible, else from disk."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections import deque

# Larger ones are handed between threads less often; each connection has one of its own.
BUFFER_BYTES = 2 << 20
_SPARE_BUFFERS = 4


def is_accelerated() -> bool:
    """Return whether SHA-256 comes from OpenSSL; Python's own takes five times as long."""
    return type(hashlib.sha256()).__module__ == "_hashlib"


class Hasher:
    """A thread that follows the part of *descriptor* that is there without a gap."""

    def __init__(self, descriptor: int, algorithm: str) -> None:
        self.position = 0
        self.failure: OSError | None = None
        self._descriptor = descriptor
        self._sha256 = self._named = hashlib.sha256()
        if algorithm != "sha256":
            self._named = hashlib.new(algorithm)
        self._there = 0
        self._queue: deque[tuple[int, memoryview, int]] = deque()
        self._queued_to = 0
        self._spare = [memoryview(bytearray(BUFFER_BYTES)) for _ in range(_SPARE_BUFFERS)]
        self._stopped = False
        self._idle_s = 0.0
        self._idle_since_s: float | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="hasher", daemon=True)
        self._thread.start()

    def extend(self, there: int) -> None:
        """Take note that all bytes below *there* are on disk."""
        with self._changed:
            if there > self._there:
                self._there = there
                self._changed.notify_all()

    def swap(self, offset: int, buffer: memoryview, size_bytes: int) -> memoryview:
        """Hash *buffer*, which was written to *offset*; return the buffer to go on with.

        At the front of the file this waits until hashing keeps up; elsewhere *buffer* comes back.
        """
        with self._changed:
            while offset == self._queued_to and not (self._spare or self._has_ended):
                self._changed.wait()
            if offset != self._queued_to or self._has_ended:
                return buffer
            self._queue.append((offset, buffer, size_bytes))
            self._queued_to = offset + size_bytes
            self._changed.notify_all()
            return self._spare.pop()

    def finish(self, size_bytes: int) -> tuple[str, str]:
        """Return the SHA-256 and the named digest of all *size_bytes*, which are on disk.

        Raises:
            OSError: they cannot be read.
        """
        self.extend(size_bytes)
        with self._changed:
            while self.position < size_bytes and not self._has_ended:
                # Signals reach the main thread between waits only.
                self._changed.wait(0.5)
        if self.failure is not None:
            raise self.failure
        return self._sha256.hexdigest(), self._named.hexdigest()

    def stop(self) -> None:
        """End the thread; nobody waits for it any more."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._thread.join()

    @property
    def idle_s(self) -> float:
        """How long there was nothing to hash, in all."""
        with self._changed:
            since_s = self._idle_since_s
            return self._idle_s + (0.0 if since_s is None else time.monotonic() - since_s)

    @property
    def _has_ended(self) -> bool:
        return self._stopped or self.failure is not None

    def _run(self) -> None:
        own = memoryview(bytearray(BUFFER_BYTES))
        try:
            while (work := self._next(own)) is not None:
                buffer, size_bytes = work
                self._update(buffer[:size_bytes])
                self._advance(size_bytes, None if buffer is own else buffer)
        except OSError as error:
            with self._changed:
                self.failure = error
                self._changed.notify_all()

    def _next(self, own: memoryview) -> tuple[memoryview, int] | None:
        """Return what to hash next; bytes that no buffer has are read into *own*."""
        with self._changed:
            self._wait_for_bytes()
            if self._stopped:
                return None
            if self._queue:
                _, buffer, size_bytes = self._queue.popleft()
                return buffer, size_bytes
            wanted = min(self._there - self.position, len(own))
            self._queued_to = self.position + wanted
        return own, self._read(own[:wanted])

    def _wait_for_bytes(self) -> None:
        self._idle_since_s = began_s = time.monotonic()
        while not (self._stopped or self._queue or self._there > self.position):
            self._changed.wait()
        self._idle_since_s = None
        self._idle_s += time.monotonic() - began_s

    def _read(self, wanted: memoryview) -> int:
        got = 0
        while got < len(wanted):
            count = os.preadv(self._descriptor, [wanted[got:]], self.position + got)
            if not count:
                raise OSError(f"the download ends at {self.position + got:,}: it was cut short")
            got += count
        return got

    def _update(self, data: memoryview) -> None:
        self._sha256.update(data)
        if self._named is not self._sha256:
            self._named.update(data)

    def _advance(self, size_bytes: int, buffer: memoryview | None) -> None:
        with self._changed:
            self.position += size_bytes
            if buffer is not None:
                self._spare.append(buffer)
            self._changed.notify_all()

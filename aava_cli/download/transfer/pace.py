"""What several downloads share: so many connections, and so many bytes a second."""

from __future__ import annotations

import re
import threading
import time
from dataclasses import dataclass, field

from aava_cli.errors import UsageError

MOST_CONNECTIONS = 16
_SMALLEST_BYTES = 16 << 10
_SLICES_PER_S = 8
_RATE = re.compile(r"(\d+(?:\.\d+)?)([kMG]?)")
_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}


def parse_rate(written: str) -> int:
    """Return the bytes a second that *written* means, such as `10M`.

    Raises:
        UsageError: it is no rate.
    """
    found = _RATE.fullmatch(written)
    bytes_per_s = int(float(found[1]) * _UNITS[found[2]]) if found else 0
    if not bytes_per_s:
        raise UsageError(f"`{written}` is no rate", hint="write it like `500k` or `10M`")
    return bytes_per_s


@dataclass(slots=True)
class Budget:
    """Hands out *connections*, and slows all that read down to *bytes_per_s* together."""

    connections: int = MOST_CONNECTIONS
    bytes_per_s: int | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _used: int = 0
    _wanting: int = 0
    _paid_until_s: float = 0.0

    @property
    def slice_bytes(self) -> int | None:
        """How much may be read at a time, so that a low rate is a steady one."""
        if self.bytes_per_s is None:
            return None
        return max(_SMALLEST_BYTES, self.bytes_per_s // _SLICES_PER_S)

    @property
    def is_contended(self) -> bool:
        """Whether a download waits for its first connection."""
        return self._wanting > 0

    def take(self) -> bool:
        """Take one connection; return whether there was one left."""
        with self._lock:
            if self._used >= self.connections:
                return False
            self._used += 1
            return True

    def give_back(self) -> None:
        """Give one connection back."""
        with self._lock:
            self._used -= 1

    def want(self, change: int) -> None:
        """Count one more download, or with -1 one less, that waits for its first connection."""
        with self._lock:
            self._wanting += change

    def spend(self, size_bytes: int, stopped: threading.Event) -> None:
        """Return when *size_bytes* may have been read, or as soon as *stopped* is set."""
        if self.bytes_per_s is None:
            return
        with self._lock:
            now = time.monotonic()
            self._paid_until_s = max(self._paid_until_s, now) + size_bytes / self.bytes_per_s
            wait_s = self._paid_until_s - now
        stopped.wait(wait_s)

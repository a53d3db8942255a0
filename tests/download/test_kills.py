"""A pull that is killed at any moment goes on where it was, and ends in the right bytes.

`AAVA_KILLS=200` makes it two hundred moments.
"""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

from aava_cli.download.transfer.segments import SEGMENT_BYTES
from tests.download.faults import Asked, FaultyServer

if TYPE_CHECKING:
    from pathlib import Path

KILLS = int(os.environ.get("AAVA_KILLS", "12"))
CONNECTIONS = 4
# Each life of the process brings some megabytes before it is killed.
SIZE = (24 << 20) + KILLS * (2 << 20)
RATE_BYTES = 24_000_000
LONGEST_LIFE_S = 0.25


class Counted:
    """Zeros with a mark in each block, and how many of them were sent."""

    def __init__(self) -> None:
        self.sent_bytes = 0
        self._lock = threading.Lock()

    def read(self, start: int, end: int) -> bytes:
        """Return the bytes from *start* up to *end*."""
        with self._lock:
            self.sent_bytes += end - start
        return block_bytes(start, end)


def block_bytes(start: int, end: int) -> bytes:
    """Return what the file has from *start* up to *end*: every eight bytes say where they are."""
    first = start // 8
    numbers = b"".join(number.to_bytes(8, "big") for number in range(first, -(-end // 8)))
    return numbers[start - first * 8 : end - first * 8]


def digest_of_all() -> str:
    """Return the SHA-256 of the whole file."""
    digest = hashlib.sha256()
    for start in range(0, SIZE, 1 << 20):
        digest.update(block_bytes(start, min(SIZE, start + (1 << 20))))
    return digest.hexdigest()


def test_killed_at_random_moments(tmp_path: Path) -> None:
    """Each kill costs at most one chunk per connection, and never a wrong byte."""
    counted, path, sha256 = Counted(), tmp_path / "partial" / "key", digest_of_all()
    server = FaultyServer(SIZE, counted.read, Asked.answer)
    program = (sys.executable, "-m", "tests.download.run_fetch")
    words = (*program, server.url, str(path), str(SIZE), sha256)
    moments = random.Random(KILLS)  # noqa: S311 - no secret
    for _ in range(KILLS):
        asked = len(server.asked)
        with subprocess.Popen((*words, str(RATE_BYTES))) as pulling:
            while len(server.asked) == asked and pulling.poll() is None:
                time.sleep(0.002)
            time.sleep(moments.uniform(0, LONGEST_LIFE_S))
            pulling.kill()
    subprocess.run(words, check=True)
    server.close()
    assert sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert counted.sent_bytes <= SIZE + KILLS * CONNECTIONS * SEGMENT_BYTES

"""A pull's memory does not depend on how large the file is."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from typing import TYPE_CHECKING

from aava_cli.download.transfer.segments import SEGMENT_BYTES
from tests.download.faults import Asked, FaultyServer

if TYPE_CHECKING:
    from pathlib import Path

SMALL, LARGE = 1 << 20, 320 << 20
CONNECTIONS = 4
# Not the usage that the parent is told: it counts what the parent itself had before.
PULL = """
import re, sys
from pathlib import Path
from tests.download.run_fetch import run
run(*sys.argv[1:])
print(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""


def zeros(start: int, end: int) -> bytes:
    """Return what the file has from *start* up to *end*."""
    return bytes(end - start)


def peak_bytes(path: Path, size_bytes: int) -> int:
    """Return the most memory that a process has which pulls so much to *path*."""
    server = FaultyServer(size_bytes, zeros, Asked.answer)
    digest = hashlib.sha256(bytes(size_bytes)).hexdigest()
    words = (sys.executable, "-c", PULL, server.url, str(path), str(size_bytes), digest)
    ran = subprocess.run(words, check=True, stdout=subprocess.PIPE)
    server.close()
    return int(ran.stdout) << 10


def test_memory_is_bounded_by_the_connections(tmp_path: Path) -> None:
    """A large file takes at most a chunk per connection more than a small one does."""
    growth = peak_bytes(tmp_path / "large", LARGE) - peak_bytes(tmp_path / "small", SMALL)
    assert growth <= CONNECTIONS * SEGMENT_BYTES

"""The ends of files that may be of any length."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from pathlib import Path

TAIL_BYTES = 96 << 10


def read_tail(path: Path, *, limit: int = TAIL_BYTES) -> str:
    """Return the last whole lines of *path* that fit *limit* bytes, and how much is before them.

    Raises:
        OSError: it is not there, or it is a link or no file of bytes.
    """
    with _regular(path) as file:
        size_bytes = os.fstat(file.fileno()).st_size
        file.seek(max(0, size_bytes - limit))
        return _whole_lines(file.read(limit), size_bytes)


def _regular(path: Path) -> BinaryIO:
    # A link might lead to any file of this host, and whoever waits for a pipe waits for ever.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return os.fdopen(descriptor, "rb")


def tail_of(text: str, *, limit: int = TAIL_BYTES) -> str:
    """Return the same of a *text*."""
    data = text.encode("utf-8", "replace")
    return _whole_lines(data[-limit:], len(data))


def _whole_lines(data: bytes, size_bytes: int) -> str:
    if len(data) == size_bytes:
        return data.decode("utf-8", "replace")
    # A line that was cut might begin within a secret, which nobody would know any more.
    whole = data.partition(b"\n")[2]
    left_out = size_bytes - len(whole)
    return f"[{left_out:,} bytes before this are left out]\n{whole.decode('utf-8', 'replace')}"

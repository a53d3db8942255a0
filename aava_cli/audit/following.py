"""Read on as a log grows: through rotation, truncation and pauses."""

from __future__ import annotations

import os
import select
import time
from contextlib import suppress
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

POLL_S = 0.5
_READ_BYTES = 1 << 20


def follow_file(path: Path, *, sleep: Callable[[float], None] = time.sleep) -> Iterator[bytes]:
    """Yield what is in *path* and what is added to it, without end; a pause is an empty chunk.

    A log that was rotated is read to its end before the new one is begun. One that is shorter
    than it was is read from its beginning.
    """
    file: IO[bytes] = path.open("rb", buffering=0)
    try:
        while True:
            while chunk := file.read(_READ_BYTES):
                yield chunk
            if _was_truncated(file):
                file.seek(0)
            elif (newer := _newer(path, file)) is not None:
                # What came between the last read and the rotation.
                yield from iter(lambda: file.read(_READ_BYTES), b"")  # noqa: B023
                file.close()
                file = newer
            else:
                yield b""
                sleep(POLL_S)
    finally:
        file.close()


def _was_truncated(file: IO[bytes]) -> bool:
    return os.fstat(file.fileno()).st_size < file.tell()


def _newer(path: Path, file: IO[bytes]) -> IO[bytes] | None:
    """Return the file that took the name *path*, if another one did."""
    with suppress(FileNotFoundError):
        newer = path.open("rb", buffering=0)
        if os.path.sameopenfile(newer.fileno(), file.fileno()):
            newer.close()
            return None
        return newer
    # Between the two renames of a rotation there is none.
    return None


def follow_pipe(file: IO[bytes]) -> Iterator[bytes]:
    """Yield what comes through *file* until it is closed; a pause is an empty chunk."""
    descriptor = file.fileno()
    while True:
        ready, _, _ = select.select([descriptor], [], [], POLL_S)
        if not ready:
            yield b""
        elif chunk := os.read(descriptor, _READ_BYTES):
            yield chunk
        else:
            return

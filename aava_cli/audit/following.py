"""Read on as a log grows: through rotation, truncation and pauses."""

from __future__ import annotations

import os
import select
import signal
import time
from contextlib import ExitStack, contextmanager, suppress
from typing import IO, TYPE_CHECKING, TypeAlias

from aava_cli.audit.problems import Damaged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

Chunk: TypeAlias = "bytes | None"
"""Bytes; none for a pause; None where what comes next is the beginning of another file."""

POLL_S = 0.5
_READ_BYTES = 1 << 20


def follow_file(path: Path, *, sleep: Callable[[float], None] = time.sleep) -> Iterator[Chunk]:
    """Yield what is in *path* and what is added to it, without end; a pause is an empty chunk.

    One that is not there yet is waited for. A log that was rotated is read to its end before the
    new one is begun. One that is shorter than it was is read from its beginning.

    Raises:
        OSError: it cannot be read, or the folder of it is missing.
        Damaged: the file that took its name cannot be read.
    """
    if not path.parent.is_dir():
        # There is nothing to wait for: this raises.
        path.open("rb").close()
    while (opened := _opened(path)) is None:
        yield b""
        sleep(POLL_S)
    file = opened
    try:
        while True:
            while chunk := file.read(_READ_BYTES):
                yield chunk
            if _was_truncated(file):
                file.seek(0)
                yield None
            elif (newer := _newer(path, file)) is not None:
                # What came between the last read and the rotation.
                yield from iter(lambda: file.read(_READ_BYTES), b"")  # noqa: B023
                file.close()
                file = newer
                yield None
            else:
                yield b""
                sleep(POLL_S)
    finally:
        file.close()


def _opened(path: Path) -> IO[bytes] | None:
    with suppress(FileNotFoundError):
        return path.open("rb", buffering=0)
    return None


def _was_truncated(file: IO[bytes]) -> bool:
    return os.fstat(file.fileno()).st_size < file.tell()


def _newer(path: Path, file: IO[bytes]) -> IO[bytes] | None:
    """Return the file that took the name *path*, if another one did."""
    try:
        newer = _opened(path)
    except OSError as error:
        message = f"cannot go on with `{path}`: {error.strerror}"
        raise Damaged(message, hint="make the new log a file that you may read") from error
    # Between the two renames of a rotation there is none.
    if newer is None:
        return None
    if os.path.sameopenfile(newer.fileno(), file.fileno()):
        newer.close()
        return None
    return newer


@contextmanager
def undisturbed() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM wait for the end of the block, which is never left half done."""
    came: list[int] = []

    def remember(number: int, _frame: object) -> None:
        came.append(number)

    with ExitStack() as restore:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # Only the main thread may set handlers, and only it gets signals.
            if callable(signal.getsignal(number)):
                with suppress(ValueError):
                    restore.callback(signal.signal, number, signal.signal(number, remember))
        yield
    for each in came:
        signal.raise_signal(each)


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

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
# A log that was cut to nothing and has grown since begins otherwise: with another time, say.
_HEAD_BYTES = 1024


def follow_file(path: Path, *, sleep: Callable[[float], None] = time.sleep) -> Iterator[Chunk]:
    """Yield what is in *path* and what is added to it, without end; a pause is an empty chunk.

    One that is not there yet is waited for. A log that was rotated is read to its end before the
    new one is begun, which is when something is written to that. One that is shorter than it
    was, or begins otherwise, is read from its beginning.

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
    file, head = opened, b""
    try:
        while True:
            if _was_truncated(file, head):
                file.seek(0)
                head = b""
                yield None
            while chunk := file.read(_READ_BYTES):
                head += chunk[: _HEAD_BYTES - len(head)]
                yield chunk
            if (newer := _newer(path, file)) is not None:
                # What came between the last read and the rotation.
                yield from iter(lambda: file.read(_READ_BYTES), b"")  # noqa: B023
                file.close()
                file, head = newer, b""
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


def _was_truncated(file: IO[bytes], head: bytes) -> bool:
    """Return whether *file*, which began with *head*, was cut to nothing since it was read."""
    descriptor = file.fileno()
    if os.fstat(descriptor).st_size < file.tell():
        return True
    return bool(head) and os.pread(descriptor, len(head), 0) != head


def _newer(path: Path, file: IO[bytes]) -> IO[bytes] | None:
    """Return the file that took the name *path*, if another one did and is written to."""
    try:
        newer = _opened(path)
    except OSError as error:
        message = f"cannot go on with `{path}`: {error.strerror}"
        raise Damaged(message, hint="make the new log a file that you may read") from error
    # Between the two renames of a rotation there is none.
    if newer is None:
        return None
    # While the new one is empty, whoever writes may still have the old one open.
    if os.path.sameopenfile(newer.fileno(), file.fileno()) or not os.fstat(newer.fileno()).st_size:
        newer.close()
        return None
    return newer


class Reader:
    """Who reads standard output, and may have had enough."""

    _DESCRIPTOR = 1

    def __init__(self) -> None:
        self._file = self._now()

    def _now(self) -> tuple[int, int]:
        found = os.fstat(self._DESCRIPTOR)
        return found.st_dev, found.st_ino

    def is_gone(self) -> bool:
        """Return whether nobody can read what is printed from now on."""
        # Whatever was printed since then in vain has put another file there.
        if self._now() != self._file:
            return True
        poll = select.poll()
        poll.register(self._DESCRIPTOR, 0)
        return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


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

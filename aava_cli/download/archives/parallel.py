"""Decode gz and bz2 on several cores, by a library or by a program."""

from __future__ import annotations

import os
import subprocess
import threading
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, cast

from aava_cli.download.archives.members import unsound

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aava_cli.download.archives.decompress import Compression, Reader

_READ_BYTES = 256 << 10
# Each of its threads holds decoded megabytes.
_MAX_THREADS = 8
_BZ2_END, _BZ2_TAIL_BYTES = 0x177245385090, 11


@contextmanager
def by_rapidgzip(kind: Compression, file: Path, _packed: Reader) -> Iterator[Reader]:
    """Decode *file* on several cores at once."""
    import rapidgzip

    try:
        decoded = rapidgzip.open(str(file), parallelization=most_threads())
    except (RuntimeError, ValueError) as error:
        raise unsound(f"its {kind} data is damaged or cut off") from error
    with decoded:
        yield Foreign(decoded, (RuntimeError, ValueError), kind)


def most_threads() -> int:
    """Return on how many cores a file is decoded at once."""
    return min(len(os.sched_getaffinity(0)), _MAX_THREADS)


@contextmanager
def by_lbzip2(packed: Reader) -> Iterator[Reader]:
    """Decode bz2 on all cores, while *packed* is still being read."""
    with subprocess.Popen(
        ("lbzip2", "-dc"),
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        fed = _Fed(packed, process)
        try:
            yield fed
        finally:
            process.kill()


class _Fed:
    """What a bz2 decoder gives back of what is fed to it."""

    def __init__(self, packed: Reader, process: subprocess.Popen[bytes]) -> None:
        self._packed = packed
        self._stdin, self._stdout = cast("IO[bytes]", process.stdin), process.stdout
        self._process = process
        self._tail = b""
        self._failure: Exception | None = None
        self._feeder = threading.Thread(target=self._feed, daemon=True)
        self._feeder.start()

    def read(self, size: int, /) -> bytes:
        """Return the next bytes."""
        if data := cast("IO[bytes]", self._stdout).read(size):
            return data
        self._feeder.join()
        if self._failure is not None:
            raise self._failure
        if self._process.wait() != 0:
            raise unsound("its bz2 data is damaged or cut off")
        # lbzip2 passes over whatever follows the last stream.
        if not _ends_as_bz2(self._tail):
            raise unsound("something is behind the end of its bz2 data")
        return b""

    def _feed(self) -> None:
        try:
            while data := self._packed.read(_READ_BYTES):
                self._stdin.write(data)
                self._tail = (self._tail + data)[-_BZ2_TAIL_BYTES:]
        except BrokenPipeError:
            # It has ended before its input: its exit status says why.
            pass
        except Exception as error:  # noqa: BLE001 - raised again where the bytes are missed
            self._failure = error
        finally:
            with suppress(BrokenPipeError):
                self._stdin.close()


def _ends_as_bz2(tail: bytes) -> bool:
    """Return whether *tail* ends with bz2's end mark and checksum, which need not begin a byte."""
    bits = int.from_bytes(tail, "big")
    return any(bits >> 32 + shift & (1 << 48) - 1 == _BZ2_END for shift in range(8))


class Foreign:
    """What *decoded* gives, with the *errors* of its library told as damage."""

    def __init__(self, decoded: Reader, errors: tuple[type[Exception], ...], name: str) -> None:
        self._decoded = decoded
        self._errors = errors
        self._name = name

    def read(self, size: int, /) -> bytes:
        """Return the next bytes."""
        try:
            return self._decoded.read(size)
        except self._errors as error:
            raise unsound(f"its {self._name} data is damaged or cut off") from error

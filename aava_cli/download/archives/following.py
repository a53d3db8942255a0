"""Unpack an archive while it downloads; what came out counts only if it was the right bytes."""

from __future__ import annotations

import errno
import hashlib
import shutil
import threading
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from aava_cli.download.archives.decompress import compression_of, gain_of_whole
from aava_cli.download.archives.growing import Growing
from aava_cli.download.archives.unpack import HEAD_BYTES, can_stream, unpack_stream
from aava_cli.errors import AavaError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path, PurePosixPath

    from aava_cli.download.archives.unpack import Unpacked


class Follower:
    """Unpacks the front of a download, as far as it is there, in a thread of its own."""

    def __init__(self, root: PurePosixPath, target: Path, report: Callable[[int], None]) -> None:
        self._root = root
        self._target = target
        self._report = report
        self._following: _Following | None = None

    def grow(self, archive: Path, there_bytes: int) -> None:
        """Take note that the first *there_bytes* of *archive* are there."""
        if self._following is None and there_bytes >= HEAD_BYTES:
            shutil.rmtree(self._target, ignore_errors=True)
            self._following = _Following(archive, self._unpack)
        if self._following is not None:
            self._following.growing.grow(there_bytes)

    def result(self, archive: Path, sha256: str) -> tuple[Unpacked, ...] | None:
        """Return what came out of *archive*, if that were the bytes that have *sha256*.

        None says that it is to be unpacked from its start: the download has begun anew, or a
        decoder that needs the whole archive is done sooner than what was begun.
        """
        following = self._following
        if following is None:
            return None
        unpacked = following.result(archive.stat().st_size, sha256)
        if unpacked is None:
            self.give_up()
        return unpacked

    def give_up(self) -> None:
        """Leave nothing of what was unpacked."""
        following, self._following = self._following, None
        if following is not None:
            following.stop()
            shutil.rmtree(self._target, ignore_errors=True)

    def _unpack(self, stream: _Hashed) -> tuple[Unpacked, ...]:
        return unpack_stream(stream, self._root, self._target, self._report)


class _Following:
    """The thread that unpacks one archive."""

    def __init__(self, archive: Path, unpack: Callable[[_Hashed], tuple[Unpacked, ...]]) -> None:
        with archive.open("rb") as file:
            self._head = file.read(HEAD_BYTES)
        self._opened = ExitStack()
        self.growing = self._opened.enter_context(Growing.open(archive))
        self._stream = _Hashed(self.growing)
        self._unpack = unpack
        self._unpacked: tuple[Unpacked, ...] | None = None
        self._thread = threading.Thread(target=self._run, name="unpack", daemon=True)
        self._thread.start()

    def result(self, size_bytes: int, sha256: str) -> tuple[Unpacked, ...] | None:
        """Return what comes out of all *size_bytes*, unless that is to be had in another way."""
        left = 1 - self._stream.read_bytes / max(1, size_bytes)
        if left * gain_of_whole(compression_of(self._head)) > 1:
            return None
        self.growing.grow(size_bytes)
        self.growing.finish()
        self._thread.join()
        self._opened.close()
        return self._unpacked if self._stream.sha256 == sha256 else None

    def stop(self) -> None:
        """End the thread, wherever it is."""
        self.growing.fail(OSError(errno.ECANCELED, "nobody wants it any more"))
        self._thread.join()
        self._opened.close()

    def _run(self) -> None:
        if not can_stream(self._head):
            return
        try:
            self._unpacked = self._unpack(self._stream)
        except (AavaError, OSError):
            # Nobody vouches for these bytes yet. Should they be right, the whole tells it again.
            self._unpacked = None


class _Hashed:
    """A reader that knows what it has read."""

    def __init__(self, growing: Growing) -> None:
        self.read_bytes = 0
        self._growing = growing
        self._digest = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """The digest of all that was read."""
        return self._digest.hexdigest()

    def read(self, size: int, /) -> bytes:
        """Return the next bytes."""
        data = self._growing.read(size)
        self._digest.update(data)
        self.read_bytes += len(data)
        return data


@contextmanager
def following(
    root: PurePosixPath, target: Path, report: Callable[[int], None]
) -> Iterator[Follower]:
    """Unpack what is under *root* to *target* during the block; a failure leaves nothing there."""
    follower = Follower(root, target, report)
    try:
        yield follower
    except BaseException:
        follower.give_up()
        raise

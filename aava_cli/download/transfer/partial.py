"""A download that has begun: its bytes, and a record that never claims more than they are."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import threading
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aava_cli.download.transfer import disk
from aava_cli.download.transfer.extents import Extents
from aava_cli.download.transfer.hasher import Hasher
from aava_cli.download.transfer.record import Record, log_path, state_path
from aava_cli.errors import IntegrityError, NoSpace
from aava_cli.files import PRIVATE_FILE, private_folder
from aava_cli.output import human_bytes

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from aava_cli.download.transfer.record import Progressed

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(frozen=True, slots=True)
class Digest:
    """What bytes must hash to."""

    algorithm: str
    value: str


@dataclass(frozen=True, slots=True)
class Binding:
    """What a partial download belongs to; another binding means other bytes."""

    source: str
    revision: str | None
    size_bytes: int | None
    digest: Digest | None


class Partial:
    """The bytes of one download, hashed as they arrive; leaving the block keeps them.

    Several threads may write at once; *lock* guards what is known of the bytes.
    """

    def __init__(self, path: Path, binding: Binding) -> None:
        self.path = path
        self.binding = binding
        self.written_bytes = 0
        self.lock = threading.RLock()
        private_folder(path.parent)
        self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT, PRIVATE_FILE)
        self._record = Record(path, binding)
        self.have = self._what_is_there()
        self.hasher = self._new_hasher()
        self.hasher.extend(self.prefix)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.hasher.stop()
        # On a full disk even the state file may fail; the one that is there stays true.
        with suppress(OSError):
            self.checkpoint()
            if not self.done:
                # Room that was reserved for nothing is of use to others.
                os.ftruncate(self.descriptor, 0)
        self._record.close()
        os.close(self.descriptor)

    @property
    def state(self) -> Progressed:
        """How far it is, as the record has it."""
        return self._record.state

    @property
    def done(self) -> int:
        """How many bytes are there, wherever they are."""
        return self.have.total

    @property
    def prefix(self) -> int:
        """How many bytes are there from the start on without a gap."""
        return self.have.end_from(0)

    @property
    def is_whole(self) -> bool:
        """Whether all bytes are here."""
        size = self.state.size_bytes
        expected = self.binding.size_bytes if size is None else size
        return self.state.complete or self.done == expected

    @property
    def is_pinned(self) -> bool:
        """Whether a digest will prove the whole, whoever sent its parts."""
        return self.binding.digest is not None

    def start_over(self) -> None:
        """Drop what was received."""
        with self.lock:
            self.have = Extents()
            # The claims go first: they must never be larger than the file.
            self._record.start_over()
            os.ftruncate(self.descriptor, 0)
            self.hasher.stop()
            self.hasher = self._new_hasher()

    def begin(self, etag: str | None, size_bytes: int | None) -> None:
        """Make room for what follows, which has *etag* and *size_bytes*.

        Raises:
            NoSpace: there is no such room; what was received is kept.
        """
        with self.lock:
            self._record.save(replace(self.state, etag=etag, size_bytes=size_bytes))
            try:
                disk.reserve(self.descriptor, size_bytes or 0)
            except OSError as error:
                raise self._no_space(error) from error

    def write(self, data: memoryview, offset: int) -> None:
        """Write *data* to *offset*; `record` it afterwards.

        Raises:
            NoSpace: the file system is full.
        """
        try:
            while data:
                written = os.pwrite(self.descriptor, data, offset)
                data, offset = data[written:], offset + written
        except OSError as error:
            raise self._no_space(error) from error

    def append(self, data: memoryview) -> None:
        """Write and record *data* behind all that is there.

        Raises:
            NoSpace: the file system is full.
        """
        start = self.prefix
        self.write(data, start)
        self.record(start, start + len(data))

    def record(self, start: int, end: int) -> None:
        """Take note that the bytes from *start* up to *end* were written."""
        with self.lock:
            self.have.add(start, end)
            self.written_bytes += end - start
            self._record.note(start, end)
            self.hasher.extend(self.prefix)

    def end_here(self) -> None:
        """Take the end of what the server sends for the end of the file."""
        with self.lock:
            self._record.state = replace(self.state, size_bytes=self.prefix)

    def checkpoint(self) -> None:
        """Make all that is there outlast a power cut."""
        with self.lock:
            state = replace(self.state, done=self.have.total, ranges=self.have.ranges)
        if state != self.state:
            disk.sync(self.descriptor)
            with self.lock:
                # Whoever started over meanwhile dropped these bytes.
                if self.state.epoch == state.epoch:
                    kept = replace(self.state, done=state.done, ranges=state.ranges)
                    self._record.save(kept)

    def finish(self) -> str:
        """Check all that was received against size and digest, keep it, and return its SHA-256.

        Raises:
            IntegrityError: it is something else; nothing of it is kept.
        """
        # What is left to write goes to the disk while what is left to hash is hashed.
        disk.begin_writing(self.descriptor, 0, self.done)
        sha256, named = self.hasher.finish(self.done)
        problem = self._problem(named)
        if problem:
            self.start_over()
            raise unlike(problem)
        done, ranges = self.done, self.have.ranges
        os.ftruncate(self.descriptor, done)
        os.fsync(self.descriptor)
        whole = replace(self.state, size_bytes=done, done=done, complete=True, ranges=ranges)
        self._record.save(whole)
        return sha256

    def _problem(self, actual: str) -> str | None:
        size, digest = self.binding.size_bytes, self.binding.digest
        if size not in (None, self.done):
            return f"it has {self.done:,} bytes, expected {size:,}"
        if digest is None or actual == digest.value:
            return None
        return f"its {digest.algorithm} is {actual}, expected {digest.value}"

    def _what_is_there(self) -> Extents:
        there = self._record.claims().clipped(os.fstat(self.descriptor).st_size)
        if not there.total:
            os.ftruncate(self.descriptor, 0)
        return there

    def _new_hasher(self) -> Hasher:
        digest = self.binding.digest
        return Hasher(self.descriptor, digest.algorithm if digest else "sha256")

    def _no_space(self, error: OSError) -> OSError | NoSpace:
        size = self.state.size_bytes
        needed = None if size is None else size - self.done
        return no_space(error, self.path.parent, needed)


def remove_partial(path: Path) -> None:
    """Remove the download *path* and its state, begun or complete."""
    state_path(path).unlink(missing_ok=True)
    log_path(path).unlink(missing_ok=True)
    path.unlink(missing_ok=True)


def no_space(error: OSError, folder: Path, needed_bytes: int | None) -> OSError | NoSpace:
    """Return what *error*, met while writing to *folder*, means to the operator."""
    if error.errno not in _FULL:
        return error
    free = human_bytes(shutil.disk_usage(folder).free)
    need = "need more" if needed_bytes is None else f"need {human_bytes(needed_bytes)} more"
    message = f"{need}, have {free} free on `{folder}`: {error.strerror}"
    return NoSpace(message, hint="make room, then run the command again; the download is kept")


def unlike(problem: str) -> IntegrityError:
    """Return the failure of a download that has *problem*."""
    hint = "run the command again, or look at the source that was named"
    return IntegrityError(f"the download is not what it should be: {problem}", hint=hint)


def partial_path(work: Path, source: str) -> Path:
    """Return where the download of *source* is kept; members share their package's."""
    key = hashlib.sha256(source.partition("#")[0].encode()).hexdigest()[:32]
    return work / "partial" / key

"""A download that has begun: its bytes, and a state file that never claims more than they are."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from aava_cli.download.http import Transient
from aava_cli.errors import IntegrityError, NoSpace
from aava_cli.files import PRIVATE_FILE, atomic_write, private_folder
from aava_cli.output import human_bytes

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType
    from typing import Self

CHUNK_BYTES = 32 << 20
_STEP_BYTES = 1 << 20
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


@dataclass(frozen=True, slots=True)
class Progressed:
    """How far a download is: *done* bytes are on disk for good."""

    etag: str | None = None
    size_bytes: int | None = None
    done: int = 0
    complete: bool = False


class Partial:
    """The bytes of one download, hashed as they arrive; leaving the block keeps them."""

    def __init__(self, path: Path, binding: Binding) -> None:
        self.path = path
        self.binding = binding
        self.written_bytes = 0
        private_folder(path.parent)
        self._state_file = state_path(path)
        self.state = self._read_state()
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, PRIVATE_FILE)
        self._restart_hashes()
        self._resume()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # On a full disk even the state file may fail; the one that is there stays true.
        with suppress(OSError):
            self._sync()
        os.close(self._descriptor)

    @property
    def done(self) -> int:
        """How many bytes were received."""
        return self._received

    @property
    def is_whole(self) -> bool:
        """Whether all bytes are here."""
        return self.state.complete or self._received == self.state.size_bytes

    @property
    def sha256(self) -> str:
        """The digest of what was received."""
        return self._sha256.hexdigest()

    def start_over(self, *, etag: str | None = None, size_bytes: int | None = None) -> None:
        """Drop what was received; what follows has *etag* and *size_bytes*."""
        self.state = Progressed(etag, size_bytes)
        # The claim goes first: it must never be larger than the file.
        self._write_state()
        os.ftruncate(self._descriptor, 0)
        self._restart_hashes()

    def write(self, data: bytes) -> None:
        """Append *data*.

        Raises:
            IntegrityError: it is more than there should be.
            NoSpace: the file system is full.
        """
        size = self.state.size_bytes
        if size is not None and self._received + len(data) > size:
            raise _unlike(f"it is longer than {size:,} bytes")
        try:
            _write_all(self._descriptor, data, self._received)
        except OSError as error:
            raise self._no_space(error) from error
        self.written_bytes += len(data)
        self._hash(data)
        if self._received - self.state.done >= CHUNK_BYTES:
            self._sync()

    def expect_end(self) -> None:
        """Take the end of what the server sends for the end of the file.

        Raises:
            Transient: there must be more.
        """
        size = self.state.size_bytes
        if size not in (None, self._received):
            raise Transient(f"the connection broke after {self._received:,} of {size:,} bytes")
        self.state = replace(self.state, size_bytes=self._received)

    def finish(self) -> None:
        """Check all that was received against the expected size and digest, and keep it.

        Raises:
            IntegrityError: it is something else; nothing of it is kept.
        """
        problem = self._problem()
        if problem:
            self.discard()
            raise _unlike(problem)
        self.state = replace(self.state, size_bytes=self._received, complete=True)
        self._sync()

    def discard(self) -> None:
        """Forget what was received."""
        self.start_over()

    def _problem(self) -> str | None:
        size, digest = self.binding.size_bytes, self.binding.digest
        if size not in (None, self._received):
            return f"it has {self._received:,} bytes, expected {size:,}"
        if digest is None:
            return None
        actual = self._expected_kind.hexdigest()
        if actual == digest.value:
            return None
        return f"its {digest.algorithm} is {actual}, expected {digest.value}"

    def _read_state(self) -> Progressed:
        with suppress(OSError, ValueError, TypeError, KeyError):
            loaded = json.loads(self._state_file.read_bytes())
            if loaded["binding"] == asdict(self.binding):
                return Progressed(**loaded["state"])
        return Progressed()

    def _write_state(self) -> None:
        fields = {"binding": asdict(self.binding), "state": asdict(self.state)}
        atomic_write(self._state_file, json.dumps(fields).encode(), mode=PRIVATE_FILE)

    def _resume(self) -> None:
        if os.fstat(self._descriptor).st_size < self.state.done:
            self.state = Progressed()
        os.ftruncate(self._descriptor, self.state.done)
        while data := os.pread(self._descriptor, _STEP_BYTES, self._received):
            self._hash(data)

    def _restart_hashes(self) -> None:
        self._received = 0
        self._sha256 = self._expected_kind = hashlib.sha256()
        if self.binding.digest and self.binding.digest.algorithm != "sha256":
            self._expected_kind = hashlib.new(self.binding.digest.algorithm)

    def _hash(self, data: bytes) -> None:
        self._received += len(data)
        self._sha256.update(data)
        if self._expected_kind is not self._sha256:
            self._expected_kind.update(data)

    def _sync(self) -> None:
        if self._received != self.state.done or self.state.complete:
            os.fsync(self._descriptor)
            self.state = replace(self.state, done=self._received)
            self._write_state()

    def _no_space(self, error: OSError) -> OSError | NoSpace:
        size = self.state.size_bytes
        needed = None if size is None else size - self._received
        return no_space(error, self.path.parent, needed)


def state_path(path: Path) -> Path:
    """Return the state file of the download *path*."""
    return path.with_name(path.name + ".json")


def remove_partial(path: Path) -> None:
    """Remove the download *path* and its state, begun or complete."""
    state_path(path).unlink(missing_ok=True)
    path.unlink(missing_ok=True)


def no_space(error: OSError, folder: Path, needed_bytes: int | None) -> OSError | NoSpace:
    """Return what *error*, met while writing to *folder*, means to the operator."""
    if error.errno not in _FULL:
        return error
    free = human_bytes(shutil.disk_usage(folder).free)
    need = "need more" if needed_bytes is None else f"need {human_bytes(needed_bytes)} more"
    message = f"{need}, have {free} free on `{folder}`: {error.strerror}"
    return NoSpace(message, hint="make room, then run the command again; the download is kept")


def _unlike(problem: str) -> IntegrityError:
    hint = "run the command again, or look at the source that was named"
    return IntegrityError(f"the download is not what it should be: {problem}", hint=hint)


def _write_all(descriptor: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written


def partial_path(work: Path, source: str) -> Path:
    """Return where the download of *source* is kept; members share their package's."""
    key = hashlib.sha256(source.partition("#")[0].encode()).hexdigest()[:32]
    return work / "partial" / key

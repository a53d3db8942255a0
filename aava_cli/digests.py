"""SHA-256 of files, remembered for as long as a file stays what it was."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from aava_cli.events import Progress, ignore
from aava_cli.files import PRIVATE_FILE, atomic_write

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from aava_cli.events import Emit

_REMEMBERED = 4096
_STEP_BYTES = 1 << 20
_EVENT_BYTES = 1 << 26


class DigestCache:
    """Digests by what the file system says of a file: device, inode, size and both times.

    Any write to a file changes its times, so an entry is right or is not found. Losing the
    cache costs time only, which is why no process locks it. Nothing is written unless *keep*.
    """

    def __init__(self, state_dir: Path, *, keep: bool = True) -> None:
        self._file = state_dir / "digests.json"
        self._keep = keep
        self._known: dict[str, str] | None = None
        self._guard = threading.RLock()

    def of(self, path: Path, *, deep: bool = False, emit: Emit = ignore) -> str:
        """Return the SHA-256 of *path*, read again if it changed, or if *deep*."""
        before = _identity(path.stat())
        with self._guard:
            known = self._load().get(before)
        if known is not None and not deep:
            return known
        with path.open("rb") as file:
            value = hash_file(file.fileno(), path.name, emit)
            after = _identity(os.fstat(file.fileno()))
        if before == after:
            self._remember(after, value)
        return value

    def note(self, path: Path, sha256: str) -> None:
        """Remember that *path*, which was just written, has the digest *sha256*."""
        self._remember(_identity(path.stat()), sha256)

    def reread(self) -> None:
        """Look again at what other processes have remembered by now."""
        with self._guard:
            self._known = None

    def forget_others(self, paths: Iterable[Path]) -> int:
        """Forget all but what is known of *paths*, and return how many entries that were."""
        kept = {_identity(path.stat()) for path in paths}
        with self._guard:
            known = self._load()
            gone = [each for each in known if each not in kept]
            for each in gone:
                del known[each]
            if gone:
                self._write()
        return len(gone)

    def _load(self) -> dict[str, str]:
        if self._known is None:
            self._known = {}
            with suppress(OSError, ValueError, AttributeError):
                loaded = json.loads(self._file.read_bytes())
                self._known = {str(key): str(value) for key, value in loaded.items()}
        return self._known

    def _remember(self, identity: str, sha256: str) -> None:
        with self._guard:
            known = self._load()
            known.pop(identity, None)
            known[identity] = sha256
            for oldest in list(known)[:-_REMEMBERED]:
                del known[oldest]
            self._write()

    def _write(self) -> None:
        if self._keep and self._file.parent.is_dir():
            data = json.dumps(self._load()).encode()
            atomic_write(self._file, data, mode=PRIVATE_FILE)


def hash_file(descriptor: int, task: str, emit: Emit = ignore) -> str:
    """Return the SHA-256 of the open file *descriptor*, from its start."""
    size_bytes = os.fstat(descriptor).st_size
    digest, done = hashlib.sha256(), 0
    buffer = bytearray(_STEP_BYTES)
    while count := os.preadv(descriptor, [buffer], done):
        digest.update(memoryview(buffer)[:count])
        done += count
        if done % _EVENT_BYTES == 0:
            emit(Progress(f"verify {task}", done, size_bytes))
    return digest.hexdigest()


def _identity(status: os.stat_result) -> str:
    parts = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return "-".join(map(str, parts))

"""Write and lock files so that a crash, a reader or another process never sees half a change."""

from __future__ import annotations

import contextlib
import errno
import glob
import json
import os
import sys
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from aava_cli.errors import Busy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700
NEW_FILE = 0o644
_NAME_WAIT_S = 0.4
_WAIT_HINT = "wait until it has finished, then try again"


def atomic_write(path: Path, data: bytes, *, mode: int | None = None) -> None:
    """Replace *path* with *data*: readers see the old bytes or the new ones.

    Owner and mode of an existing file stay, unless *mode* is given; a new file belongs to whom
    its folder belongs. A link keeps pointing where it did. A file that cannot be renamed over
    (a bind mount) is rewritten in place.
    """
    target = path.resolve()
    beside = target.with_name(f".{target.name}.{os.getpid()}.new")
    try:
        _write_new(beside, data, like=target, mode=mode)
        _rename_over(beside, target, data)
    finally:
        beside.unlink(missing_ok=True)
    fsync_folder(target.parent)


def clear_leftovers(path: Path) -> None:
    """Remove what processes that were killed while they wrote *path* left beside it."""
    target = path.resolve()
    for leftover in target.parent.glob(f".{glob.escape(target.name)}.*.new"):
        leftover.unlink(missing_ok=True)


def _write_new(beside: Path, data: bytes, *, like: Path, mode: int | None) -> None:
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE_FILE)
    with os.fdopen(descriptor, "wb") as file:
        _copy_ownership(file.fileno(), like, mode)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _copy_ownership(descriptor: int, like: Path, mode: int | None) -> None:
    try:
        status, default_mode = like.stat(), None
    except FileNotFoundError:
        status, default_mode = like.parent.stat(), NEW_FILE
    os.fchmod(descriptor, mode or default_mode or status.st_mode & 0o7777)
    own = os.fstat(descriptor)
    if (own.st_uid, own.st_gid) != (status.st_uid, status.st_gid):
        _give(descriptor, status.st_uid, status.st_gid)


def _give(descriptor: int, owner: int, group: int) -> None:
    try:
        os.fchown(descriptor, owner, group)
    except PermissionError:
        # Only root may give a file away, but a member may give it to the group. For others the
        # rename still keeps the content right.
        with contextlib.suppress(PermissionError):
            os.fchown(descriptor, -1, group)


def _rename_over(beside: Path, target: Path, data: bytes) -> None:
    try:
        beside.rename(target)
    except OSError as error:
        if error.errno not in (errno.EBUSY, errno.EXDEV):
            raise
        with target.open("r+b") as file:
            file.write(data)
            file.truncate()
            file.flush()
            os.fsync(file.fileno())


def fsync_folder(folder: Path) -> None:
    """Make renames and removals in *folder* survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(path: Path) -> None:
    """Remove the file *path* for good; a file that is already gone is fine."""
    path.unlink(missing_ok=True)
    fsync_folder(path.parent)


def private_folder(path: Path) -> Path:
    """Return *path*, made if need be, readable by its owner only: whom the folder above belongs."""
    missing = [each for each in (path, *path.parents) if not each.exists()]
    path.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    for each in reversed(missing):
        hand_over(each)
    if path.stat().st_mode & 0o077:
        with contextlib.suppress(PermissionError):
            path.chmod(PRIVATE_FOLDER)
    return path


def hand_over(path: Path) -> None:
    """Give *path*, if root made it, to whom its folder belongs; he could not use it otherwise."""
    if os.geteuid() == 0:
        folder = path.parent.stat()
        os.chown(path, folder.st_uid, folder.st_gid)


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lock."""

    pid: int
    host: str
    command: str
    since: float

    def __str__(self) -> str:
        since = time.strftime("%H:%M:%S", time.localtime(self.since))
        return f"`{self.command}` (pid {self.pid} on {self.host}, since {since})"


@contextlib.contextmanager
def exclusive_lock(
    path: Path, *, command: str, wait_s: float = 0.0, hint: str = _WAIT_HINT
) -> Iterator[None]:
    """Hold the lock *path* for the block; the kernel frees it when the process dies.

    Raises:
        Busy: another process holds it, even after *wait_s*; the message names that process.
    """
    from filelock import FileLock, Timeout

    private_folder(path.parent)
    lock = FileLock(path, timeout=wait_s)
    try:
        lock.acquire()
    except Timeout:
        message = f"{_holder_of(path)} is at work on this project"
        raise Busy(message, hint=hint) from None
    try:
        hand_over(path)
        name_holder(path, command)
        yield
    finally:
        # A name that stays is not believed where the lock is free: no reason to fail what is done.
        with contextlib.suppress(OSError):
            _holder_file(path).unlink()
        lock.release()


def name_holder(path: Path, command: str) -> None:
    """Say to whom finds the lock *path* taken that *command* holds it; only for its holder."""
    holder = Holder(os.getpid(), os.uname().nodename, command, time.time())
    named = _holder_file(path)
    named.write_text(json.dumps(asdict(holder)), encoding="utf-8")
    hand_over(named)


def lock_holder(path: Path) -> str | None:
    """Return who holds the lock *path*, or None when it is free."""
    try:
        with exclusive_lock(path, command=command_line()):
            return None
    except Busy as busy:
        return busy.message


def _holder_file(lock: Path) -> Path:
    # The lock file itself is truncated by everyone who tries to take it.
    return lock.with_suffix(".holder")


def _holder_of(lock: Path) -> str:
    deadline = time.monotonic() + _NAME_WAIT_S
    while (holder := read_holder(lock)) is None and time.monotonic() < deadline:
        # The holder has the lock but has not written its name yet, or has just let go.
        time.sleep(_NAME_WAIT_S / 20)
    return str(holder) if holder else "another aava command"


def read_holder(lock: Path) -> Holder | None:
    """Return who said last that it holds *lock*; after a kill the name stays behind."""
    try:
        fields: dict[str, Any] = json.loads(_holder_file(lock).read_text(encoding="utf-8"))
        return Holder(**fields)
    except (OSError, ValueError, TypeError):
        return None


def command_line() -> str:
    """Return this process's command as a person would type it, without its secrets."""
    from aava_cli.redact import shown_word

    return " ".join(["aava", *map(shown_word, sys.argv[1:])])

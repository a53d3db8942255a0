"""Take files out of archives and packages, without letting their names lead anywhere else."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections import deque
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

from aava_cli.download.archives.decompress import Reader, compression_of, fastest
from aava_cli.download.archives.members import Budget, Member, Names, Unpacked, unsound
from aava_cli.download.archives.tars import tar_members
from aava_cli.download.archives.zips import ZIP_MAGICS, zip_members
from aava_cli.download.publish import make_folder
from aava_cli.download.transfer.partial import no_space
from aava_cli.files import NEW_FILE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["HEAD_BYTES", "Unpacked", "can_stream", "extract_member", "unpack", "unpack_stream"]

HEAD_BYTES = 8
# A folder that a group shares hands that on to the folders in it.
_FOLDER, _SHARED = 0o755, 0o2070


def unpack(
    archive: Path, root: PurePosixPath, target: Path, report: Callable[[int], None]
) -> tuple[Unpacked, ...]:
    """Unpack what lies under *root* of *archive* into the new folder *target*, or leave nothing.

    Raises:
        IntegrityError: the archive is damaged, lacks *root*, or holds links, devices, odd or
            repeated names, names that lead elsewhere, or far more than its own size.
        NotPossible: it is packed in a way that needs an extra.
        NoSpace: the file system is full.
    """
    with archive.open("rb") as file, _new_folder(target):
        packed_bytes = os.fstat(file.fileno()).st_size
        budget = Budget(lambda: packed_bytes, whole=True)
        with _members(file, archive) as members:
            return _unpack_under(root, target, members, budget, report)


def unpack_stream(
    packed: Reader, root: PurePosixPath, target: Path, report: Callable[[int], None]
) -> tuple[Unpacked, ...]:
    """Unpack like `unpack`, while *packed* is still coming: what `can_stream` says can be.

    Nobody has vouched for the bytes yet: publish *target* only when the whole was verified.

    Raises:
        IntegrityError: as for `unpack`, and for a zip, whose directory is at its end.
        NotPossible: it is packed in a way that needs an extra.
        NoSpace: the file system is full.
    """
    counted = _Counted(packed)
    budget = Budget(lambda: counted.read_bytes, whole=False)
    with _new_folder(target), _stream_members(counted) as members:
        return _unpack_under(root, target, members, budget, report)


def can_stream(head: bytes) -> bool:
    """Return whether an archive that begins with *head* can be unpacked while it comes."""
    return not head.startswith(ZIP_MAGICS)


def extract_member(package: Path, member: str, target: Path) -> Unpacked:
    """Write the file *member* of *package* to the new file *target*, or leave nothing.

    The folder that a package wraps its files in may be left out of *member*.

    Raises:
        IntegrityError: the package is damaged, or has no such file.
        NotPossible: it is packed in a way that needs an extra.
        NoSpace: the file system is full.
    """
    make_folder(target.parent)
    with package.open("rb") as file, _new_file(target):
        packed_bytes = os.fstat(file.fileno()).st_size
        budget = Budget(lambda: packed_bytes, whole=True)
        with _members(file, package) as members:
            found = _find(PurePosixPath(member), members, budget)
            return _write(found, PurePosixPath(target.name), target)


def _find(
    wanted: PurePosixPath, members: Iterator[Member], budget: Budget
) -> Iterator[bytes | memoryview]:
    """Return the content of the first file that is *wanted*."""
    for member in members:
        budget.announce(member)
        path = PurePosixPath(member.name)
        if member.kind == "file" and wanted in (path, PurePosixPath(*path.parts[1:])):
            return _counted(member, budget, _unwatched)
        budget.take(member, member.size_bytes)
    raise unsound(f"it has no file `{wanted}`")


def _unwatched(_done: int) -> None:
    """Report to nobody."""


@contextmanager
def _new_folder(target: Path) -> Iterator[None]:
    """Make *target* for the block; it goes again with all that is in it if the block fails."""
    make_folder(target.parent)
    target.mkdir()
    try:
        descriptor = os.open(target, os.O_RDONLY | os.O_DIRECTORY)
        shared = target.parent.stat().st_mode & _SHARED
        _hand_over(descriptor, like=target.parent, mode=_FOLDER | shared)
        os.close(descriptor)
        yield
    except BaseException as error:
        shutil.rmtree(target)
        _fail_for_space(error, target.parent)
        raise


@contextmanager
def _new_file(target: Path) -> Iterator[None]:
    """Remove *target* again if the block fails; it is not there before."""
    try:
        yield
    except BaseException as error:
        target.unlink(missing_ok=True)
        _fail_for_space(error, target.parent)
        raise


def _fail_for_space(error: BaseException, folder: Path) -> None:
    told = no_space(error, folder, None) if isinstance(error, OSError) else error
    if told is not error:
        raise told from error


@contextmanager
def _members(file: IO[bytes], path: Path) -> Iterator[Iterator[Member]]:
    """Give the members of the archive *file*, which *path* names."""
    head = file.read(HEAD_BYTES)
    file.seek(0)
    compression = compression_of(head)
    if head.startswith(ZIP_MAGICS):
        yield zip_members(file)
    elif compression is not None:
        with fastest(compression, path)(file) as decoded:
            yield tar_members(decoded)
    else:
        yield tar_members(file)


@contextmanager
def _stream_members(packed: _Counted) -> Iterator[Iterator[Member]]:
    head = packed.peek(HEAD_BYTES)
    compression = compression_of(head)
    if not can_stream(head):
        raise unsound("a zip cannot be unpacked before its end is there")
    if compression is not None:
        with fastest(compression, None)(packed) as decoded:
            yield tar_members(decoded)
    else:
        yield tar_members(packed)


class _Counted:
    """A reader that knows how much was read, and can look ahead at its start."""

    def __init__(self, packed: Reader) -> None:
        self.read_bytes = 0
        self._packed = packed
        self._front = b""

    def peek(self, size: int) -> bytes:
        """Return the first *size* bytes, which stay to be read."""
        while len(self._front) < size and (data := self._packed.read(size - len(self._front))):
            self._front += data
        return self._front

    def read(self, size: int, /) -> bytes:
        """Return the next bytes."""
        data, self._front = self._front or self._packed.read(size), b""
        self.read_bytes += len(data)
        return data


def _unpack_under(
    root: PurePosixPath,
    target: Path,
    members: Iterator[Member],
    budget: Budget,
    report: Callable[[int], None],
) -> tuple[Unpacked, ...]:
    """Write what is under *root*, and read the rest: all of an archive is sound, or nothing."""
    names = Names()
    unpacked: list[Unpacked] = []
    for member in members:
        path = names.admit(member)
        budget.announce(member)
        content = _counted(member, budget, report)
        if member.kind == "folder":
            continue
        if path.is_relative_to(root) and path != root:
            inner = path.relative_to(root)
            unpacked.append(_write(content, inner, target / inner))
        else:
            deque(content, maxlen=0)
    if not unpacked:
        raise unsound(f"it has nothing under `{root}`")
    return tuple(unpacked)


def _counted(
    member: Member, budget: Budget, report: Callable[[int], None]
) -> Iterator[bytes | memoryview]:
    for data in member.content():
        budget.take(member, len(data))
        report(budget.taken_bytes)
        yield data


def _write(content: Iterator[bytes | memoryview], path: PurePosixPath, target: Path) -> Unpacked:
    """Write *content* to the new file *target*, and to disk for good."""
    make_folder(target.parent)
    digest = hashlib.sha256()
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, NEW_FILE)
    with os.fdopen(descriptor, "wb") as file:
        _hand_over(descriptor, like=target.parent, mode=NEW_FILE)
        for data in content:
            digest.update(data)
            file.write(data)
        file.flush()
        os.fsync(descriptor)
        return Unpacked(path, file.tell(), digest.hexdigest())


def _hand_over(descriptor: int, *, like: Path, mode: int) -> None:
    """Give a file this *mode*, and the owner of the folder *like*."""
    status = like.stat()
    # Only root may give files away; for others the files are already their own.
    with suppress(PermissionError):
        os.fchown(descriptor, status.st_uid, status.st_gid)
    os.fchmod(descriptor, mode)

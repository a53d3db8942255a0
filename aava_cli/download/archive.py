"""Take files out of archives and packages, without letting their names lead anywhere else."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import tarfile
import zipfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from lzma import LZMAError
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING, cast

from aava_cli.download.partial import no_space
from aava_cli.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_STEP_BYTES = 1 << 20
_BAD_NAMES = frozenset({errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ENAMETOOLONG})
# Weights hardly compress: ten times is a lot, and a bomb is thousands.
_MAX_RATIO = 100
_MAX_SMALL_BYTES = 64 << 20
_DAMAGE = (zipfile.BadZipFile, tarfile.TarError, zlib.error, LZMAError, EOFError)
_UNSUPPORTED = (NotImplementedError, RuntimeError)


@dataclass(frozen=True, slots=True)
class Unpacked:
    """One file that came out of an archive; *path* is relative to where it was put."""

    path: PurePosixPath
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class _Member:
    name: str
    kind: str
    content: Callable[[], IO[bytes]]


def unpack(
    archive: Path, root: PurePosixPath, target: Path, report: Callable[[int], None]
) -> tuple[Unpacked, ...]:
    """Unpack what lies under *root* of *archive* into the new folder *target*.

    Raises:
        IntegrityError: the archive is damaged, lacks *root*, or holds links, devices, names
            that lead elsewhere, or far more than its own size.
        NoSpace: the file system is full.
    """
    limit = max(archive.stat().st_size * _MAX_RATIO, _MAX_SMALL_BYTES)
    unpacked: list[Unpacked] = []
    done = 0
    target.mkdir(parents=True)
    with _reading(archive) as members:
        for member in members:
            path = _safe_path(member)
            if member.kind == "file" and path.is_relative_to(root) and path != root:
                unpacked.append(_write(member, target, path.relative_to(root), limit - done))
                done += unpacked[-1].size_bytes
                report(done)
    if not unpacked:
        raise _unsound(f"it has nothing under `{root}`")
    return tuple(unpacked)


def extract_member(package: Path, member: str, target: Path) -> Unpacked:
    """Write the file *member* of *package* to *target*.

    The folder that a package wraps its files in may be left out of *member*.

    Raises:
        IntegrityError: the package is damaged, or has no such file.
        NoSpace: the file system is full.
    """
    wanted = PurePosixPath(member)
    target.parent.mkdir(parents=True, exist_ok=True)
    limit = max(package.stat().st_size * _MAX_RATIO, _MAX_SMALL_BYTES)
    with _reading(package) as members:
        for each in members:
            path = PurePosixPath(each.name)
            if each.kind == "file" and wanted in (path, PurePosixPath(*path.parts[1:])):
                return _write(each, target.parent, PurePosixPath(target.name), limit)
    raise _unsound(f"it has no file `{member}`")


def _unsound(problem: str) -> IntegrityError:
    return IntegrityError(f"the archive is not sound: {problem}", hint="use another source")


@contextmanager
def _reading(path: Path) -> Iterator[Iterator[_Member]]:
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                yield _zip_members(archive)
        else:
            # As a stream, a tar is read once from its start to its end.
            with tarfile.open(path, "r|*") as tar:
                yield _tar_members(tar)
    except _DAMAGE as error:
        raise _unsound(str(error)) from error
    except _UNSUPPORTED as error:
        raise _unsound(f"it is packed in an unknown way: {error}") from error
    except OSError as error:
        # The decoder of bz2 reports damage as an OSError without a number.
        if error.errno is None or error.errno in _BAD_NAMES:
            raise _unsound(error.strerror or str(error)) from error
        raise no_space(error, path.parent, None) from error


def _zip_members(archive: zipfile.ZipFile) -> Iterator[_Member]:
    for info in archive.infolist():
        kind = stat.S_IFMT(info.external_attr >> 16)
        plain = "folder" if info.is_dir() else "file"
        known = {0: plain, stat.S_IFREG: "file", stat.S_IFDIR: "folder", stat.S_IFLNK: "link"}
        yield _Member(info.filename, known.get(kind, "device"), partial(archive.open, info))


def _tar_members(archive: tarfile.TarFile) -> Iterator[_Member]:
    for info in archive:
        kind = "device"
        if info.isreg():
            kind = "file"
        elif info.isdir():
            kind = "folder"
        elif info.issym() or info.islnk():
            kind = "link"
        yield _Member(info.name, kind, partial(_tar_content, archive, info))


def _tar_content(archive: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    # Only what is no file has no content, and such members are refused.
    return cast("IO[bytes]", archive.extractfile(info))


def _safe_path(member: _Member) -> PurePosixPath:
    path = PurePosixPath(member.name)
    if member.kind not in ("file", "folder"):
        raise _unsound(f"`{member.name}` is a {member.kind}")
    if path.is_absolute() or ".." in path.parts or "\\" in member.name or "\0" in member.name:
        raise _unsound(f"the name `{member.name}` leads elsewhere")
    return path


def _write(member: _Member, folder: Path, path: PurePosixPath, limit: int) -> Unpacked:
    """Write *member* to *path* under *folder*, and to disk for good."""
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    digest, size_bytes = hashlib.sha256(), 0
    try:
        file = target.open("xb")
    except FileExistsError:
        raise _unsound(f"it has `{member.name}` twice") from None
    with file, member.content() as content:
        while data := content.read(_STEP_BYTES):
            size_bytes += len(data)
            if size_bytes > limit:
                raise _unsound(f"`{member.name}` unpacks to more than {limit:,} bytes")
            digest.update(data)
            file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return Unpacked(path, size_bytes, digest.hexdigest())

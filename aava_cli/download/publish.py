"""Put what was checked on its final path: a reader sees the old bytes or the new ones."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

from aava_cli.errors import NotPossible
from aava_cli.files import NEW_FILE, fsync_folder

if TYPE_CHECKING:
    from pathlib import Path

_NEW_FOLDER = 0o755
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def publish(place: Path, target: Path) -> None:
    """Move the file or folder *place* to *target*, and make that survive a power cut.

    Raises:
        NotPossible: a folder is in the way of a file, or a file in the way of a folder.
    """
    make_folder(target.parent)
    for path in (place, *(place.rglob("*") if place.is_dir() else ())):
        _hand_over(path, like=target.parent)
    _sync_folders(place)
    try:
        _swap(place, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _publish_elsewhere(place, target)
    fsync_folder(target.parent)


def make_folder(folder: Path) -> None:
    """Make *folder* and what is missing above it, owned as the nearest that is there."""
    if not folder.is_dir():
        make_folder(folder.parent)
        if folder.exists():
            message = f"`{folder}` is a file, where a folder belongs"
            raise NotPossible(message, hint="move the file away, then try again")
        folder.mkdir(exist_ok=True)
        _hand_over(folder, like=folder.parent)
        fsync_folder(folder.parent)


def _hand_over(path: Path, *, like: Path) -> None:
    """Make *path* readable, and its owner that of the folder that it goes to."""
    status = like.stat()
    # Only root may give files away; for others the files are already their own.
    with suppress(PermissionError):
        os.chown(path, status.st_uid, status.st_gid)
    path.chmod(_NEW_FOLDER | status.st_mode & 0o2070 if path.is_dir() else NEW_FILE)


def _sync_folders(place: Path) -> None:
    if place.is_dir():
        for folder in (place, *(each for each in place.rglob("*") if each.is_dir())):
            fsync_folder(folder)


def _swap(place: Path, target: Path) -> None:
    if place.is_dir() and target.exists():
        _exchange(place, target)
        shutil.rmtree(place) if place.is_dir() else place.unlink()
        return
    try:
        place.replace(target)
    except IsADirectoryError:
        message = f"`{target}` is a folder, where a file belongs"
        raise NotPossible(message, hint="move the folder away, then try again") from None


def _exchange(place: Path, target: Path) -> None:
    """Exchange two paths in one step, which rename cannot do for folders that are not empty."""
    libc = ctypes.CDLL(None, use_errno=True)
    paths = (_AT_FDCWD, os.fsencode(place), _AT_FDCWD, os.fsencode(target))
    if libc.renameat2(*paths, _RENAME_EXCHANGE) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(target))


def _publish_elsewhere(place: Path, target: Path) -> None:
    """Copy *place* to the other file system that *target* is on, then move it there."""
    beside = target.with_name(f".{target.name}.{os.getpid()}.aava")
    try:
        if place.is_dir():
            shutil.copytree(place, beside)
            for file in (each for each in beside.rglob("*") if each.is_file()):
                _sync_file(file)
            _sync_folders(beside)
        else:
            shutil.copy2(place, beside)
            _sync_file(beside)
        _hand_over(beside, like=target.parent)
        _swap(beside, target)
    finally:
        _remove(beside)
    _remove(place)


def _sync_file(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)

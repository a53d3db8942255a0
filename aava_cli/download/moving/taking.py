"""Have the bytes of a file that lies elsewhere on this host, at the least cost."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from typing import TYPE_CHECKING, Literal, TypeAlias

from aava_cli.files import NEW_FILE

if TYPE_CHECKING:
    from pathlib import Path

Way: TypeAlias = Literal["clone", "link", "copy"]

_FICLONE = 0x40049409
_UNLINKABLE = frozenset({errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EACCES})


def take(source: Path, place: Path, *, like: Path) -> Way:
    """Make *place* a file with the bytes of *source*, and return how.

    A link shares owner and mode, so it is used only where those are what they would be in
    the folder *like*, which need not exist yet.

    Raises:
        OSError: the file system is full, or *source* cannot be read.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    with source.open("rb") as content:
        if _cloned(content.fileno(), place):
            return "clone"
        status = os.fstat(content.fileno())
    if (status.st_uid, status.st_mode & 0o7777) == (_owner(like), NEW_FILE) and _linked(
        source, place
    ):
        return "link"
    _copy(source, place)
    return "copy"


def _cloned(descriptor: int, place: Path) -> bool:
    with place.open("xb") as target:
        try:
            fcntl.ioctl(target.fileno(), _FICLONE, descriptor)
            os.fsync(target.fileno())
        except OSError:
            # Another file system, or one that shares no blocks.
            place.unlink()
            return False
        return True


def _linked(source: Path, place: Path) -> bool:
    try:
        place.hardlink_to(source.resolve())
    except OSError as error:
        if error.errno not in _UNLINKABLE:
            raise
        return False
    return True


def _copy(source: Path, place: Path) -> None:
    shutil.copyfile(source, place)
    with place.open("rb") as copied:
        os.fsync(copied.fileno())


def _owner(folder: Path) -> int:
    """Return whom a file in *folder* will belong to."""
    existing = next(each for each in (folder, *folder.parents) if each.is_dir())
    return existing.stat().st_uid

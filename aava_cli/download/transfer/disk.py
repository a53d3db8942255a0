"""What the kernel can do for a large file that is written once; without it all still works."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ctypes

_WAIT_BEFORE, _WRITE, _WAIT_AFTER = 1, 2, 4
# Of the arguments behind the descriptor: offsets are 64 bits wide, modes and flags are ints.
_WIDE = {"fallocate": (False, True, True), "sync_file_range": (True, True, False)}
_HARMLESS = frozenset({0, errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP})
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def reserve(descriptor: int, size_bytes: int) -> None:
    """Reserve room for *size_bytes* where the file system can.

    Raises:
        OSError: there is no such room.
    """
    if size_bytes <= 0:
        return
    # Not `os.posix_fallocate`: where the file system cannot, it writes to every block instead.
    failure = _call("fallocate", descriptor, 0, 0, size_bytes)
    if failure in _FULL:
        raise OSError(failure, os.strerror(failure))


def begin_writing(descriptor: int, start: int, size_bytes: int) -> None:
    """Have the kernel write out a part now, so that the last sync finds little to do."""
    _sync_range(descriptor, start, size_bytes, _WRITE)


def drop(descriptor: int, start: int, size_bytes: int) -> None:
    """Free the memory that caches a part, once it is written out.

    Raises:
        OSError: it could not be written; no later sync tells of it.
    """
    failure = _sync_range(descriptor, start, size_bytes, _WAIT_BEFORE | _WRITE | _WAIT_AFTER)
    if failure not in _HARMLESS:
        raise OSError(failure, os.strerror(failure))
    with suppress(AttributeError, OSError):
        os.posix_fadvise(descriptor, start, size_bytes, os.POSIX_FADV_DONTNEED)


def sync(descriptor: int) -> None:
    """Return once all data that was written is on disk for good."""
    getattr(os, "fdatasync", os.fsync)(descriptor)


def _sync_range(descriptor: int, start: int, size_bytes: int, flags: int) -> int:
    return _call("sync_file_range", descriptor, start, size_bytes, flags)


def _call(name: str, *arguments: int) -> int:
    """Call the C library's *name*, and return its error number: 0 for none."""
    import ctypes

    function = _function(name)
    if function is None:
        return errno.ENOSYS
    first, *rest = arguments
    kinds = (ctypes.c_longlong if each else ctypes.c_int for each in _WIDE[name])
    values = [kind(value) for kind, value in zip(kinds, rest, strict=True)]
    return ctypes.get_errno() if function(ctypes.c_int(first), *values) != 0 else 0


@cache
def _function(name: str) -> ctypes._NamedFuncPointer | None:
    import ctypes

    # The names with 64 exist where the plain ones would take 32-bit offsets.
    library = ctypes.CDLL(None, use_errno=True)
    for candidate in (f"{name}64", name):
        with suppress(AttributeError):
            function: ctypes._NamedFuncPointer = getattr(library, candidate)
            return function
    return None

"""The file that says which process the daemon is, for those who find processes that way."""

from __future__ import annotations

import contextlib
import os
import stat
from typing import TYPE_CHECKING

from aava_cli.errors import NotPossible
from aava_cli.files import atomic_write

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LONGEST = 32


@contextlib.contextmanager
def named_in(path: Path | None) -> Iterator[None]:
    """Say in *path* which process this is, for the block; what others wrote there is theirs.

    Raises:
        NotPossible: *path* names another process that runs, is something else than a file with
            the number of a process, or cannot be written.
    """
    if path is None:
        yield
        return
    try:
        _require_free(path)
        atomic_write(path, _own())
    except OSError as error:
        message = f"cannot write the process's number to `{path}`: {error.strerror}"
        raise NotPossible(message, hint=_HINT) from error
    try:
        yield
    finally:
        # Another may have put its number there by now, or taken the folder away.
        with contextlib.suppress(OSError):
            if path.read_bytes() == _own():
                path.unlink()


_HINT = "name another file with `--pid-file`"


def _own() -> bytes:
    return f"{os.getpid()}\n".encode()


def _require_free(path: Path) -> None:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise NotPossible(f"`{path}` is no plain file", hint=_HINT)
        with path.open("rb") as file:
            text = file.read(_LONGEST).strip()
            written_at_s = os.fstat(file.fileno()).st_mtime
    except FileNotFoundError:
        return
    if text and not text.isdigit():
        raise NotPossible(f"`{path}` is there, and holds no process's number", hint=_HINT)
    if text and _runs_since(int(text), written_at_s):
        raise NotPossible(f"`{path}` is the file of process {int(text)}, which runs", hint=_HINT)


def _runs_since(pid: int, at_s: float) -> bool:
    """Whether *pid*, another process, ran at the time *at_s*: numbers are given again."""
    import psutil

    try:
        return pid != os.getpid() and psutil.Process(pid).create_time() <= at_s
    except (psutil.Error, OverflowError):
        return False

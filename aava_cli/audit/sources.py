"""Bytes of a log, from wherever it is: files, packed ones, standard input, programs."""

from __future__ import annotations

import contextlib
import re
import shlex
import stat
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING

from aava_cli.audit.following import Chunk, follow_file, follow_pipe
from aava_cli.audit.problems import Unreadable
from aava_cli.audit.programs import read_container, read_journal
from aava_cli.audit.unpacking import PACKED, unpacked
from aava_cli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from aava_cli.audit.plan import Source

_READ_BYTES = 1 << 17
_HEAD_BYTES = 8192
# A log in another script has many bytes above 127, and hardly any of these; of what is packed or
# random they are a tenth.
_BINARY = re.compile(rb"[\x00-\x06\x0e-\x1a\x1c-\x1f\x7f]")
_BINARY_SHARE = 0.05
# `journalctl -o export`, which writes lengths as bytes.
_EXPORT = b"__CURSOR="
# What PowerShell writes, and hardly anybody else: two bytes for each letter.
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_OTHER_PACKED = {
    b"\xfd7zXZ\0": ("xz", "xz -dc"),
    b"BZh": ("bzip2", "bzip2 -dc"),
    b"PK\x03\x04": ("zip", "unzip -p"),
}


def require_different(sources: Iterable[Source]) -> None:
    """Refuse a file that two of *sources* stand for: its calls would count twice.

    Raises:
        UsageError: a link, say, and what it points to.
    """
    seen: dict[tuple[int, int], str] = {}
    for source in sources:
        if source.kind != "file":
            continue
        # What cannot be looked at is told when it is read.
        with contextlib.suppress(OSError, ValueError):
            found = Path(source.name).stat()
            other = seen.setdefault((found.st_dev, found.st_ino), source.name)
            if other != source.name:
                message = f"`{other}` and `{source.name}` are one file"
                raise UsageError(message, hint="name it once")


def read_source(source: Source, *, follow: bool) -> Iterator[Chunk]:
    """Yield the bytes of *source* as they come; nothing for a while is an empty chunk.

    None says that what follows is the beginning of a file that took the place of the one before.

    Raises:
        Unreadable: it is not there, is no log, or is refused.
        Damaged: it is packed, and ends too early or holds nonsense.
    """
    match source.kind:
        case "file":
            yield from _read_file(Path(source.name), follow=follow)
        case "stdin" if follow:
            yield from _followed(follow_pipe(_stdin()), "standard input")
        case "stdin":
            yield from _whole(_stdin(), "standard input")
        case "docker":
            yield from read_container(source.name, follow=follow)
        case _:
            yield from read_journal(source.name, follow=follow)


def _stdin() -> IO[bytes]:
    # A shell can close it, by `<&-`.
    if sys.stdin is None:
        raise Unreadable("standard input is closed", hint="run `aava audit - < LOG`")
    return sys.stdin.buffer


def _read_file(path: Path, *, follow: bool) -> Iterator[Chunk]:
    try:
        if follow and not _is_pipe(path):
            yield from _followed(follow_file(path), str(path))
            return
        with path.open("rb") as file:
            yield from (
                _followed(follow_pipe(file), str(path)) if follow else _whole(file, str(path))
            )
    except OSError as error:
        message = f"cannot read `{path}`: {error.strerror}"
        raise Unreadable(message, hint=advice_on(path, error)) from error


def advice_on(path: Path, error: OSError) -> str:
    """Return what to do where *path* could not be read because of *error*."""
    match error:
        case PermissionError():
            return f"run `{shlex.join(('sudo', 'cat', str(path)))} | aava audit -`"
        case IsADirectoryError():
            return f"name the logs in it: `aava audit {shlex.quote(str(path))}/*.log*`"
        case FileNotFoundError():
            return f"run `{shlex.join(('ls', str(path.parent)))}` to see what is there"
        case _:
            return "name a log, or `-` for standard input"


def _is_pipe(path: Path) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return stat.S_ISFIFO(path.stat().st_mode)
    return False


def _followed(chunks: Iterator[Chunk], name: str) -> Iterator[Chunk]:
    """Yield *chunks* of a log that is written now, which cannot be packed."""
    is_text = False
    for chunk in chunks:
        if chunk and not is_text:
            if chunk.startswith(PACKED):
                message = f"`{name}` is packed, so nothing is added to it"
                raise UsageError(message, hint="follow the log that is written now")
            is_text = _require_text(chunk, name)
        yield chunk


def _whole(file: IO[bytes], name: str) -> Iterator[bytes]:
    """Yield what *file* holds, unpacked where its first bytes say that it is packed."""
    head = _read_up_to(file, _HEAD_BYTES)
    is_text = is_empty = True
    for chunk in unpacked(_chunks(head, file), head, name):
        # An empty chunk would be taken for a pause.
        if not chunk:
            continue
        if is_empty or not is_text:
            is_text, is_empty = _require_text(chunk, name), False
        yield chunk
    if not is_text:
        raise _binary(name)


def _read_up_to(file: IO[bytes], size: int) -> bytes:
    # A pipe gives what is there, which may be less than what tells a packed log.
    head = b""
    while len(head) < size and (chunk := file.read(size - len(head))):
        head += chunk
    return head


def _chunks(head: bytes, file: IO[bytes]) -> Iterator[bytes]:
    yield head
    while chunk := file.read(_READ_BYTES):
        yield chunk


def _require_text(chunk: bytes, name: str) -> bool:
    """Return whether *chunk* has text in it, as against a hole in front of it.

    A log that was cut to nothing while it was written goes on behind a hole, which reads as NUL.

    Raises:
        Unreadable: it is neither.
    """
    head = chunk.lstrip(b"\0")[:_HEAD_BYTES]
    for begin, (form, unpack) in _OTHER_PACKED.items():
        if head.startswith(begin):
            message = f"`{name}` is binary: it is packed with {form}"
            raise Unreadable(message, hint=f"run `{unpack} LOG | aava audit -`")
    if head.startswith(_UTF_16):
        hint = "run `iconv --from-code=UTF-16 LOG | aava audit -`"
        raise Unreadable(f"`{name}` is in UTF-16, which no pipeline writes", hint=hint)
    is_export = head.startswith(_EXPORT)
    if not is_export and len(_BINARY.findall(head)) > _BINARY_SHARE * len(head):
        raise _binary(name)
    return bool(head)


def _binary(name: str) -> Unreadable:
    return Unreadable(f"`{name}` is binary, not a log", hint="name a log in text, or packed")

"""One file for whoever is asked for help: written whole or not at all, and free of secrets."""

from __future__ import annotations

import gzip
import io
import json
import os
import stat
import tarfile
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from aava_cli import __version__
from aava_cli.errors import NotPossible, UsageError
from aava_cli.files import PRIVATE_FILE, atomic_write

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from aava_cli.flows.doctor.scene import Part
    from aava_cli.redactor import Redactor

TOP = "aava-doctor"
_MANIFEST = "manifest.json"
_MOST_BYTES = 512 << 10
_SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Member:
    """One file of a bundle; *problem* is why it has nothing to say."""

    name: str
    size_bytes: int
    problem: str | None = None


def check_target(path: Path, *, force: bool) -> None:
    """Check that *path* may be written: it is new, or an older bundle of this user.

    *force* replaces any other file of this user, but nothing that is no file: a link, a pipe or
    a device is never opened, nor followed.

    Raises:
        UsageError: it is something else, or there is no folder for it.
    """
    if path.is_dir() or not path.parent.is_dir():
        message = f"`{path}` cannot be written: it is a folder, or its folder is not there"
        raise UsageError(message, hint="name a file, such as `report.tar.gz`")
    try:
        found = path.lstat()
    except OSError:
        return
    if not stat.S_ISREG(found.st_mode) or found.st_uid not in _owners(path.parent):
        message = f"`{path}` cannot be replaced: it is no file, or it is somebody else's"
        raise UsageError(message, hint="name a file that is not there yet")
    if not force and not _is_bundle(path):
        message = f"`{path}` exists, and is no bundle of `aava doctor`"
        raise UsageError(message, hint="name another file, or replace it with `--force`")


def _owners(folder: Path) -> set[int]:
    """Return who may own what is replaced: this user, or whom root's files in *folder* go to."""
    user = os.geteuid()
    return {user} if user else {user, folder.stat().st_uid}


def _is_bundle(path: Path) -> bool:
    try:
        with tarfile.open(path, "r:gz") as archive:
            first = archive.next()
    except (OSError, EOFError, tarfile.TarError):
        return False
    return first is not None and first.name == f"{TOP}/{_MANIFEST}"


def write_bundle(
    path: Path, parts: Sequence[Part], redactor: Redactor, summary: str
) -> tuple[Member, ...]:
    """Write *parts* without secrets to *path*, readable by this user alone; return its files.

    Raises:
        NotPossible: it cannot be written there.
    """
    files = (
        _File("summary.txt", redactor.text(summary).encode("utf-8", "replace")),
        *(_file(part, redactor) for part in parts),
    )
    members = tuple(Member(each.name, len(each.data), each.problem) for each in files)
    manifest = _File(_MANIFEST, _manifest(members))
    try:
        atomic_write(path, _packed((manifest, *files)), mode=PRIVATE_FILE)
    except OSError as error:
        message = f"`{path}` cannot be written: {error.strerror}"
        raise NotPossible(message, hint="name a file in a folder of your own") from error
    return members


class _File(NamedTuple):
    """One file as it is packed."""

    name: str
    data: bytes
    problem: str | None = None


def _file(part: Part, redactor: Redactor) -> _File:
    if part.problem is not None:
        problem = redactor.text(part.problem)
        return _File(part.name, f"not known: {problem}\n".encode("utf-8", "replace"), problem)
    return _File(part.name, _bounded(_rendered(part.content, redactor)))


def _rendered(content: Any, redactor: Redactor) -> bytes:  # noqa: ANN401 - whatever a part is
    if not isinstance(content, str):
        return _json(redactor.value(content)).encode("utf-8", "replace")
    lines = "\n".join(_line(line, redactor) for line in content.split("\n"))
    return redactor.text(lines).encode("utf-8", "replace")


def _line(line: str, redactor: Redactor) -> str:
    """Return *line* without secrets where it is JSON, as those of a job's log are."""
    if not line.startswith("{"):
        return line
    try:
        return json.dumps(redactor.value(json.loads(line)), ensure_ascii=False)
    except (ValueError, RecursionError):
        return line


def _json(value: Any) -> str:  # noqa: ANN401 - whatever a part is
    return json.dumps(value, indent=1, ensure_ascii=False, default=str) + "\n"


def _bounded(data: bytes) -> bytes:
    if len(data) <= _MOST_BYTES:
        return data
    return data[:_MOST_BYTES] + f"\n[{len(data) - _MOST_BYTES:,} bytes are left out]\n".encode()


def _manifest(members: Iterable[Member]) -> bytes:
    described = {
        "schema": _SCHEMA,
        "aava": __version__,
        "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "members": [
            {"name": each.name, "size_bytes": each.size_bytes, "problem": each.problem}
            for each in members
        ],
    }
    return _json(described).encode()


def _packed(files: Iterable[_File]) -> bytes:
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for info, data in _entries(files):
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def _entries(files: Iterable[_File]) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    now = int(time.time())
    for name, data, _problem in files:
        info = tarfile.TarInfo(f"{TOP}/{name}")
        info.size, info.mtime, info.mode = len(data), now, PRIVATE_FILE
        yield info, data

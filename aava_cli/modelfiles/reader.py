"""Walk one file forward, and say where it was when the bytes ran out."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, BinaryIO

from aava_cli.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_MAX_JSON_BYTES = 64 << 20


def damaged(path: Path, problem: str) -> IntegrityError:
    """Return that *path* has *problem*."""
    hint = "run `aava models verify`, or `aava models pull` to fetch it again"
    return IntegrityError(f"`{path}` {problem}", hint=hint)


class Reader:
    """A place in an open file; *left* bytes are behind it."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path = path
        self.left = self.size_bytes = file.seek(0, 2)
        file.seek(0)
        self._file = file

    def damaged(self, problem: str) -> IntegrityError:
        """Return that this file has *problem*."""
        return damaged(self.path, problem)

    def read(self, count: int, what: str) -> bytes:
        """Return the next *count* bytes, which are of *what*.

        Raises:
            IntegrityError: so many are not there.
        """
        self._take(count, what)
        return self._file.read(count)

    def skip(self, count: int, what: str) -> None:
        """Go on by *count* bytes, as `read` does."""
        self._take(count, what)
        self._file.seek(count, 1)

    def integers(self, count: int, what: str, kind: str = "i") -> tuple[int, ...]:
        """Return the next *count* numbers of the *kind* that `struct` knows."""
        return struct.unpack(f"<{count}{kind}", self.read(struct.calcsize(kind) * count, what))

    def _take(self, count: int, what: str) -> None:
        if not 0 <= count <= self.left:
            raise self.damaged(f"ends before its {what} does, at byte {self.size_bytes:,}")
        self.left -= count


def read_json(path: Path) -> Mapping[str, object]:
    """Return the JSON object in *path*.

    Raises:
        IntegrityError: it is missing, or is something else.
    """
    described = read_any_json(path)
    if not isinstance(described, dict):
        raise damaged(path, "is not a JSON object")
    return described


def read_any_json(path: Path) -> object:
    """Return the JSON value in *path*.

    Raises:
        IntegrityError: it is missing, or is something else.
    """
    if not path.is_file():
        raise damaged(path, "is missing")
    if path.stat().st_size > _MAX_JSON_BYTES:
        raise damaged(path, f"has {path.stat().st_size:,} bytes, which no description has")
    return parse_json(path, path.read_bytes())


def parse_json(path: Path, text: bytes) -> object:
    """Return the JSON value *text*, which is of the file *path*.

    Raises:
        IntegrityError: it is something else.
    """
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise damaged(path, f"is not JSON: {error}") from error
    return value


def expect_one(folder: Path, *patterns: str) -> tuple[Path, ...]:
    """Return the files of *folder* that fit one of *patterns*.

    Raises:
        IntegrityError: there is none, or one of them is empty.
    """
    found = tuple(file for pattern in patterns for file in sorted(folder.glob(pattern)))
    if not found:
        raise damaged(folder, f"has no `{patterns[0]}`")
    for file in found:
        if file.stat().st_size == 0:
            raise damaged(file, "is empty")
    return found

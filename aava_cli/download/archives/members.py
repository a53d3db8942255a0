"""What an archive may hold: files whose names stay inside, each once, and no more than fits."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Literal, NoReturn, TypeAlias

from aava_cli.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Kind: TypeAlias = Literal["file", "folder", "link", "device", "sparse file"]

# Larger pieces are memory that is new each time, which costs more than reading it.
STEP_BYTES = 128 << 10
# Weights hardly compress: ten times is a lot, and a bomb is thousands.
_MAX_RATIO = 100
_MAX_SMALL_BYTES = 64 << 20
_MAX_FILE_BYTES = 1 << 40
_MAX_MEMBERS = 20_000
_MAX_DEPTH = 32
_MAX_PART_BYTES, _MAX_PATH_BYTES = 255, 1024
_SHOWN_CHARS = 80
_DRIVE = re.compile(r"[A-Za-z]:")
# Control and format characters (which also turn the direction of text), half a surrogate pair,
# private and unassigned ones: no file of a model is called that.
_ODD_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


@dataclass(frozen=True, slots=True)
class Unpacked:
    """One file that came out of an archive; *path* is relative to where it was put."""

    path: PurePosixPath
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Member:
    """One entry of an archive as it describes itself; nothing of it is believed yet."""

    name: str
    kind: Kind
    size_bytes: int
    content: Callable[[], Iterator[bytes | memoryview]]


def unsound(problem: str) -> IntegrityError:
    """Return the refusal of an archive for its *problem*."""
    return IntegrityError(f"the archive is not sound: {problem}", hint="use another source")


def shown_name(name: str) -> str:
    """Return *name* quoted and cut, so that it can do nothing to a terminal."""
    printable = name if name.isprintable() else ascii(name)[1:-1]
    cut = printable if len(printable) <= _SHOWN_CHARS else f"{printable[:_SHOWN_CHARS]}…"
    return f"`{cut}`"


class Names:
    """The names that an archive has used; each may be used once, in one spelling."""

    def __init__(self) -> None:
        self._used: dict[str, tuple[PurePosixPath, Kind]] = {}
        self._members = 0

    def admit(self, member: Member) -> PurePosixPath:
        """Return the path of *member*, which leads nowhere else and was not used before.

        Raises:
            IntegrityError: the member has no place in a model.
        """
        name = shown_name(member.name)
        self._members += 1
        if self._members > _MAX_MEMBERS:
            raise unsound(f"with {name} it has more than {_MAX_MEMBERS:,} members")
        if member.kind not in ("file", "folder"):
            raise unsound(f"{name} is a {member.kind}")
        path = _safe_path(member)
        for folder in path.parents:
            self._use(folder, "folder")
        self._use(path, member.kind)
        return path

    def _use(self, path: PurePosixPath, kind: Kind) -> None:
        # A file system that ignores case, or how letters are composed, has one place for both.
        folded = unicodedata.normalize("NFD", str(path)).casefold()
        key = unicodedata.normalize("NFC", folded)
        if key not in self._used:
            self._used[key] = path, kind
            return
        before, kind_before = self._used[key]
        if before != path:
            both = f"{shown_name(str(before))} and {shown_name(str(path))}"
            raise unsound(f"{both} are one name where case or accents do not count")
        if kind_before != kind:
            raise unsound(f"{shown_name(str(path))} is a file and a folder")
        if kind == "file":
            raise unsound(f"it has {shown_name(str(path))} twice")


class Budget:
    """How many bytes may come out of an archive of which so many *packed_bytes* were read.

    *whole* says that no more of the archive follows, so that what it announces can be judged.
    """

    def __init__(self, packed_bytes: Callable[[], int], *, whole: bool) -> None:
        self.taken_bytes = 0
        self._packed_bytes = packed_bytes
        self._whole = whole

    def announce(self, member: Member) -> None:
        """Refuse *member* when it says itself that it is too large."""
        most = self._limit() - self.taken_bytes if self._whole else _MAX_FILE_BYTES
        if not 0 <= member.size_bytes <= most:
            self._refuse(member, f"says it has {member.size_bytes:,} bytes, of at most {most:,}")

    def take(self, member: Member, size_bytes: int) -> None:
        """Count *size_bytes* that came out of *member*."""
        self.taken_bytes += size_bytes
        if self.taken_bytes > self._limit():
            self._refuse(member, f"unpacks to more than {self._limit():,} bytes")

    def _limit(self) -> int:
        return max(self._packed_bytes() * _MAX_RATIO, _MAX_SMALL_BYTES)

    def _refuse(self, member: Member, problem: str) -> NoReturn:
        raise unsound(f"{shown_name(member.name)} {problem}")


def _safe_path(member: Member) -> PurePosixPath:
    name, shown = member.name, shown_name(member.name)
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or _DRIVE.match(name):
        raise unsound(f"the name {shown} leads elsewhere")
    if not name.isascii() or not name.isprintable():
        _check_characters(name)
    if not name or (not path.parts and member.kind == "file"):
        raise unsound(f"{shown} is no name for a file")
    parts_bytes = [len(part.encode()) for part in path.parts]
    if max(parts_bytes, default=0) > _MAX_PART_BYTES or sum(parts_bytes) > _MAX_PATH_BYTES:
        raise unsound(f"the name {shown} is too long")
    if len(path.parts) > _MAX_DEPTH:
        raise unsound(f"{shown} is more than {_MAX_DEPTH} folders deep")
    return path


def _check_characters(name: str) -> None:
    odd = next((each for each in name if unicodedata.category(each) in _ODD_CATEGORIES), None)
    if odd is not None:
        raise unsound(f"the name {shown_name(name)} has the character U+{ord(odd):04X}")

"""The steps that make a folder and that give one to another user, each with its undo."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from aava_cli.errors import NotPossible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_AGAIN = "run the same command again"
_REAL_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW


@dataclass(frozen=True, slots=True)
class MakeFolder:
    """Make one folder, for *owner* if that is named; undo leaves one that holds something.

    *path* has no links in it.
    """

    path: Path
    mode: int
    owner: int | None = None
    kind: str = "make-folder"

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> MakeFolder:
        """Return the step that `to_json` described."""
        return cls(Path(fields["path"]), fields["mode"], fields["owner"])

    def to_json(self) -> dict[str, Any]:
        """Return what the journal needs to build this step again."""
        return {"path": str(self.path), "mode": self.mode, "owner": self.owner}

    @property
    def was(self) -> str | None:
        """What was there before: nothing."""
        return None

    @property
    def becomes(self) -> str:
        """Who may use it."""
        return f"{self.mode:o}"

    def check(self) -> None:
        """Raise `NotPossible` if something is there by now."""
        if os.path.lexists(self.path):
            raise NotPossible(f"`{self.path}` is there by now", hint=_AGAIN)

    def apply(self) -> None:
        """Make the folder; whose it is and who may use it is as was asked for, umask or not."""
        with _real_folder(self.path.parent) as above:
            os.mkdir(self.path.name, dir_fd=above)
        with _real_folder(self.path) as made:
            if self.owner is not None:
                os.fchown(made, self.owner, -1)
            os.fchmod(made, self.mode)

    def undo(self, *, recovering: bool) -> None:  # noqa: ARG002 - the same after a crash
        """Remove the folder again, unless somebody put something into it."""
        with suppress(OSError):
            self.path.rmdir()


@dataclass(frozen=True, slots=True)
class Ownership:
    """Whose a folder is, and who may use it."""

    owner: int
    group: int
    mode: int

    def __str__(self) -> str:
        return f"{self.owner}:{self.group} {self.mode:o}"

    @classmethod
    def of(cls, path: Path) -> Ownership:
        """Return whose *path* is now; what a link leads to is not looked at."""
        return cls._in(path.lstat())

    @classmethod
    def _in(cls, found: os.stat_result) -> Ownership:
        return cls(found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode))

    def give(self, path: Path) -> None:
        """Make *path* so.

        Raises:
            OSError: it is no folder, or a link leads to it, by whoever put that there.
        """
        with _real_folder(path) as folder:
            now = Ownership._in(os.fstat(folder))
            if (now.owner, now.group) != (self.owner, self.group):
                os.fchown(folder, self.owner, self.group)
            os.fchmod(folder, self.mode)


@contextmanager
def _real_folder(path: Path) -> Iterator[int]:
    """Open the folder *path*, no part of which may be a link.

    Whoever owns a folder above can put a link in its place at any moment.
    """
    opened = os.open("/", _REAL_FOLDER)
    try:
        for part in (*path.parts[1:], None):
            # The last is opened again, to be changed: a place alone cannot be.
            flags = os.O_RDONLY | os.O_DIRECTORY if part is None else _REAL_FOLDER
            above, opened = opened, os.open(part or ".", flags, dir_fd=opened)
            os.close(above)
        yield opened
    finally:
        os.close(opened)


@dataclass(frozen=True, slots=True)
class GiveFolder:
    """Change whose a folder is and who may use it; what is in it stays as it is.

    *path* has no links in it.
    """

    path: Path
    old: Ownership
    new: Ownership
    kind: str = "give-folder"

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> GiveFolder:
        """Return the step that `to_json` described."""
        old, new = (Ownership(**fields[name]) for name in ("old", "new"))
        return cls(Path(fields["path"]), old, new)

    def to_json(self) -> dict[str, Any]:
        """Return what the journal needs to build this step again."""
        return {"path": str(self.path), "old": asdict(self.old), "new": asdict(self.new)}

    @property
    def was(self) -> str | None:
        """Whose it was, and who could use it."""
        return str(self.old)

    @property
    def becomes(self) -> str:
        """Whose it becomes, and who may use it."""
        return str(self.new)

    def check(self) -> None:
        """Raise `NotPossible` if somebody else has changed it since it was looked at."""
        if not _is_folder(self.path) or Ownership.of(self.path) != self.old:
            message = f"`{self.path}` is not what it was a moment ago"
            raise NotPossible(message, hint=_AGAIN)

    def apply(self) -> None:
        """Make the change."""
        self.new.give(self.path)

    def undo(self, *, recovering: bool) -> None:  # noqa: ARG002 - the same after a crash
        """Make it as it was; a folder that is gone needs nothing."""
        if _is_folder(self.path):
            self.old.give(self.path)


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


FolderStep: TypeAlias = MakeFolder | GiveFolder
FOLDER_STEPS: Mapping[str, Callable[[Mapping[str, Any]], FolderStep]] = {
    "make-folder": MakeFolder.from_json,
    "give-folder": GiveFolder.from_json,
}

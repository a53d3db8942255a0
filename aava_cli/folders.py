"""The steps that make a folder and that give one to another user, each with its undo."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from aava_cli.errors import NotPossible

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_AGAIN = "run the same command again"


@dataclass(frozen=True, slots=True)
class MakeFolder:
    """Make one folder, for *owner* if that is named; undo leaves one that holds something."""

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
        self.path.mkdir()
        if self.owner is not None:
            os.chown(self.path, self.owner, -1)
        self.path.chmod(self.mode)

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
        """Return whose *path* is now."""
        found = path.stat()
        return cls(found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode))

    def give(self, path: Path) -> None:
        """Make *path* so."""
        now = Ownership.of(path)
        if (now.owner, now.group) != (self.owner, self.group):
            os.chown(path, self.owner, self.group)
        path.chmod(self.mode)


@dataclass(frozen=True, slots=True)
class GiveFolder:
    """Change whose a folder is and who may use it; what is in it stays as it is."""

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
        if not self.path.is_dir() or Ownership.of(self.path) != self.old:
            message = f"`{self.path}` is not what it was a moment ago"
            raise NotPossible(message, hint=_AGAIN)

    def apply(self) -> None:
        """Make the change."""
        self.new.give(self.path)

    def undo(self, *, recovering: bool) -> None:  # noqa: ARG002 - the same after a crash
        """Make it as it was; a folder that is gone needs nothing."""
        if self.path.is_dir():
            self.old.give(self.path)


FolderStep: TypeAlias = MakeFolder | GiveFolder
FOLDER_STEPS: Mapping[str, Callable[[Mapping[str, Any]], FolderStep]] = {
    "make-folder": MakeFolder.from_json,
    "give-folder": GiveFolder.from_json,
}

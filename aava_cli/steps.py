"""The steps that a transaction is made of, each with its undo."""

from __future__ import annotations

import base64
import os
from contextlib import suppress
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from aava_cli.errors import NotPossible, RecoveryDue
from aava_cli.files import atomic_write, clear_leftovers
from aava_cli.files import remove as remove_file

if TYPE_CHECKING:
    from collections.abc import Mapping


class Step(Protocol):
    """One change that can be undone, also by another process that only has the journal."""

    @property
    def kind(self) -> str:
        """The name under which the journal keeps steps of this sort."""
        ...

    def check(self) -> None:
        """Raise if the world is no longer what the plan was made from."""
        ...

    def apply(self) -> None:
        """Make the change and verify it."""
        ...

    def undo(self, *, recovering: bool) -> None:
        """Bring the old state back, however far `apply` came, and verify it."""
        ...

    def to_json(self) -> dict[str, Any]:
        """Return what the journal needs to build this step again."""
        ...


@dataclass(frozen=True, slots=True)
class WriteFile:
    """Replace the bytes of one file; `old` None means that there was no file."""

    path: Path
    old: bytes | None
    new: bytes
    mode: int | None = None
    owner: tuple[int, int] | None = None
    kind: str = "write-file"

    @classmethod
    def change(cls, path: Path, old: bytes | None, new: bytes) -> WriteFile:
        """Return the step that changes *path* from *old* to *new*."""
        if old is None:
            return cls(path, None, new)
        status = path.stat()
        return cls(path, old, new, status.st_mode & 0o7777, (status.st_uid, status.st_gid))

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> WriteFile:
        """Return the step that `to_json` described."""
        old = fields["old"]
        return cls(
            Path(fields["path"]),
            None if old is None else base64.b64decode(old),
            base64.b64decode(fields["new"]),
            fields["mode"],
            tuple(fields["owner"]) if fields["owner"] else None,
        )

    def to_json(self) -> dict[str, Any]:
        """Return what the journal needs to build this step again."""
        return {
            "path": str(self.path),
            "old": None if self.old is None else base64.b64encode(self.old).decode(),
            "new": base64.b64encode(self.new).decode(),
            "mode": self.mode,
            "owner": self.owner,
        }

    def check(self) -> None:
        """Raise `NotPossible` if another program changed the file, or we may not change it."""
        folder = self.path.resolve().parent
        if folder.is_dir() and not os.access(folder, os.W_OK):
            message = f"`{self.path}` cannot be written: `{folder}` belongs to somebody else"
            raise NotPossible(
                message, hint=f"run `chown $(id -u) {folder}` as root, then try again"
            )
        if self._content() != self.old:
            message = f"`{self.path}` was changed by another program in the meantime"
            raise NotPossible(message, hint="run the same command again")

    def apply(self) -> None:
        """Write the new bytes, unless another program has changed the file since it was read."""
        self.check()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(self.path, self.new, mode=self.mode)

    def undo(self, *, recovering: bool) -> None:
        """Bring the old bytes, owner and mode back.

        Raises:
            RecoveryDue: another program has changed the file; its bytes are left alone.
        """
        if recovering:
            clear_leftovers(self.path)
        content = self._content()
        if content == self.old:
            return
        if content not in (None, self.new) and not self._is_torn(content):
            message = f"`{self.path}` was changed by another program during the switch"
            hint = f"move your version of `{self.path}` away, then run `aava recover`"
            raise RecoveryDue(message, hint=hint)
        if self.old is None:
            # A link to where no file was stays; what it points to was ours.
            remove_file(self.path.resolve())
        else:
            atomic_write(self.path, self.old, mode=self.mode)
            self._restore_owner()

    def _is_torn(self, content: bytes) -> bool:
        """Return whether *content* is our own write in place that did not come to its end."""
        same = takewhile(lambda pair: pair[0] == pair[1], zip(content, self.new, strict=False))
        done = sum(1 for _pair in same)
        return content[done:] == (self.old or b"")[done:]

    def _restore_owner(self) -> None:
        if self.owner is not None:
            with suppress(PermissionError):
                os.chown(self.path, *self.owner)

    def _content(self) -> bytes | None:
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return None

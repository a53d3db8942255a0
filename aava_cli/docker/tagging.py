"""The step of a transaction that has a tag name another image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aava_cli.docker.engine import find_image, remove_tag, require_engine, tag_image
from aava_cli.docker.problems import ImageMissing
from aava_cli.errors import NotPossible, RecoveryDue

if TYPE_CHECKING:
    from collections.abc import Mapping

_ID_LETTERS = 12


def sibling(image: str, tag: str) -> str:
    """Return the name of *image* with *tag* in place of its own.

    Raises:
        NotPossible: it is named by its content, and can be no other.
    """
    if "@" in image:
        message = f"the Compose file pins the image `{image}` by its digest"
        raise NotPossible(message, hint="give the service an `image:` with a tag")
    folder, slash, name = image.rpartition("/")
    # A colon before the last slash belongs to a registry's port.
    return f"{folder}{slash}{name.partition(':')[0]}:{tag}"


@dataclass(frozen=True, slots=True)
class MoveTag:
    """Have *tag* name the image *new*; *old* is what it names before, None where there is none."""

    tag: str
    old: str | None
    new: str
    engine_id: str
    kind: str = "move-tag"

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> MoveTag:
        """Return the step that `to_json` described."""
        return cls(fields["tag"], fields["old"], fields["new"], fields["engine_id"])

    def to_json(self) -> dict[str, Any]:
        """Return what the journal needs to build this step again."""
        return {"tag": self.tag, "old": self.old, "new": self.new, "engine_id": self.engine_id}

    def check(self) -> None:
        """Raise `NotPossible` if another program has moved the tag since the plan was made."""
        if _named(self.tag) != self.old:
            message = f"`{self.tag}` names another image than before: another program built it"
            raise NotPossible(message, hint="run the same command again")

    def apply(self) -> None:
        """Move the tag."""
        self.check()
        tag_image(self.new, self.tag)

    def undo(self, *, recovering: bool) -> None:
        """Move the tag back; an image that another program gave it meanwhile keeps a name.

        Raises:
            RecoveryDue: the engine or the old image is not there.
        """
        # Who recovers may have another context than who began.
        if recovering and require_engine().id != self.engine_id:
            message = "another Docker engine answers than the one that was changed"
            raise RecoveryDue(message, hint="set `DOCKER_HOST` or the context as it was then")
        now = _named(self.tag)
        if now == self.old or (self.old is None and now != self.new):
            # Where there was no tag, one that somebody else has set since is theirs.
            return
        if now not in (None, self.new):
            tag_image(now, sibling(self.tag, f"aava-found-{now.rpartition(':')[2][:_ID_LETTERS]}"))
        self._move_back()

    def _move_back(self) -> None:
        if self.old is None:
            remove_tag(self.tag)
            return
        try:
            tag_image(self.old, self.tag)
        except ImageMissing as error:
            message = f"the image that `{self.tag}` named is gone"
            hint = "build it anew with `docker compose build`, then run `aava recover`"
            raise RecoveryDue(message, hint=hint) from error


def _named(tag: str) -> str | None:
    image = find_image(tag)
    return image.id if image else None

"""What `models resolve` answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from aava_cli.output import Result, Table, human_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aava_cli.download.resolving.probe import Kind
    from aava_cli.download.resolving.surroundings import Switch
    from aava_cli.errors import AavaError

Where: TypeAlias = "Kind | Literal['file', 'catalog', 'hub', 'engine']"

_WORDS = {
    "folder": "the folder that was named",
    "file": "the file that was named",
    "models-dir": "LOCAL_MODELS_DIR, by its whole name",
    "models-dir-name": "LOCAL_MODELS_DIR, by the last part of its name",
    "cache": "the hub's cache",
    "hub": "the hub",
    "catalog": "the models folder",
    "engine": "what the engine fetches itself",
}


@dataclass(frozen=True, slots=True)
class Looked:
    """One place that was looked at, and why it was not taken; None is the one that was."""

    where: Where
    place: str
    why_not: str | None


@dataclass(frozen=True, slots=True)
class Located(Result):
    """Where a model is loaded from, and every place that was looked at on the way.

    *where* is None where it cannot be loaded at all, and *path* where nothing of it is on disk.
    """

    id: str
    where: Where | None
    path: Path | None
    revision: str | None = None
    commit: str | None = None
    size_bytes: int | None = None
    offline: bool = False
    switches: tuple[Switch, ...] = ()
    looked: tuple[Looked, ...] = ()
    warnings: tuple[str, ...] = ()
    failed: AavaError | None = None

    def text(self) -> Iterator[str | Table]:
        """Yield the place, then a row for each that was looked at."""
        if self.where is not None:
            yield f"{'model':<9}{self.id}"
            yield f"{'from':<9}{_WORDS[self.where]}"
        facts = {
            "path": self.path,
            "commit": self.commit,
            "size": human_bytes(self.size_bytes) if self.size_bytes else None,
            "offline": _said(self.switches) if self.offline else None,
        }
        yield from (f"{label:<9}{value}" for label, value in facts.items() if value)
        rows = tuple((each.where, each.place, each.why_not or "taken") for each in self.looked)
        yield Table(("LOOKED AT", "PLACE", ""), rows)

    def failure(self) -> AavaError | None:
        """Return why it cannot be loaded."""
        return self.failed


def _said(switches: tuple[Switch, ...]) -> str:
    return ", ".join(f"{each.name}={each.value}" for each in switches if each.on) or "--offline"

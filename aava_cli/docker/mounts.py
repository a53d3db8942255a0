"""Where the files of a container are on its host."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from aava_cli.settings import CONTAINER_MODELS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from aava_cli.settings import Settings


@dataclass(frozen=True, slots=True)
class Mount:
    """A folder or file of the host that a container sees under another name."""

    inside: str
    outside: Path
    writable: bool = True

    @property
    def depth(self) -> int:
        """How deep in the container's tree it begins."""
        return len(PurePosixPath(self.inside).parts)


def usual_mounts(settings: Settings) -> tuple[Mount, ...]:
    """Return where models are as long as no container says otherwise."""
    return (Mount(str(CONTAINER_MODELS), settings.models_dir),)


def host_path(inside: str, mounts: Iterable[Mount]) -> Path | None:
    """Return the host's path of the container's path *inside*; None if it is in the image."""
    path = PurePosixPath(inside)
    holding = [mount for mount in mounts if path.is_relative_to(mount.inside)]
    if not holding:
        return None
    # A mount below another hides what the upper one has there.
    nearest = max(holding, key=lambda mount: mount.depth)
    return nearest.outside / path.relative_to(nearest.inside)

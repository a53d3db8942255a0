"""What a pull answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aava_cli.output import Result, human_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import PurePosixPath

    from aava_cli.store import Provenance


@dataclass(frozen=True, slots=True)
class PulledFile:
    """A file on disk, who vouches for it, and whether it was fetched just now."""

    path: PurePosixPath
    size_bytes: int
    sha256: str
    source: str
    provenance: Provenance
    fetched: bool


@dataclass(frozen=True, slots=True)
class PulledModel:
    """A model that is ready; without files of its own, its engine fetches it."""

    model: str
    path: PurePosixPath | None
    has_files: bool
    files: tuple[PulledFile, ...]


@dataclass(frozen=True, slots=True)
class Pulled(Result):
    """Models that are on disk and verified; *downloaded_bytes* came over the network."""

    models: tuple[PulledModel, ...]
    downloaded_bytes: int

    def text(self) -> Iterator[str]:
        """Yield a line per model."""
        for model in self.models:
            yield f"{_verb(model)}  {model.model}{_details(model)}"
        if not self.downloaded_bytes:
            yield "nothing was downloaded"


def _verb(model: PulledModel) -> str:
    return "pulled" if any(file.fetched for file in model.files) else "ready "


def _details(model: PulledModel) -> str:
    if not model.has_files:
        return ": its engine fetches it when it is loaded"
    size = human_bytes(sum(file.size_bytes for file in model.files))
    if not model.files:
        return f": {model.path}, not verified"
    vouchers = sorted({file.provenance for file in model.files})
    return f": {model.path}, {size}, sha256 from {', '.join(vouchers)}"

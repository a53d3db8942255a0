"""The answer to `--version`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aava_cli.output import Result

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Version(Result):
    """Which aava this is."""

    version: str

    def text(self) -> Iterable[str]:
        """Yield name and version."""
        yield f"aava {self.version}"

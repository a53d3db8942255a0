"""What `models ls --partial` answers: the downloads that were begun, and who is at work on them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aava_cli.download.sharing.lease import all_claims
from aava_cli.download.sharing.shelf import about, is_folder_name, kept_bytes, last_touched, writer
from aava_cli.output import Result, Table, human_bytes, human_time
from aava_cli.processes import liveness
from aava_cli.store import work_folders

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aava_cli.processes import Process
    from aava_cli.settings import Settings


@dataclass(frozen=True, slots=True)
class PartialRow:
    """One download that was begun; nobody is at work on one without a *holder*."""

    name: str
    source: str
    done_bytes: int
    size_bytes: int | None
    idle_s: int
    holder: str | None
    path: Path


@dataclass(frozen=True, slots=True)
class Partials(Result):
    """The downloads that were begun and are not finished."""

    partials: tuple[PartialRow, ...]

    def text(self) -> Iterator[str | Table]:
        """Yield a row per download."""
        rows = tuple(_cells(row) for row in self.partials)
        if rows:
            yield Table(("FILE", "KEPT", "IDLE", "HOLDER", "SOURCE"), rows)
        else:
            yield "no download was begun"


def list_partials(settings: Settings) -> Partials:
    """Return what was begun in the project."""
    rows = tuple(
        _row(folder, work)
        for work in work_folders(settings)
        for folder in sorted((work / "partial").glob("*"))
        if is_folder_name(folder.name)
    )
    return Partials(rows)


def _row(folder: Path, work: Path) -> PartialRow:
    known = about(folder)
    return PartialRow(
        known.name if known else folder.name,
        known.source if known else "unknown",
        kept_bytes(folder),
        known.size_bytes if known else None,
        max(0, int(time.time() - last_touched(folder))),
        _holder(writer(folder), work),
        folder,
    )


def _holder(process: Process | None, work: Path) -> str | None:
    if process is None or liveness(process) == "dead":
        return None
    for _, claim in all_claims(work):
        if claim is not None and claim.process == process:
            return str(claim.holder)
    return f"pid {process.pid}" if liveness(process) == "alive" else "a process of another host"


def _cells(row: PartialRow) -> tuple[str, ...]:
    size = f" of {human_bytes(row.size_bytes)}" if row.size_bytes is not None else ""
    kept = f"{human_bytes(row.done_bytes)}{size}"
    return (row.name, kept, human_time(row.idle_s), row.holder or "-", row.source)

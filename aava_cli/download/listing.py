"""What `models list` and `models show` answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aava_cli.backends import BACKENDS
from aava_cli.catalog import CLOUD, plain
from aava_cli.errors import NotFound, UsageError
from aava_cli.output import Result, Table, human_bytes
from aava_cli.store import State, local_models, read_receipt, state_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path, PurePosixPath

    from aava_cli.catalog import Catalog, Model, RemoteFile
    from aava_cli.roles import Role
    from aava_cli.settings import Settings
    from aava_cli.store import Receipt


@dataclass(frozen=True, slots=True)
class Filter:
    """Which models are listed; what is None or false does not count."""

    role: Role | None = None
    backend: str | None = None
    language: str | None = None
    installed: bool = False


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One model of the catalog, and whether it is on disk."""

    id: str
    name: str
    role: Role
    backend: str
    language: str | None
    size_bytes: int | None
    recommended: bool
    state: State


@dataclass(frozen=True, slots=True)
class LocalRow:
    """A model on disk that the catalog does not know."""

    path: PurePosixPath
    role: Role
    backend: str


@dataclass(frozen=True, slots=True)
class Models(Result):
    """The models that fit a filter, and those on disk that the catalog does not know."""

    models: tuple[ModelRow, ...]
    others: tuple[LocalRow, ...]
    models_dir: Path

    def text(self) -> Iterator[str | Table]:
        """Yield a row per model."""
        rows = tuple(_model_cells(row) for row in self.models)
        rows += tuple(_local_cells(row) for row in self.others)
        if rows:
            yield Table(("MODEL", "ROLE", "BACKEND", "LANGUAGE", "SIZE", "STATE"), rows)
        else:
            yield "no model fits"


@dataclass(frozen=True, slots=True)
class Shown(Result):
    """Everything known about one model."""

    model: Model
    state: State
    path: Path | None
    receipt: Receipt | None

    def text(self) -> Iterator[str | Table]:
        """Yield a line per fact."""
        model = self.model
        facts = {
            "model": f"{model.id} ({model.name})",
            "backend": f"{model.backend} ({model.role})",
            "language": model.language,
            "licence": model.licence,
            "size": human_bytes(model.approx_bytes) if model.approx_bytes else None,
            "memory": f"{model.ram_gb} GB" if model.ram_gb else None,
            "state": self.state,
            "path": self.path,
            "options": ", ".join(f"{key}={value}" for key, value in model.options.items()),
        }
        for label, value in facts.items():
            if value:
                yield f"{label:<9}{value}"
        for file in model.files:
            yield from _describe_file(file)
        if self.receipt:
            vouchers = sorted({file.provenance for file in self.receipt.files})
            yield f"{'pulled':<9}{self.receipt.when}, sha256 from {', '.join(vouchers)}"


def list_models(settings: Settings, catalog: Catalog, chosen: Filter) -> Models:
    """Return the models of *catalog* and on disk that fit *chosen*.

    Raises:
        NotFound: no backend has the name that was chosen; the nearest are given.
    """
    known = (*BACKENDS, CLOUD)
    if chosen.backend is not None and plain(chosen.backend) not in map(plain, known):
        raise NotFound.named("backend", chosen.backend, known, listing="aava models list")
    rows = tuple(_row(settings, model) for model in catalog.models.values() if _fits(model, chosen))
    if chosen.installed:
        rows = tuple(row for row in rows if row.state in ("installed", "found", "damaged"))
    others = () if chosen.language else tuple(_unknown(settings, catalog, chosen))
    return Models(rows, others, settings.models_dir)


def refuse_filters(chosen: Filter) -> None:
    """Check that nothing is *chosen*: of a download that was begun only its file is known.

    Raises:
        UsageError: something is.
    """
    if chosen != Filter():
        message = "`--partial` shows every download that was begun"
        raise UsageError(message, hint="leave the other options out")


def show_model(settings: Settings, model: Model) -> Shown:
    """Return what is known about *model*."""
    path = settings.models_dir / model.path if model.path else None
    receipt = read_receipt(settings, model.id)
    return Shown(model.shown(), state_of(settings, model), path, receipt)


def _fits(model: Model, chosen: Filter) -> bool:
    if chosen.role not in (None, model.role):
        return False
    if chosen.backend is not None and plain(chosen.backend) != plain(model.backend):
        return False
    return chosen.language is None or _speaks(model, chosen.language)


def _speaks(model: Model, language: str) -> bool:
    """Return whether *model* speaks *language*: `en` is also `en-US`, but not the reverse."""
    own, wanted = plain(model.language or ""), plain(language)
    return own == wanted or own.startswith(wanted + "-")


def _row(settings: Settings, model: Model) -> ModelRow:
    return ModelRow(
        model.id,
        model.name,
        model.role,
        model.backend,
        model.language,
        model.approx_bytes,
        model.recommended,
        state_of(settings, model),
    )


def _unknown(settings: Settings, catalog: Catalog, chosen: Filter) -> Iterator[LocalRow]:
    known = {file.path for model in catalog.models.values() for file in model.files}
    known |= {model.path for model in catalog.models.values() if model.path}
    for backend in BACKENDS.values():
        if chosen.role not in (None, backend.role):
            continue
        if chosen.backend is not None and plain(chosen.backend) != plain(backend.name):
            continue
        for path in _relative(local_models(settings, backend), settings):
            if path not in known:
                yield LocalRow(path, backend.role, backend.name)


def _relative(paths: Iterable[Path], settings: Settings) -> Iterator[PurePosixPath]:
    from pathlib import PurePosixPath

    return (PurePosixPath(path.relative_to(settings.models_dir)) for path in paths)


def _model_cells(row: ModelRow) -> tuple[str, ...]:
    size = human_bytes(row.size_bytes) if row.size_bytes else "-"
    star = " *" if row.recommended else ""
    return (row.id + star, row.role, row.backend, row.language or "-", size, row.state)


def _local_cells(row: LocalRow) -> tuple[str, ...]:
    return (str(row.path), row.role, row.backend, "-", "-", "not in the catalog")


def _describe_file(file: RemoteFile) -> Iterator[str]:
    known = f", sha256 {file.sha256}" if file.sha256 else ", no known sha256"
    size = f", {human_bytes(file.size_bytes)}" if file.size_bytes is not None else ""
    packed = f", from a {file.archive.format}" if file.archive else ""
    yield f"{'file':<9}{file.path}{size}{packed}{known}"
    for source in file.sources:
        yield f"{'':<9}{source}"

"""Remove a model's files: its own, and only those."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aava_cli.backends import BACKENDS, selected_in
from aava_cli.catalog import plain
from aava_cli.download.presence import contained
from aava_cli.errors import NotFound, NotPossible
from aava_cli.files import fsync_folder
from aava_cli.output import Result, human_bytes
from aava_cli.store import read_receipt, receipts, remove_receipt, state_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path, PurePosixPath

    from aava_cli.catalog import Catalog, Model
    from aava_cli.settings import Settings


@dataclass(frozen=True, slots=True)
class Removed(Result):
    """What is gone; *kept* are files that other models on disk need too.

    Of a model that was not on disk nothing is.
    """

    model: str
    paths: tuple[PurePosixPath, ...]
    kept: tuple[PurePosixPath, ...]
    freed_bytes: int

    def text(self) -> Iterator[str]:
        """Yield a line per file."""
        if not self.paths and not self.kept:
            yield f"nothing of `{self.model}` is on disk"
            return
        for path in self.paths:
            yield f"removed  {path}"
        for path in self.kept:
            yield f"kept     {path}, which another model needs"
        yield f"{human_bytes(self.freed_bytes)} freed"


@dataclass(frozen=True, slots=True)
class RemovalPlan:
    """What is to be removed: files, and folders that are the model's as a whole."""

    model: str
    paths: tuple[PurePosixPath, ...]
    kept: tuple[PurePosixPath, ...]


def plan_removal(name: str, catalog: Catalog, settings: Settings) -> RemovalPlan:
    """Return which files of the model *name* go; what others of *catalog* on disk share stays.

    A model that is not on disk has an empty plan.

    Raises:
        NotFound: neither a catalog nor a receipt has a model of that name.
    """
    model_id, own = _find(name, catalog, settings)
    receipt = read_receipt(settings, model_id)
    if receipt is not None:
        # A folder that came out of an archive may hold what people added.
        pulled = [file.path for file in receipt.files]
        own = (*pulled, *(path for path in own if not _has_any_within(path, pulled)))
    present = [path for path in own if (settings.models_dir / path).exists()]
    shared = _shared(model_id, catalog.models.values(), settings)
    return RemovalPlan(
        model_id,
        tuple(path for path in present if path not in shared),
        tuple(path for path in present if path in shared),
    )


def refuse_selected(plan: RemovalPlan, env: Mapping[str, str], settings: Settings) -> None:
    """Check that `.env`, whose values are *env*, selects nothing that *plan* removes.

    Raises:
        NotPossible: it does.
    """
    paths = [settings.models_dir / path for path in plan.paths]
    for backend in BACKENDS.values():
        if backend.env_key and env.get(backend.env_key, backend.name) != backend.name:
            continue
        for value in selected_in(backend, env).values.values():
            selected = settings.host_path(value)
            if any(_overlap(selected, path) for path in paths):
                message = f"`.env` selects `{value}`, which is of `{plan.model}`"
                hint = f"run `aava switch --{backend.role} ...` first, or add `--force`"
                raise NotPossible(message, hint=hint)


def apply_removal(plan: RemovalPlan, settings: Settings) -> Removed:
    """Remove what *plan* names, the receipt last: a removal that was cut off can be repeated.

    Raises:
        NotPossible: a path leads out of the models folder.
    """
    targets = [contained(settings, path) for path in plan.paths]
    freed_bytes = sum(map(_size, targets))
    for target in targets:
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target)
        else:
            target.unlink(missing_ok=True)
    for target in targets:
        _drop_empty_folders(target.parent, settings)
    remove_receipt(settings, plan.model)
    return Removed(plan.model, plan.paths, plan.kept, freed_bytes)


def _find(name: str, catalog: Catalog, settings: Settings) -> tuple[str, tuple[PurePosixPath, ...]]:
    """Return the id of the model *name*, and where its files should be."""
    try:
        model = catalog.find(name)
    except NotFound:
        # Its entry may be gone from the catalog; its receipt still says what was pulled.
        if plain(name) not in (receipt.model for receipt in receipts(settings)):
            raise
        return plain(name), ()
    return model.id, tuple(file.path for file in model.files)


def _has_any_within(path: PurePosixPath, pulled: Sequence[PurePosixPath]) -> bool:
    return any(each.is_relative_to(path) for each in pulled)


def _shared(model_id: str, others: Iterable[Model], settings: Settings) -> set[PurePosixPath]:
    absent = ("missing", "remote")
    return {
        file.path
        for other in others
        if other.id != model_id and state_of(settings, other) not in absent
        for file in other.files
    }


def _overlap(one: Path, other: Path) -> bool:
    return one.is_relative_to(other) or other.is_relative_to(one)


def _size(path: Path) -> int:
    if path.is_dir():
        return sum(each.lstat().st_size for each in path.rglob("*") if each.is_file())
    return path.lstat().st_size


def _drop_empty_folders(folder: Path, settings: Settings) -> None:
    """Remove *folder* and those above it while they are empty; `stt` and the like stay."""
    while len(folder.relative_to(settings.models_dir).parts) > 1:
        if folder.exists():
            if any(folder.iterdir()):
                break
            folder.rmdir()
        folder = folder.parent
    if folder.exists():
        fsync_folder(folder)

"""Write `aava.lock` from what is on disk, and hold pulls and checks to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aava_cli.download.lockfile import LOCK_NAME, parse_lock, pin_model, render_lock
from aava_cli.download.verify import FileCheck, Verified
from aava_cli.errors import IntegrityError, NotFound, NotPossible
from aava_cli.files import atomic_write
from aava_cli.output import Result
from aava_cli.store import covers, read_receipt

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from aava_cli.catalog import Catalog, Model
    from aava_cli.download.lockfile import Lock
    from aava_cli.download.presence import Judge
    from aava_cli.settings import Settings
    from aava_cli.store import ReceiptFile


@dataclass(frozen=True, slots=True)
class Locked(Result):
    """The models that were written to the lock, and all that it has now."""

    path: Path
    models: tuple[str, ...]
    all_models: tuple[str, ...]

    def text(self) -> Iterator[str]:
        """Yield a line per model."""
        for model in self.models:
            yield f"locked  {model}"
        yield f"`{self.path}` has {len(self.all_models)} models"


def lock_file(settings: Settings) -> Path:
    """Return where the project's lock is."""
    return settings.project / LOCK_NAME


def read_lock(settings: Settings) -> Lock:
    """Return the project's lock.

    Raises:
        NotFound: there is none.
        ConfigError: it is damaged.
    """
    from aava_cli.session import read_text

    path = lock_file(settings)
    if not path.is_file():
        raise NotFound(f"there is no `{path}`", hint="run `aava models lock` to write one")
    return parse_lock(read_text(path), name=str(path))


def write_lock(models: Sequence[Model], judge: Judge, *, replace: bool) -> Locked:
    """Record what is on disk of *models*, beside what the lock has unless it is to *replace* it.

    Raises:
        NotFound: a model was not pulled.
        NotPossible: a model has no files of its own.
        IntegrityError: a file is not what it was when it was pulled.
        ConfigError: the lock that is there is damaged.
    """
    path = lock_file(judge.settings)
    added = {model.id: recorded_files(model, judge) for model in models}
    old = {} if replace or not path.is_file() else read_lock(judge.settings)
    lock = {**old, **added}
    text = render_lock(lock).encode()
    if not path.is_file() or path.read_bytes() != text:
        atomic_write(path, text)
    return Locked(path, tuple(sorted(added)), tuple(sorted(lock)))


def lockable(models: Iterable[Model], settings: Settings) -> tuple[Model, ...]:
    """Return those of *models* that were pulled whole."""

    def is_recorded(model: Model) -> bool:
        receipt = read_receipt(settings, model.id) if model.files else None
        return receipt is not None and covers(receipt, model)

    return tuple(filter(is_recorded, models))


def pin_models(names: Sequence[str], catalog: Catalog, settings: Settings) -> tuple[Model, ...]:
    """Return the models *names*, or all that the lock has, with the bytes that it names.

    Raises:
        NotFound: there is no lock, it lacks a model, or the catalog does.
        IntegrityError: lock and catalog name other bytes.
        ConfigError: the lock is damaged.
    """
    lock = read_lock(settings)
    return tuple(pin_model(model, lock) for model in catalog.expand(names or lock))


def verify_locked(names: Sequence[str], catalog: Catalog, judge: Judge) -> Verified:
    """Return what is on disk of the models *names*, or of all locked ones, measured by the lock.

    Raises:
        As `pin_models` does.
    """
    lock = read_lock(judge.settings)
    models = pin_models(names, catalog, judge.settings)
    return Verified(
        tuple(
            FileCheck(model.id, each.path, judge.judge_recorded(each), each.provenance)
            for model in models
            for each in lock[model.id]
        )
    )


def recorded_files(model: Model, judge: Judge) -> tuple[ReceiptFile, ...]:
    """Return what was recorded of *model* when it was pulled, all of it being so still.

    Raises:
        NotFound: it was not pulled.
        NotPossible: it has no files of its own.
        IntegrityError: a file is not what it was.
    """
    if not model.files:
        hint = "leave it out: it has no files here"
        raise NotPossible(f"`{model.id}` is fetched by its engine", hint=hint)
    receipt = read_receipt(judge.settings, model.id)
    if receipt is None or not covers(receipt, model):
        raise NotFound(f"`{model.id}` was not pulled", hint=f"run `aava models pull {model.id}`")
    for each in receipt.files:
        if judge.judge_recorded(each) != "good":
            message = f"`{each.path}` is not what it was when it was pulled"
            raise IntegrityError(message, hint=f"run `aava models pull {model.id}`")
    return receipt.files

"""Models that go by a name of the catalog, or that somebody put into the models folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aava_cli.backends import BACKENDS
from aava_cli.download.resolving.answer import Located, Looked
from aava_cli.errors import AavaError, IntegrityError, NotFound, Offline
from aava_cli.store import local_models, state_of

if TYPE_CHECKING:
    from pathlib import Path

    from aava_cli.catalog import Catalog, Model
    from aava_cli.settings import Settings


def find_owned(
    name: str, catalog: Catalog, settings: Settings, *, offline: bool
) -> Located | NotFound:
    """Return where the model that we call *name* is, or that no one model is called so.

    Raises:
        ConfigError: its receipt is damaged.
    """
    try:
        return locate_model(catalog.find(name), settings, offline=offline)
    except NotFound as error:
        path = _put_there(name, settings)
        if path is None:
            return error
    return Located(name, "catalog", path, looked=(Looked("catalog", str(path), None),))


def locate_model(model: Model, settings: Settings, *, offline: bool) -> Located:
    """Return where *model* of the catalog is; *offline* it cannot be fetched.

    Raises:
        ConfigError: its receipt is damaged.
    """
    if model.path is None or not model.files:
        place = f"{model.backend}: {', '.join(model.options.values()) or model.name}"
        return Located(model.id, "engine", None, looked=(Looked("engine", place, None),))
    path = settings.models_dir / model.path
    failed = _failure(model, path, settings, offline=offline)
    looked = Looked("catalog", str(path), failed.message if failed else None)
    if failed is not None:
        return Located(model.id, None, None, looked=(looked,), failed=failed)
    return Located(model.id, "catalog", path, looked=(looked,))


def _failure(model: Model, path: Path, settings: Settings, *, offline: bool) -> AavaError | None:
    hint = f"run `aava models pull {model.id}`"
    match state_of(settings, model):
        case "missing":
            message = f"`{model.id}` is not on disk: `{path}` is missing"
            if offline:
                return Offline(message, hint=f"{hint} with a network")
            return NotFound(message, hint=hint)
        case "damaged":
            files = (settings.models_dir / each.path for each in model.files)
            lost = [each for each in files if not each.exists()]
            listed = ", ".join(f"`{each}` is missing" for each in lost) or "a size is wrong"
            return IntegrityError(f"`{model.id}` is incomplete: {listed}", hint=hint)
    return None


def _put_there(name: str, settings: Settings) -> Path | None:
    every = (path for each in BACKENDS.values() for path in local_models(settings, each))
    return next((path for path in every if name in (path.name, path.stem)), None)

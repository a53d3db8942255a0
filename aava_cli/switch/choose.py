"""Look up what `--stt`, `--llm` and `--tts` name: a backend, a model, or both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aava_cli import store
from aava_cli.backends import BACKENDS, Selection, backend_named, selected_in
from aava_cli.errors import IntegrityError, NotFound, NotPossible, UsageError
from aava_cli.modelfiles import check_model
from aava_cli.settings import CONTAINER_MODELS, container_path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aava_cli.backends import Backend
    from aava_cli.catalog import Model
    from aava_cli.roles import Role
    from aava_cli.session import Session


@dataclass(frozen=True, slots=True)
class Choice:
    """What one option names; *model_id* is its catalog entry, if it has one."""

    selection: Selection
    model_id: str | None = None


def choose(session: Session, role: Role, text: str) -> Choice:
    """Return what *text* selects for *role*: `backend`, `backend:model` or a model's name.

    Raises:
        NotFound: nothing goes by that name; the nearest names are given.
        UsageError: the model is for another role.
        NotPossible: the model runs in the cloud.
    """
    head, colon, tail = text.partition(":")
    if colon:
        named = backend_named(head, role=role)
        return _model_of(session, (named,), tail, kin=named.name)
    backend = _backend_if_named(text, role)
    if backend is not None:
        return _usual_model(session, backend)
    return _model_of(session, _backends_of(role), text)


def check_installed(session: Session, choice: Choice) -> None:
    """Check that the model is here and is what it should be: some bad files kill the daemon.

    Raises:
        NotFound: it is not installed.
        IntegrityError: a file of it is not what it should be.
    """
    backend, path = choice.selection.backend, _host_path(session, choice.selection)
    if not choice.selection.model:
        message = f"no model of `{backend.name}` is installed"
        hint = f"run `aava models list --backend {backend.name}`, then `aava models pull NAME`"
        raise NotFound(message, hint=hint)
    if path is None:
        return
    if not path.exists():
        name = choice.model_id or path.name
        message = f"`{name}` is not installed: there is no `{path}`"
        raise NotFound(message, hint=f"run `aava models pull {name}`")
    try:
        check_model(backend, path)
    except IntegrityError as error:
        again = f"run `aava models pull {choice.model_id}` to fetch it again"
        hint = again if choice.model_id else f"replace `{path}` by a whole copy"
        raise IntegrityError(error.message, hint=hint) from error


def _backend_if_named(text: str, role: Role) -> Backend | None:
    try:
        return backend_named(text, role=role)
    except NotFound:
        return None


def _backends_of(role: Role) -> tuple[Backend, ...]:
    return tuple(backend for backend in BACKENDS.values() if backend.role == role)


def _model_of(
    session: Session, backends: tuple[Backend, ...], name: str, *, kin: str | None = None
) -> Choice:
    for backend, path in _placed_by_hand(session, backends):
        if name in (path.name, path.stem, str(path)):
            return Choice(_selection_of_file(session, backend, path))
    try:
        model = session.catalog().find(name, backend=kin)
    except NotFound as error:
        known = _names(session, backends)
        raise NotFound.named("model", name, known, listing="aava models list") from error
    return Choice(_selection_of(model, backends), model.id)


def _names(session: Session, backends: tuple[Backend, ...]) -> Iterator[str]:
    """Yield all that the user may have meant: backends, models of the catalog, files."""
    for backend in backends:
        yield backend.name
    for model in session.catalog().models.values():
        if BACKENDS.get(model.backend) in backends:
            yield model.id
            yield model.path.stem if model.path else model.id
    for _backend, path in _placed_by_hand(session, backends):
        yield path.stem


def _placed_by_hand(
    session: Session, backends: tuple[Backend, ...]
) -> Iterator[tuple[Backend, Path]]:
    """Yield the files under the models folder that no catalog entry accounts for."""
    settings = session.settings
    known = {
        settings.models_dir / model.path
        for model in session.catalog().models.values()
        if model.path is not None
    }
    for backend in backends:
        for path in store.local_models(settings, backend):
            if path not in known:
                yield backend, path


def _selection_of_file(session: Session, backend: Backend, path: Path) -> Selection:
    from pathlib import PurePosixPath

    relative = PurePosixPath(path.relative_to(session.settings.models_dir))
    return Selection(backend, {backend.model: container_path(relative)})


def _selection_of(model: Model, backends: tuple[Backend, ...]) -> Selection:
    backend = BACKENDS.get(model.backend)
    if backend is None:
        message = f"`{model.id}` runs in the cloud; the daemon cannot load it"
        raise NotPossible(message, hint=f"run `aava models list --role {model.role}`")
    if backend not in backends:
        message = f"`{model.id}` is a {model.role} model"
        raise UsageError(message, hint=f"use `--{model.role} {model.id}`")
    return Selection(backend, model.values(CONTAINER_MODELS))


def _usual_model(session: Session, backend: Backend) -> Choice:
    """Return what *backend* last ran with, else an installed model, the recommended one first."""
    for choice in _usual_choices(session, backend):
        path = _host_path(session, choice.selection)
        if choice.selection.model and (path is None or path.exists()):
            return choice
    return Choice(Selection(backend, {}))


def _usual_choices(session: Session, backend: Backend) -> Iterator[Choice]:
    yield Choice(selected_in(backend, session.env()))
    models = [each for each in session.catalog().models.values() if each.backend == backend.name]
    for model in sorted(models, key=lambda each: not each.recommended):
        yield Choice(_selection_of(model, (backend,)), model.id)
    for owner, path in _placed_by_hand(session, (backend,)):
        yield Choice(_selection_of_file(session, owner, path))


def _host_path(session: Session, selection: Selection) -> Path | None:
    """Return where the model's file is on this host; None for what the engine fetches itself."""
    if not selection.model.startswith("/"):
        return None
    return session.settings.host_path(selection.model)

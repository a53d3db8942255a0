"""Look up what `--stt`, `--llm` and `--tts` name: a backend, a model, or both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aava_cli import store
from aava_cli.backends import BACKENDS, Selection, backend_named, selected_in
from aava_cli.errors import NotFound, NotPossible, UsageError
from aava_cli.modelfiles import check_model
from aava_cli.settings import CONTAINER_MODELS, container_path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aava_cli.backends import Backend
    from aava_cli.catalog import Model
    from aava_cli.roles import Role
    from aava_cli.session import Session


def choose(session: Session, role: Role, text: str) -> Selection:
    """Return what *text* selects for *role*: `backend`, `backend:model` or a model's name.

    The model's files are there and pass their checks: some bad files kill the daemon.

    Raises:
        NotFound: nothing goes by that name, or the model is not installed.
        UsageError: the model is for another role.
        IntegrityError: a file of the model is not what it should be.
    """
    head, colon, tail = text.partition(":")
    if colon:
        named = backend_named(head, role=role)
        selection = _model_of(session, (named,), tail, kin=named.name)
    elif (backend := _backend_if_named(text, role)) is not None:
        selection = _usual_model(session, backend)
    else:
        selection = _model_of(session, _backends_of(role), text)
    _check_files(session, selection)
    return selection


def _backend_if_named(text: str, role: Role) -> Backend | None:
    try:
        return backend_named(text, role=role)
    except NotFound:
        return None


def _backends_of(role: Role) -> tuple[Backend, ...]:
    return tuple(backend for backend in BACKENDS.values() if backend.role == role)


def _model_of(
    session: Session, backends: tuple[Backend, ...], name: str, *, kin: str | None = None
) -> Selection:
    for backend, path in _placed_by_hand(session, backends):
        if name in (path.name, path.stem, str(path)):
            return _selection_of_file(session, backend, path)
    try:
        model = session.catalog().find(name, backend=kin)
    except NotFound as error:
        known = _names(session, backends)
        raise NotFound.named("model", name, known, listing="aava models list") from error
    return _selection_of(model, backends)


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


def _usual_model(session: Session, backend: Backend) -> Selection:
    """Return what *backend* last ran with, else an installed model, the recommended one first."""
    selected = selected_in(backend, session.env())
    if selected.model and _is_there(session, selected):
        return selected
    models = [each for each in session.catalog().models.values() if each.backend == backend.name]
    by_hand = [
        _selection_of_file(session, owner, path)
        for owner, path in _placed_by_hand(session, (backend,))
    ]
    usual = sorted(models, key=lambda model: not model.recommended)
    for selection in (*(_selection_of(model, (backend,)) for model in usual), *by_hand):
        if _is_there(session, selection):
            return selection
    message = f"no model of `{backend.name}` is installed"
    hint = f"run `aava models list --backend {backend.name}`, then `aava models pull NAME`"
    raise NotFound(message, hint=hint)


def _is_there(session: Session, selection: Selection) -> bool:
    path = _host_path(session, selection)
    return path is None or path.exists()


def _check_files(session: Session, selection: Selection) -> None:
    path = _host_path(session, selection)
    if path is None:
        return
    if not path.exists():
        name = path.stem if path.suffix else path.name
        message = f"`{name}` is not installed: there is no `{path}`"
        raise NotFound(message, hint=f"run `aava models pull {name}`")
    check_model(selection.backend, path)


def _host_path(session: Session, selection: Selection) -> Path | None:
    """Return where the model's file is on this host; None for what the engine fetches itself."""
    if not selection.model.startswith("/"):
        return None
    return session.settings.host_path(selection.model)

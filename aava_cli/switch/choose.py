"""Look up what `--stt`, `--llm` and `--tts` name: a backend, a model, or both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aava_cli import store
from aava_cli.backends import BACKENDS, Selection, backend_in_env, backend_named, selected_in
from aava_cli.errors import NotFound, NotPossible, UsageError
from aava_cli.installed import check_files
from aava_cli.roles import ROLES
from aava_cli.settings import CONTAINER_MODELS, container_path
from aava_cli.switch.options import parse_options, with_options
from aava_cli.voicefiles import model_root, options_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from aava_cli.backends import Backend, Values
    from aava_cli.catalog import Model
    from aava_cli.roles import Role
    from aava_cli.session import Session


@dataclass(frozen=True, slots=True)
class Choice:
    """What one option names; *model_id* is its catalog entry, if it has one."""

    selection: Selection
    model_id: str | None = None


def choose_all(
    session: Session, names: Mapping[Role, str], options: Iterable[str]
) -> tuple[Choice, ...]:
    """Return what *names* select by role, with *options* such as `llm.context=4096`.

    A role that has options and no name keeps the model that `.env` selects.

    Raises:
        NotFound: nothing goes by a name; the nearest names are given.
        UsageError: a model is for another role, or a value is out of range.
        NotPossible: a model runs in the cloud.
    """
    by_role = parse_options(options)
    return tuple(
        choose(session, role, names.get(role), by_role.get(role, {}))
        for role in ROLES
        if role in names or role in by_role
    )


_NO_OPTIONS: Values = {}


def choose(session: Session, role: Role, text: str | None, options: Values = _NO_OPTIONS) -> Choice:
    """Return what *text* selects for *role*: `backend`, `backend:model` or a model's name.

    Without *text* it is what `.env` selects. Raises as `choose_all` does.
    """
    found = _selected(session, role) if text is None else _named(session, role, text)
    chosen = with_options(_rooted(session, found.selection), options)
    # Another model than the catalog's is no longer vouched for by its entry.
    same = chosen.model == found.selection.model
    return Choice(chosen, found.model_id if same else None)


def _selected(session: Session, role: Role) -> Choice:
    env = session.env()
    backend = backend_in_env(role, env)
    selection = selected_in(backend, env) if backend else None
    if selection is None or not selection.model:
        message = f"`.env` selects no {role} model that options could be for"
        raise NotFound(message, hint=f"name one as well: `aava switch --{role} WHAT`")
    return Choice(selection)


def _rooted(session: Session, selection: Selection) -> Selection:
    """Return *selection* with the folder that the daemon will say it loaded."""
    path = _host_path(session, selection)
    root = model_root(selection.backend, path) if path else None
    if path is None or root is None or root == path:
        return selection
    named = f"{selection.model.rstrip('/')}/{root.name}"
    return Selection(selection.backend, {**selection.values, selection.backend.model: named})


def _named(session: Session, role: Role, text: str) -> Choice:
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
    check_files(session, choice.selection, choice.model_id)


def installed_choices(session: Session, role: Role) -> Iterator[Choice]:
    """Yield every model for *role* that is on disk, those of catalogs first."""
    backends = _backends_of(role)
    for model in session.catalog().models.values():
        if BACKENDS.get(model.backend) not in backends:
            continue
        choice = Choice(_rooted(session, _selection_of(model, backends)), model.id)
        path = _host_path(session, choice.selection)
        if path is not None and path.exists():
            yield choice
    for backend, path in _placed_by_hand(session, backends):
        yield Choice(_rooted(session, _selection_of_file(session, backend, path)))


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

    model = container_path(PurePosixPath(path.relative_to(session.settings.models_dir)))
    # What the files say of themselves need not be said by whoever put them there.
    said = {
        option: f"{model.rpartition('/')[0]}/{value}" if option == "vocoder" else value
        for option, value in options_of(backend, path).items()
    }
    return Selection(backend, {backend.model: model, **said})


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
        choice = Choice(_selection_of(model, (backend,)), model.id)
        # Nobody's words go to somebody else's computer unless that was asked for by name.
        if not choice.selection.is_elsewhere:
            yield choice
    for owner, path in _placed_by_hand(session, (backend,)):
        yield Choice(_selection_of_file(session, owner, path))


def _host_path(session: Session, selection: Selection) -> Path | None:
    """Return where the model's file is on this host; None for what the engine fetches itself."""
    if not selection.model.startswith("/"):
        return None
    return session.settings.host_path(selection.model)

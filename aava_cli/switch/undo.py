"""Find the way back from changes: what was selected before them, as a switch of its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, TypeAlias

from aava_cli import envfile, yamlfile
from aava_cli.backends import (
    BACKENDS,
    Selection,
    backend_in_env,
    backend_in_status,
    running_in,
    selected_in,
)
from aava_cli.errors import NotFound, NotPossible
from aava_cli.roles import ROLES
from aava_cli.switch.plan import with_resets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from aava_cli.history import PastChange
    from aava_cli.roles import Role
    from aava_cli.steps import WriteFile
    from aava_cli.switch.plan import State

    Values: TypeAlias = Mapping[Any, Any]
    # For each value that was altered, what it was at first and what it was in the end.
    Altered: TypeAlias = dict[Any, tuple[Any, Any]]

_ABSENT = object()


@dataclass(frozen=True, slots=True)
class WayBack:
    """The texts of the files as they are to be, and what the daemon is to run.

    *left* are the roles of which nothing is known to have run before; they keep their model.
    """

    env: str
    yaml: str | None
    wanted: tuple[Selection, ...]
    left: tuple[Role, ...]


def changes_to_undo(history: tuple[PastChange, ...], number: int) -> tuple[PastChange, ...]:
    """Return the change *number* of *history* and those that came about after it, newest first.

    Those that replaced the image stay: what they wrote is nothing that a switch writes.

    Raises:
        NotFound: there is no such change.
        NotPossible: it replaced the image.
    """
    made = tuple(each for each in history if each.number is not None)
    if not made:
        raise NotFound("no change was made here yet", hint="change a model with `aava switch`")
    if number > len(made):
        message = f"no change {number}: {len(made)} are remembered"
        raise NotFound(message, hint="run `aava history` to see them")
    if made[number - 1].changed_image:
        message = f"change {number} replaced the daemon's image"
        raise NotPossible(message, hint="run `aava rebuild rollback` to have the earlier one again")
    return tuple(each for each in made[:number] if not each.changed_image)


def way_back(past: tuple[PastChange, ...], state: State, *, force: bool = False) -> WayBack:
    """Return what takes *past*, newest first, back; *force* also sets back what differs now.

    Files that nobody else has written get their very bytes back, others their values.

    Raises:
        NotPossible: somebody else has changed a value since.
        ConfigError: a file does not parse.
    """
    env_altered = _altered(past, state.env_name, envfile.read)
    yaml_altered = _altered(past, state.yaml_name, _leaves)
    if not force:
        _refuse_changed(env_altered, envfile.read(state.env, name=state.env_name))
        _refuse_changed(yaml_altered, _leaves(state.yaml or ""))
    env = _env_back(past, state, env_altered)
    values = envfile.read(env, name=state.env_name)
    roles = [role for role in ROLES if env_altered.keys() & _keys_of(role)]
    found = {role: _wanted(role, values, env_altered, past[-1]) for role in roles}
    now = envfile.read(state.env, name=state.env_name)
    return WayBack(
        env,
        _yaml_back(past, state, yaml_altered),
        tuple(with_resets(each, now) for each in found.values() if each),
        tuple(role for role, each in found.items() if each is None),
    )


def _altered(
    past: Iterable[PastChange], name: str, read: Callable[[str], Mapping[Any, object]]
) -> Altered:
    altered: Altered = {}
    for step in _files_of(past, name):
        before, after = read((step.old or b"").decode()), read(step.new.decode())
        for key in {**before, **after}:
            old, new = before.get(key, _ABSENT), after.get(key, _ABSENT)
            if old != new:
                altered[key] = (old, altered[key][1] if key in altered else new)
    return altered


def _files_of(past: Iterable[PastChange], name: str) -> Iterator[WriteFile]:
    # The project may have moved since.
    same = PurePath(name).name
    return (step for change in past for step in change.files if step.path.name == same)


def _leaves(text: str) -> Mapping[tuple[str, ...], object]:
    return yamlfile.leaves(yamlfile.load(text, name="the YAML overlay"))


def _refuse_changed(altered: Altered, now: Values) -> None:
    changed = [key for key, known in altered.items() if now.get(key, _ABSENT) not in known]
    if changed:
        dotted = (key if isinstance(key, str) else ".".join(key) for key in changed)
        names = ", ".join(f"`{each}`" for each in dotted)
        message = f"{names} was changed by somebody else since; nothing was touched"
        hint = "set it back all the same with `--force`, or choose with `aava switch`"
        raise NotPossible(message, hint=hint)


def _env_back(past: tuple[PastChange, ...], state: State, altered: Altered) -> str:
    text = _as_it_was(state.env, past, state.env_name)
    if text is not None:
        return text
    back = {key: None if old is _ABSENT else old for key, (old, _new) in altered.items()}
    return envfile.edit(state.env, back, name=state.env_name)


def _yaml_back(past: tuple[PastChange, ...], state: State, altered: Altered) -> str | None:
    if state.yaml is None:
        return None
    text = _as_it_was(state.yaml, past, state.yaml_name)
    if text is not None:
        return text
    # What was added goes first: a null may have been where it is now.
    gone = [path for path, (old, _new) in altered.items() if old is _ABSENT]
    kept = {path: old for path, (old, _new) in altered.items() if old is not _ABSENT}
    nulls = {path: yamlfile.NULL for path, old in kept.items() if old is None}
    return yamlfile.edit(state.yaml, dict.fromkeys(gone) | kept | nulls, name=state.yaml_name)


def _as_it_was(text: str, past: Iterable[PastChange], name: str) -> str | None:
    """Return the very text from before *past*, or None where somebody wrote in between."""
    for step in _files_of(past, name):
        if text.encode() != step.new:
            return None
        text = (step.old or b"").decode()
    return text


def _keys_of(role: Role) -> set[str]:
    kin = [backend for backend in BACKENDS.values() if backend.role == role]
    names = {setting.env for backend in kin for setting in backend.settings}
    return names | {backend.env_key for backend in kin if backend.env_key}


def _wanted(
    role: Role, env: Mapping[str, str], altered: Altered, oldest: PastChange
) -> Selection | None:
    """Return what *env* selects for *role*, else what ran before; None where nothing did."""
    backend = backend_in_env(role, env)
    selected = selected_in(backend, env) if backend else None
    ran = _ran(role, oldest)
    if selected is None or not selected.model:
        return ran
    if ran is None or ran.backend != selected.backend:
        return selected
    # What no file said before the change was the daemon's own choice.
    own = {
        option: value
        for option, value in ran.values.items()
        if ran.backend.setting(option).env in altered
    }
    return Selection(selected.backend, {**own, **selected.values})


def _ran(role: Role, oldest: PastChange) -> Selection | None:
    backend = backend_in_status(role, oldest.before) if role in oldest.loaded else None
    return running_in(backend, oldest.before) if backend else None

"""Decide what a switch changes: the files, the request, its inverse, and what must hold after."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, TypeVar

from aava_cli import envfile, yamlfile
from aava_cli.backends import BACKENDS, Selection, running_in
from aava_cli.daemon.status import Expectation, is_minimal, is_native, loaded_roles, slots_of
from aava_cli.errors import NotPossible
from aava_cli.output import Result, Table
from aava_cli.redact import shown
from aava_cli.roles import ROLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aava_cli.backends import Backend
    from aava_cli.roles import Role

Key = TypeVar("Key")
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class State:
    """What a plan is made from: the texts of the files and two replies of the daemon.

    `yaml` is None where the project has no engine, and so no overlay to keep.
    """

    url: str
    env: str
    env_name: str
    yaml: str | None
    yaml_name: str
    status: Mapping[str, Any]
    capabilities: Mapping[str, bool]


@dataclass(frozen=True, slots=True)
class Change:
    """One value that will differ, as it may be shown; None where there is none."""

    where: str
    key: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class SwitchPlan(Result):
    """All that one switch does; nothing at all where everything already is as wished."""

    changes: tuple[Change, ...]
    env: str
    yaml: str | None
    request: Mapping[str, Any]
    inverse: Mapping[str, Any]
    after: Expectation
    before: Expectation

    @property
    def is_empty(self) -> bool:
        """Whether files and daemon already are as wished."""
        return not self.changes and not self.request

    def text(self) -> Iterable[str | Table]:
        """Yield what would change."""
        if self.is_empty:
            yield "nothing to change"
            return
        rows = tuple(
            (each.where, each.key, each.old or "-", each.new or "-") for each in self.changes
        )
        yield Table(("where", "key", "now", "then"), rows)
        yield "the daemon loads other models" if self.request else "the daemon is left alone"


def plan_switch(wanted: tuple[Selection, ...], state: State, *, tidy: bool = False) -> SwitchPlan:
    """Return what brings *wanted* about from *state*; *tidy* removes void lines of its keys.

    Raises:
        NotPossible: the daemon cannot run a backend; nothing may be touched.
        ConfigError: `.env` or the YAML overlay does not parse.
        UsageError: a value cannot be written to `.env`.
    """
    env = envfile.read(state.env, name=state.env_name)
    chosen = tuple(with_resets(each, env) for each in wanted)
    new_env = _merged(each.env() for each in chosen)
    plan = plan_texts(
        chosen,
        envfile.edit(state.env, new_env, name=state.env_name, tidy=tidy),
        _edit_yaml(state, _merged(each.yaml() for each in chosen)),
        state,
    )
    void = envfile.duplicates(state.env, new_env if tidy else (), name=state.env_name)
    return replace(plan, changes=(*map(_tidying, void), *plan.changes))


def plan_texts(
    wanted: tuple[Selection, ...], env: str, yaml: str | None, state: State
) -> SwitchPlan:
    """Return what makes *env* and *yaml* the texts of the files and has the daemon run *wanted*.

    Raises:
        NotPossible: the daemon cannot run a backend; nothing may be touched.
        ConfigError: a text does not parse.
    """
    for selection in wanted:
        _require_able(selection.backend, state)
    chosen = {each.backend.role: each for each in wanted}
    running = _running_selections(state.status)
    moving = tuple(each for each in chosen.values() if not _already_runs(each, state.status))
    loaded = loaded_roles(state.status, ROLES)
    return SwitchPlan(
        changes=(
            *env_changes(state.env, env, name=state.env_name),
            *yaml_changes(state.yaml, yaml, name=state.yaml_name),
            *_runtime_changes({role: running[role] for role in loaded if role in running}, moving),
        ),
        env=env,
        yaml=yaml,
        request=_request(moving),
        inverse=_request(running[each.backend.role] for each in moving),
        after=_expectation({**running, **chosen}.values(), {*loaded, *chosen}),
        before=_expectation(running.values(), loaded),
    )


def _require_able(backend: Backend, state: State) -> None:
    if not state.capabilities.get(backend.capability, False):
        message = f"the daemon cannot run `{backend.name}`: it was installed without it"
        if is_native(state.status) and not backend.distribution:
            message = f"`aava serve` has no engine for `{backend.name}`"
        raise NotPossible(message, hint=_install_hint(backend, state.status))
    if backend.role == "llm" and is_minimal(state.status):
        message = "the daemon runs in minimal mode, which loads no language model"
        hint = "set `LOCAL_AI_MODE=full` in `.env`, restart the daemon, then try again"
        raise NotPossible(message, hint=hint)


def _install_hint(backend: Backend, status: Mapping[str, Any]) -> str:
    if is_native(status) and backend.distribution:
        command = f"python -m pip install {backend.distribution}"
        return f"run `{command}` in the environment of `aava serve`, then restart it"
    if is_native(status):
        kin = [each for each in BACKENDS.values() if each.role == backend.role]
        able = ", ".join(f"`{each.name}`" for each in kin if each.distribution)
        return f"choose one of {able}, or run the daemon in Docker"
    return (
        "run `docker compose build --build-arg "
        f"{backend.build_arg}=true local_ai_server`, then start it again"
    )


def with_resets(selection: Selection, env: Mapping[str, str]) -> Selection:
    """Return *selection* with what an earlier model asked for taken back."""
    resets = {
        setting.option: setting.reset
        for setting in selection.backend.settings
        if setting.reset and env.get(setting.env) and setting.option not in selection.values
    }
    return Selection(selection.backend, {**resets, **selection.values})


def _running_selections(status: Mapping[str, Any]) -> dict[Role, Selection]:
    return {
        slot.role: running_in(slot.backend, status) for slot in slots_of(status) if slot.backend
    }


def _already_runs(selection: Selection, status: Mapping[str, Any]) -> bool:
    return not _expectation([selection], (selection.backend.role,)).mismatches(status)


def _expectation(selections: Iterable[Selection], loaded: Iterable[Role]) -> Expectation:
    values = _merged(selection.expected() for selection in selections)
    return Expectation(values, tuple(sorted(loaded)))


def _request(selections: Iterable[Selection]) -> dict[str, Any]:
    """Return the fields of the one request for *selections*; each request reloads every role."""
    message: dict[str, Any] = {}
    for selection in selections:
        for key, value in selection.request().items():
            if isinstance(value, dict):
                message[key] = {**message.get(key, {}), **value}
            else:
                message[key] = value
    return message


def _edit_yaml(state: State, values: Mapping[tuple[str, ...], str]) -> str | None:
    if state.yaml is None:
        return None
    return yamlfile.edit(state.yaml, values, name=state.yaml_name)


def env_changes(old: str, new: str, *, name: str = ".env") -> Iterable[Change]:
    """Yield the values in which two texts of `.env` differ."""
    yield from _differences(".env", envfile.read(old, name=name), envfile.read(new, name=name))


def yaml_changes(old: str | None, new: str | None, *, name: str) -> Iterable[Change]:
    """Yield the values in which two texts of the YAML overlay differ."""
    trees = (yamlfile.leaves(yamlfile.load(text or "", name=name)) for text in (old, new))
    before, after = (
        {".".join(map(str, path)): value for path, value in tree.items()} for tree in trees
    )
    if old != new:
        yield from _differences(PurePath(name).name, before, after)


def _differences(
    where: str, old: Mapping[str, object], new: Mapping[str, object]
) -> Iterable[Change]:
    for key in {**new, **old}:
        if key not in old or key not in new or old[key] != new[key]:
            before, after = (
                shown(key, str(values[key])) if key in values else None for values in (old, new)
            )
            yield Change(where, key, before, after)


def _tidying(void: envfile.Duplicate) -> Change:
    value = None if void.value is None else shown(void.key, void.value)
    return Change(".env", f"{void.key} in line {void.line}", value, None)


def _runtime_changes(
    running: Mapping[Role, Selection], moving: Iterable[Selection]
) -> Iterable[Change]:
    for selection in moving:
        role = selection.backend.role
        yield Change("daemon", role, _name(running.get(role)), _name(selection))


def _name(selection: Selection | None) -> str:
    return str(selection) if selection and selection.model else "nothing"


def _merged(parts: Iterable[Mapping[Key, Value]]) -> dict[Key, Value]:
    return {key: value for part in parts for key, value in part.items()}

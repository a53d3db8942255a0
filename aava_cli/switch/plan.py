"""Decide what a switch changes: the files, the request, its inverse, and what must hold after."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

from aava_cli import envfile, yamlfile
from aava_cli.backends import BACKENDS, Selection, running_in
from aava_cli.daemon.exchange import Exchange
from aava_cli.daemon.status import Expectation, is_minimal, is_native, loaded_roles, slots_of
from aava_cli.errors import NotPossible
from aava_cli.output import Result, Table
from aava_cli.roles import ROLES
from aava_cli.switch.routing import NO_ROUTING, Routing, plan_routing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from aava_cli.backends import Backend, Setting
    from aava_cli.roles import Role
    from aava_cli.yamlfile import Scalar

Key = TypeVar("Key")
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Runtime:
    """The daemon as it runs: two of its replies, and whether Compose can replace its container."""

    url: str
    status: Mapping[str, Any]
    capabilities: Mapping[str, bool]
    in_container: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """What a plan is made from: the texts of the files and the daemon, None if it is not asked.

    *yaml* is None where the project has no engine, and so no overlay to keep; *base* and
    *merged* are the engine's configuration without the overlay and with it.
    """

    env: str
    env_name: str
    yaml: str | None
    yaml_name: str
    runtime: Runtime | None
    base: Mapping[str, object] = field(default_factory=dict)
    merged: Mapping[str, object] = field(default_factory=dict)


Way: TypeAlias = Literal["hot", "recreate", "files"]
"""How a change is applied: asked of the running daemon, by a new container, or in files alone."""


@dataclass(frozen=True, slots=True)
class Change:
    """One value that will differ."""

    where: str
    key: str
    old: str | None
    new: str


@dataclass(frozen=True, slots=True)
class SwitchPlan(Result):
    """All that one switch does; nothing at all where everything already is as wished."""

    changes: tuple[Change, ...]
    env: str
    yaml: str | None
    way: Way
    exchange: Exchange
    routing: Mapping[str, str | None]
    because: str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether files and daemon already are as wished."""
        return not self.changes and self.way == "files"

    def text(self) -> Iterable[str | Table]:
        """Yield what would change."""
        if self.is_empty:
            yield "nothing to change"
            return
        rows = tuple((each.where, each.key, each.old or "-", each.new) for each in self.changes)
        yield Table(("where", "key", "now", "then"), rows)
        yield (
            "the daemon loads other models" if self.exchange.request else "the daemon is left alone"
        )


def plan_switch(
    wanted: tuple[Selection, ...], state: State, routing: Routing = NO_ROUTING
) -> SwitchPlan:
    """Return what brings *wanted* and *routing* about from *state*.

    Raises:
        NotPossible: the daemon cannot run a backend, or has to be started again and nobody
            here can do that; nothing may be touched.
        NotFound: there is no such provider or pipeline.
        ConfigError: `.env` or the YAML overlay does not parse.
        UsageError: a value cannot be written to `.env`.
    """
    if state.runtime is not None:
        for selection in wanted:
            _require_able(selection, state.runtime)
    env = envfile.read(state.env, name=state.env_name)
    chosen = {each.backend.role: _with_resets(each, env) for each in wanted}
    new_env = _merged(each.env() for each in chosen.values())
    routed = plan_routing(routing, state.base, state.merged, {**env, **new_env})
    new_yaml: dict[tuple[str, ...], Scalar | None] = {
        **_merged(each.yaml() for each in chosen.values()),
        **routed,
    }
    moves = _moves(chosen, env, state.runtime)
    file_changes = (*_env_changes(env, new_env), *_yaml_changes(state, new_yaml))
    return SwitchPlan(
        changes=(*file_changes, *moves.changes),
        env=envfile.edit(state.env, new_env, name=state.env_name),
        yaml=_edit_yaml(state, new_yaml),
        way=moves.way,
        exchange=moves.exchange,
        routing={path[0]: _shown(value) for path, value in routed.items()},
        because=moves.because,
    )


@dataclass(frozen=True, slots=True)
class _Moves:
    """What becomes of the daemon."""

    way: Way
    exchange: Exchange
    changes: tuple[Change, ...] = ()
    because: str | None = None


_NO_MOVES = _Moves("files", Exchange({}, {}, Expectation({}, ()), Expectation({}, ())))


def _moves(
    chosen: Mapping[Role, Selection], env: Mapping[str, str], runtime: Runtime | None
) -> _Moves:
    if runtime is None:
        return _NO_MOVES
    status = runtime.status
    running = _running_selections(status, env)
    moving = tuple(
        each
        for role, each in chosen.items()
        if not _already_runs(each, status) or each.unseen_changes(running.get(role))
    )
    unread = [setting for each in chosen.values() for setting in each.needs_restart(env)]
    if not moving and not unread:
        return _NO_MOVES
    loaded = loaded_roles(status, ROLES)
    # A daemon that starts again reads all roles from `.env`, whatever it ran before.
    kept = {} if unread else running
    exchange = Exchange(
        request={} if unread else _request(moving),
        inverse=_request(running[each.backend.role] for each in moving),
        after=_expectation({**kept, **chosen}.values(), {*loaded, *chosen}),
        before=_expectation(running.values(), loaded),
        models={each.backend.role: each.model for each in moving},
    )
    now = {role: running[role] for role in loaded if role in running}
    changes = tuple(_runtime_changes(now, moving))
    if not unread:
        return _Moves("hot", exchange, changes)
    _require_container(unread, runtime)
    return _Moves("recreate", exchange, changes, f"`{unread[0].env}`")


def _require_container(unread: Sequence[Setting], runtime: Runtime) -> None:
    if runtime.in_container:
        return
    message = f"`{unread[0].env}` takes effect only when the daemon is started again"
    hint = "add `--offline` to change the files alone, then restart the daemon"
    raise NotPossible(message, hint=hint)


def _require_able(selection: Selection, runtime: Runtime) -> None:
    status, backend, needed = runtime.status, selection.backend, selection.capability
    if needed is not None and not runtime.capabilities.get(needed, False):
        message = f"the daemon cannot run `{backend.name}`: it was installed without it"
        if is_native(status) and not backend.distribution:
            message = f"`aava serve` has no engine for `{backend.name}`"
        raise NotPossible(message, hint=_install_hint(backend, status))
    if backend.role == "llm" and is_minimal(status):
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


def _with_resets(selection: Selection, env: Mapping[str, str]) -> Selection:
    """Return *selection* with what an earlier model asked for taken back."""
    resets = {
        setting.option: setting.reset
        for setting in selection.backend.settings
        if setting.reset and env.get(setting.env) and setting.option not in selection.values
    }
    return Selection(selection.backend, {**resets, **selection.values})


def _running_selections(status: Mapping[str, Any], env: Mapping[str, str]) -> dict[Role, Selection]:
    return {
        slot.role: running_in(slot.backend, status, env)
        for slot in slots_of(status)
        if slot.backend
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


def _edit_yaml(state: State, values: Mapping[tuple[str, ...], Scalar | None]) -> str | None:
    if state.yaml is None:
        return None
    return yamlfile.edit(state.yaml, values, name=state.yaml_name)


def _env_changes(old: Mapping[str, str], new: Mapping[str, str]) -> Iterable[Change]:
    for key, value in new.items():
        if old.get(key) != value:
            yield Change(".env", key, old.get(key), value)


def _yaml_changes(state: State, new: Mapping[tuple[str, ...], Scalar | None]) -> Iterable[Change]:
    if state.yaml is None:
        return
    where = PurePath(state.yaml_name).name
    old = yamlfile.load(state.yaml, name=state.yaml_name)
    for path, value in new.items():
        present = _at(old, path)
        if present != (None if value is yamlfile.NULL else value):
            yield Change(where, ".".join(path), _shown(present), _shown(value) or "nothing")


def _shown(value: object) -> str | None:
    return None if value in (None, yamlfile.NULL) else str(value)


def _runtime_changes(
    running: Mapping[Role, Selection], moving: Iterable[Selection]
) -> Iterable[Change]:
    for selection in moving:
        role = selection.backend.role
        yield Change("daemon", role, _name(running.get(role)), _name(selection))


def _name(selection: Selection | None) -> str:
    return str(selection) if selection and selection.model else "nothing"


def _at(tree: Mapping[str, object], path: tuple[str, ...]) -> object:
    value: object = tree
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _merged(parts: Iterable[Mapping[Key, Value]]) -> dict[Key, Value]:
    return {key: value for part in parts for key, value in part.items()}

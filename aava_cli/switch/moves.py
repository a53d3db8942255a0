"""Decide what becomes of the running daemon: what it is asked, or a new container."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from aava_cli.backends import BACKENDS, Selection, running_in
from aava_cli.daemon.exchange import Exchange
from aava_cli.daemon.status import Expectation, is_minimal, is_native, loaded_roles, slots_of
from aava_cli.errors import NotPossible
from aava_cli.roles import ROLES
from aava_cli.switch.changes import Change, runtime_changes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aava_cli.backends import Backend, Setting
    from aava_cli.roles import Role

    Env: TypeAlias = Mapping[str, str]

Way: TypeAlias = Literal["hot", "recreate", "files"]
"""How a change is applied: asked of the running daemon, by a new container, or in files alone."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """The daemon as it runs: two of its replies, and whether Compose may have started it."""

    url: str
    status: Mapping[str, Any]
    capabilities: Mapping[str, bool]
    by_compose: bool = False


@dataclass(frozen=True, slots=True)
class Moves:
    """What the daemon is asked, by which way, and *because* of which key it starts again."""

    way: Way
    exchange: Exchange
    changes: tuple[Change, ...] = ()
    because: str | None = None


NO_MOVES = Moves("files", Exchange({}, {}, Expectation({}, ()), Expectation({}, ())))


def plan_moves(
    wanted: tuple[Selection, ...], old_env: Env, new_env: Env, runtime: Runtime | None
) -> Moves:
    """Return what has *runtime* run *wanted*, as `.env` changes from *old_env* to *new_env*.

    Raises:
        NotPossible: it cannot run a backend, or has to be started again and nobody here can.
    """
    if runtime is None:
        return NO_MOVES
    for selection in wanted:
        _require_able(selection, runtime)
    status = runtime.status
    running = _running(status, old_env)
    moving = tuple(each for each in wanted if _has_to_move(each, running, status))
    unread = _unread(old_env, new_env)
    if not moving and not unread:
        return NO_MOVES
    loaded = loaded_roles(status, ROLES)
    chosen = {each.backend.role: each for each in wanted}
    # A daemon that starts again reads every role from `.env`, whatever it ran before.
    kept = {} if unread else running
    exchange = Exchange(
        request={} if unread else _request(moving),
        inverse=_request(
            each.undoing(running[each.backend.role])
            for each in moving
            if each.backend.role in running
        ),
        after=_expectation({**kept, **chosen}.values(), {*loaded, *chosen}),
        before=_expectation(running.values(), loaded),
        models={each.backend.role: each.model for each in moving},
    )
    now = {role: running[role] for role in loaded if role in running}
    changes = tuple(runtime_changes(now, moving))
    if not unread:
        return Moves("hot", exchange, changes)
    _require_container(unread[0], runtime)
    return Moves("recreate", exchange, changes, unread[0])


def _unread(old_env: Env, new_env: Env) -> tuple[str, ...]:
    """Return the keys that differ and that a running daemon does not look at."""
    settings = {
        setting.env: setting
        for backend in BACKENDS.values()
        for setting in backend.settings
        if not setting.request
    }
    return tuple(
        key
        for key, setting in settings.items()
        if _effective(setting, old_env) != _effective(setting, new_env)
    )


def _effective(setting: Setting, env: Env) -> str:
    return setting.plain(env.get(setting.env) or setting.default or "")


def _require_container(key: str, runtime: Runtime) -> None:
    if runtime.by_compose:
        return
    message = f"`{key}` takes effect only when the daemon is started again"
    hint = "add `--offline` to change the files alone, then restart the daemon"
    raise NotPossible(message, hint=hint)


def _require_able(selection: Selection, runtime: Runtime) -> None:
    status, backend, needed = runtime.status, selection.backend, selection.capability
    # Even to speak to a service takes code that a daemon of ours may not have.
    unknown = is_native(status) and not backend.distribution
    if unknown or (needed is not None and not runtime.capabilities.get(needed, False)):
        message = f"the daemon cannot run `{backend.name}`: it was installed without it"
        if unknown:
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
    return f"run `aava rebuild {backend.name}`, or add `--rebuild`"


def _running(status: Mapping[str, Any], env: Env) -> dict[Role, Selection]:
    return {
        slot.role: running_in(slot.backend, status, env)
        for slot in slots_of(status)
        if slot.backend
    }


def _has_to_move(
    selection: Selection, running: Mapping[Role, Selection], status: Mapping[str, Any]
) -> bool:
    role = selection.backend.role
    tells = _expectation([selection], (role,)).mismatches(status)
    return bool(tells or selection.unseen_changes(running.get(role)))


def _expectation(selections: Iterable[Selection], loaded: Iterable[Role]) -> Expectation:
    values = {key: value for selection in selections for key, value in selection.expected().items()}
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

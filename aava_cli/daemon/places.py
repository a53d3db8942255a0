"""What each place says about a role, and where they drift apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from aava_cli.backends import (
    BACKENDS,
    Selection,
    backend_in_env,
    lookup,
    running_in,
    selected_in,
)
from aava_cli.roles import ROLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from aava_cli.daemon.status import Slot
    from aava_cli.roles import Role
    from aava_cli.session import Session

Place: TypeAlias = Literal["overlay", "container", "running"]

_DRIFTS: Mapping[Place, str] = {
    "running": "the daemon runs another model than `.env` selects",
    "overlay": "the YAML overlay names another model",
    "container": "the container was made with another model",
}
_REMEDIES: Mapping[Place, str] = {
    "running": "aava switch {options}",
    "overlay": "aava switch {options}",
    "container": "docker compose up -d --no-build --force-recreate local_ai_server",
}


@dataclass(frozen=True, slots=True)
class RoleState:
    """One role: what `.env` selects, what the others say, and what the daemon runs.

    *container* is what a container was made with, *process* the environment of the native
    daemon, over which `.env` wins. *differs* names the places that disagree with `.env`.
    """

    role: Role
    selected: str | None
    overlay: str | None
    container: str | None
    process: str | None
    running: str | None
    loaded: bool
    loading: bool
    drift: bool
    differs: tuple[Place, ...]
    error: str | None

    @property
    def note(self) -> str:
        """What a person should know about this role, in a few words."""
        if self.error:
            return self.error
        if self.drift:
            return "drift: " + "; ".join(_DRIFTS[place] for place in self.differs)
        if self.running is None:
            return ""
        if self.loading:
            return "loading"
        return "loaded" if self.loaded else "not loaded"


def remedies(roles: Iterable[RoleState]) -> Iterator[str]:
    """Yield the commands that make all places say what `.env` selects."""
    for place, remedy in _REMEDIES.items():
        drifted = [each for each in roles if place in each.differs]
        backends = ((each.role, str(each.selected).partition(":")[0]) for each in drifted)
        options = " ".join(f"--{role} {backend}" for role, backend in backends)
        if drifted:
            yield remedy.format(options=options)


@dataclass(frozen=True, slots=True)
class Sources:
    """All who say which models there should be, and the daemon, which says which there are."""

    env: Mapping[str, str]
    overlay: Mapping[str, Any]
    container: Mapping[str, str]
    process: Mapping[str, str]
    reply: Mapping[str, Any]

    @classmethod
    def of(cls, session: Session, reply: Mapping[str, Any]) -> Sources:
        """Return what is said now, where *reply* is the daemon's status, empty if it is down.

        Raises:
            ConfigError: `.env` or the YAML overlay does not parse.
        """
        from aava_cli.daemon.environment import container_environment, process_environment

        native = process_environment(reply)
        container = None if native else container_environment(session.settings.project)
        return cls(session.env(), _overlay(session), container or {}, native or {}, reply)


def _overlay(session: Session) -> Mapping[str, Any]:
    """Return the daemon's part of the YAML overlay; without one there is nothing to compare."""
    path = session.settings.overlay_yaml
    if not path.is_file():
        return {}
    from aava_cli import yamlfile
    from aava_cli.session import read_text

    tree = yamlfile.load(read_text(path), name=str(path))
    local = lookup(tree, "providers.local")
    return local if isinstance(local, dict) else {}


def role_states(sources: Sources) -> tuple[RoleState, ...]:
    """Return the state of every role."""
    from aava_cli.daemon.status import loading_in, slots_of

    reply = sources.reply
    slots: dict[Role, Slot] = {slot.role: slot for slot in slots_of(reply)} if reply else {}
    loading = loading_in(reply)
    return tuple(
        _role_state(role, sources, slots.get(role), loading=role in loading) for role in ROLES
    )


def _role_state(role: Role, sources: Sources, slot: Slot | None, *, loading: bool) -> RoleState:
    selected = _in_env(role, sources.env)
    actual = slot.backend if slot else None
    others: dict[Place, Selection | None] = {
        "running": _with_model(running_in(actual, sources.reply) if actual else None),
        "overlay": _in_overlay(role, sources.overlay),
        "container": _in_env(role, sources.container),
    }
    differs = tuple(place for place, other in others.items() if _differ(selected, other))
    return RoleState(
        role,
        _text(selected),
        overlay=_text(others["overlay"]),
        container=_text(others["container"]),
        process=_text(_in_env(role, sources.process)),
        running=_text(others["running"]),
        loaded=slot.loaded if slot else False,
        loading=loading,
        drift=bool(differs),
        differs=differs,
        error=slot.error if slot else None,
    )


def _in_env(role: Role, env: Mapping[str, str]) -> Selection | None:
    backend = backend_in_env(role, env)
    return _with_model(selected_in(backend, env) if backend else None)


def _in_overlay(role: Role, local: Mapping[str, Any]) -> Selection | None:
    backend = BACKENDS.get(str(local.get(f"{role}_backend")))
    if backend is None:
        return None
    said = ((each.option, local.get(each.yaml)) for each in backend.settings if each.yaml)
    return _with_model(Selection(backend, {key: str(value) for key, value in said if value}))


def _text(selection: Selection | None) -> str | None:
    return None if selection is None else str(selection)


def _with_model(selection: Selection | None) -> Selection | None:
    return selection if selection and selection.model else None


def _differ(selected: Selection | None, running: Selection | None) -> bool:
    if selected is None or running is None:
        return False
    return (selected.backend.name, selected.model) != (running.backend.name, running.model)

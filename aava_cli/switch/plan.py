"""Decide what a switch changes: the files, the request, its inverse, and what must hold after."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from aava_cli import envfile, yamlfile
from aava_cli.backends import Selection
from aava_cli.output import Result, Table
from aava_cli.switch.changes import env_changes, tidying, yaml_changes
from aava_cli.switch.moves import plan_moves
from aava_cli.switch.routing import KEYS, NO_ROUTING, Routing, plan_routing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aava_cli.daemon.exchange import Exchange
    from aava_cli.switch.changes import Change
    from aava_cli.switch.moves import Runtime, Way
    from aava_cli.yamlfile import Scalar

Key = TypeVar("Key")
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class State:
    """What a plan is made from: the texts of the files and the daemon, None if it is not asked.

    *yaml* is None where the project has no engine, and so no overlay to keep; *base* is the
    engine's configuration as it is shipped.
    """

    env: str
    env_name: str
    yaml: str | None
    yaml_name: str
    runtime: Runtime | None
    base: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SwitchPlan(Result):
    """All that one switch does; nothing at all where everything already is as wished.

    *routing* are the values that the engine has to read again, *because* the key that a daemon
    takes only from a new start.
    """

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
        """Yield what would change, and by which way."""
        if self.is_empty:
            yield "nothing to change"
            return
        rows = tuple(
            (each.where, each.key, each.old or "-", each.new or "-") for each in self.changes
        )
        yield Table(("where", "key", "now", "then"), rows)
        match self.way:
            case "hot":
                yield "the daemon loads other models"
            case "recreate":
                yield f"the daemon gets a new container, because of `{self.because}`"
            case "files":
                yield "the daemon is left alone"
        if self.routing:
            yield "the engine reads its configuration again"


def plan_switch(
    wanted: tuple[Selection, ...],
    state: State,
    routing: Routing = NO_ROUTING,
    *,
    tidy: bool = False,
) -> SwitchPlan:
    """Return what brings *wanted* and *routing* about; *tidy* removes void lines of the keys.

    Raises:
        NotPossible: the daemon cannot run a backend, or has to be started again and nobody
            here can do that; nothing may be touched.
        NotFound: there is no such provider or pipeline.
        ConfigError: `.env` or the YAML overlay does not parse.
        UsageError: a value cannot be written to `.env`.
    """
    env = envfile.read(state.env, name=state.env_name)
    chosen = tuple(with_resets(each, env) for each in wanted)
    new_env = _merged(each.env() for each in chosen)
    new_yaml: dict[tuple[str, ...], Scalar | None] = {
        **_merged(each.yaml() for each in chosen),
        **plan_routing(routing, state.base, _overlaid(state), {**env, **new_env}),
    }
    plan = plan_texts(
        chosen,
        envfile.edit(state.env, new_env, name=state.env_name, tidy=tidy),
        _edit_yaml(state, new_yaml),
        state,
    )
    void = envfile.duplicates(state.env, new_env if tidy else (), name=state.env_name)
    return replace(plan, changes=(*map(tidying, void), *plan.changes))


def plan_texts(
    wanted: tuple[Selection, ...], env: str, yaml: str | None, state: State
) -> SwitchPlan:
    """Return what makes *env* and *yaml* the texts of the files and has the daemon run *wanted*.

    Raises:
        NotPossible: the daemon cannot run a backend, or has to be started again and nobody
            here can do that; nothing may be touched.
        ConfigError: a text does not parse.
    """
    now, then = (envfile.read(text, name=state.env_name) for text in (state.env, env))
    moves = plan_moves(wanted, now, then, state.runtime)
    return SwitchPlan(
        changes=(
            *env_changes(state.env, env, name=state.env_name),
            *yaml_changes(state.yaml, yaml, name=state.yaml_name),
            *moves.changes,
        ),
        env=env,
        yaml=yaml,
        way=moves.way,
        exchange=moves.exchange,
        routing=_routing_changes(state, yaml),
        because=moves.because,
    )


def with_resets(selection: Selection, env: Mapping[str, str]) -> Selection:
    """Return *selection* with what an earlier model asked for taken back."""
    resets = {
        setting.option: setting.reset
        for setting in selection.backend.settings
        if setting.reset and env.get(setting.env) and setting.option not in selection.values
    }
    return Selection(selection.backend, {**resets, **selection.values})


def _edit_yaml(state: State, values: Mapping[tuple[str, ...], Scalar | None]) -> str | None:
    if state.yaml is None:
        return None
    return yamlfile.edit(state.yaml, values, name=state.yaml_name)


def _overlaid(state: State) -> Mapping[str, object]:
    return yamlfile.merge(state.base, yamlfile.load(state.yaml or "", name=state.yaml_name))


def _routing_changes(state: State, yaml: str | None) -> dict[str, str | None]:
    """Return what the engine is to use, where *yaml* says otherwise than the overlay does."""
    now = _overlaid(state)
    then: Mapping[str, Any] = _overlaid(replace(state, yaml=yaml))
    return {key: then.get(key) for key in KEYS if then.get(key) != now.get(key)}


def _merged(parts: Iterable[Mapping[Key, Value]]) -> dict[Key, Value]:
    return {key: value for part in parts for key, value in part.items()}

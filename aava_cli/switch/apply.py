"""Carry a switch out: files and daemon together, verified, or not at all."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aava_cli import yamlfile
from aava_cli.backups import keep_version
from aava_cli.daemon.client import connect
from aava_cli.daemon.enginestep import ReloadEngine
from aava_cli.daemon.loads import UNKNOWN_S
from aava_cli.daemon.step import AskDaemon
from aava_cli.journal import Journal
from aava_cli.output import Result
from aava_cli.session import FOREVER_S, read_text
from aava_cli.settings import is_compose_project
from aava_cli.steps import WriteFile
from aava_cli.store import prepare_state
from aava_cli.switch.choose import check_installed
from aava_cli.switch.moves import Runtime
from aava_cli.switch.plan import State, plan_switch
from aava_cli.switch.routing import NO_ROUTING
from aava_cli.transaction import carry_out

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path
    from typing import TypeAlias

    from aava_cli.daemon.step import Terms
    from aava_cli.roles import Role
    from aava_cli.session import Session
    from aava_cli.steps import Step
    from aava_cli.switch.changes import Change
    from aava_cli.switch.choose import Choice
    from aava_cli.switch.moves import Way
    from aava_cli.switch.plan import SwitchPlan
    from aava_cli.switch.routing import Routing

    Prove: TypeAlias = Callable[[tuple[Role, ...]], None]


@dataclass(frozen=True, slots=True)
class Switched(Result):
    """What a switch changed; nothing, where everything already was as wished."""

    changes: tuple[Change, ...]
    way: Way
    reloaded: bool

    def text(self) -> Iterable[str]:
        """Yield one line per role that runs something else now."""
        if not self.changes:
            yield "already so: nothing changed, nothing was reloaded"
            return
        for change in self.changes:
            if change.where == "daemon" and change.old != change.new:
                yield f"{change.key}: {change.old} -> {change.new}"
            elif change.where == "daemon":
                yield f"{change.key}: {change.new}, with other options"
        files = sorted({change.where for change in self.changes} - {"daemon"})
        if files:
            yield f"written: {', '.join(files)}"
        if self.reloaded:
            yield "the daemon runs the selected models, verified by a fresh status"
        else:
            yield "the daemon was not asked for anything"


@dataclass(frozen=True, slots=True)
class Wish:
    """What is wanted: models, and what the engine does with them; *offline* in files alone."""

    choices: tuple[Choice, ...] = ()
    routing: Routing = NO_ROUTING
    offline: bool = False
    tidy: bool = False


def read_state(session: Session, *, offline: bool = False) -> State:
    """Return what a plan is made from, as it is now; *offline* does not ask the daemon.

    Raises:
        ConfigError: a file is not UTF-8.
        DaemonUnreachable: the daemon does not answer.
    """
    settings = session.settings
    base, overlay = settings.base_yaml, settings.overlay_yaml
    return State(
        env=read_text(settings.env_file),
        env_name=str(settings.env_file),
        yaml=_overlay_text(overlay),
        yaml_name=str(overlay),
        runtime=None if offline else _read_runtime(session),
        base=yamlfile.load(read_text(base), name=str(base)) if base.exists() else {},
    )


def _read_runtime(session: Session) -> Runtime:
    with connect(session) as daemon:
        by_compose = is_compose_project(session.settings.project)
        return Runtime(daemon.url, daemon.status(), daemon.capabilities(), by_compose)


def _overlay_text(overlay: Path) -> str | None:
    if not overlay.parent.is_dir():
        return None
    return read_text(overlay) if overlay.exists() else ""


def make_plan(session: Session, wish: Wish) -> tuple[State, SwitchPlan]:
    """Return how things are and what a switch to *wish* would do, and do nothing of it.

    Raises as a plan does, and where a model is not installed.
    """
    # Who only tells the engine something needs no daemon.
    state = read_state(session, offline=wish.offline or not wish.choices)
    wanted = tuple(choice.selection for choice in wish.choices)
    plan = plan_switch(wanted, state, wish.routing, tidy=wish.tidy)
    if wish.offline:
        plan = replace(plan, routing={})
    # What the daemon cannot run need not be installed first.
    for choice in wish.choices:
        check_installed(session, choice)
    return state, plan


def apply_switch(
    session: Session,
    planned: Callable[[], tuple[State, SwitchPlan]],
    terms: Terms,
    *,
    prove: Prove | None = None,
) -> Switched:
    """Carry out what is *planned* under the lock, on *terms* that spare live calls.

    *prove* is called with the roles that changed, before the switch is final; what it raises
    undoes the switch.

    Raises:
        Busy: another command is changing this project, or calls are live.
        RecoveryDue: an earlier change was interrupted, or this one could not be undone.
        RolledBack: the daemon did not do it; the old state is back and verified.
    """
    with session.lock(wait_s=FOREVER_S if terms.wait else 0.0):
        journal = Journal(session.settings.state_dir)
        journal.require_none()
        state, plan = planned()
        if plan.is_empty:
            return Switched((), plan.way, reloaded=False)
        steps, verify = _steps(session, state, plan, terms)

        def verify_all() -> None:
            verify()
            if prove is not None:
                prove(tuple(plan.exchange.models))

        carry_out(steps, journal, verify=verify_all)
        return Switched(plan.changes, plan.way, reloaded=plan.way != "files")


def _steps(
    session: Session, state: State, plan: SwitchPlan, terms: Terms
) -> tuple[tuple[Step, ...], Callable[[], None]]:
    """Return the steps of *plan*, and what must hold after them; waits for calls to end."""
    files = _file_steps(session, state, plan)
    _keep_versions(session, files)
    engine = (ReloadEngine(session, files, plan.routing),) if plan.routing else ()
    if plan.way == "files" or state.runtime is None:
        return (*files, *engine), _nothing
    ask = AskDaemon(session, state.runtime.url, plan.exchange, terms)
    if terms.guard is not None:
        terms.guard.drain(ask.status)
    if plan.way == "recreate":
        from aava_cli.docker.daemon import plan_replacement

        timeout_s = terms.timeout_s or UNKNOWN_S
        replacement = plan_replacement(session, files, timeout_s=timeout_s)
        return (ask, *files, replacement, *engine), ask.verify
    # The daemon comes first: a model that does not load never touches a file, and an undo,
    # which runs backwards, leaves old files for a daemon that starts again in the middle.
    return (ask, *files, *engine), ask.verify


def _nothing() -> None:
    """Verify nothing: what files say was compared when they were written."""


def _keep_versions(session: Session, files: Iterable[WriteFile]) -> None:
    state_dir = prepare_state(session.settings)
    for step in files:
        if step.old is not None:
            keep_version(state_dir, step.path.name, step.old)


def _file_steps(session: Session, state: State, plan: SwitchPlan) -> tuple[WriteFile, ...]:
    settings = session.settings
    texts = (
        (settings.env_file, state.env, plan.env),
        (settings.overlay_yaml, state.yaml, plan.yaml),
    )
    return tuple(
        WriteFile.change(path, old.encode() if path.exists() else None, new.encode())
        for path, old, new in texts
        if old is not None and new is not None and new != old
    )

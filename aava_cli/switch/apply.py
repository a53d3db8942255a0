"""Carry a switch out: files and daemon together, verified, or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from aava_cli.backups import keep_version
from aava_cli.daemon.calls import require_idle
from aava_cli.daemon.client import connect
from aava_cli.daemon.step import AskDaemon
from aava_cli.journal import Journal
from aava_cli.output import Result
from aava_cli.session import read_text
from aava_cli.steps import WriteFile
from aava_cli.store import prepare_state
from aava_cli.switch.choose import check_installed
from aava_cli.switch.plan import State, plan_switch
from aava_cli.transaction import carry_out, recover

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from aava_cli.journal import StepLoader
    from aava_cli.session import Session
    from aava_cli.steps import Step
    from aava_cli.switch.choose import Choice
    from aava_cli.switch.plan import Change, SwitchPlan


@dataclass(frozen=True, slots=True)
class Switched(Result):
    """What a switch changed; nothing, where everything already was as wished."""

    changes: tuple[Change, ...]
    reloaded: bool

    def text(self) -> Iterable[str]:
        """Yield one line per role that runs something else now."""
        if not self.changes:
            yield "already so: nothing changed, nothing was reloaded"
            return
        for change in self.changes:
            if change.where == "daemon":
                yield f"{change.key}: {change.old} -> {change.new}"
        files = sorted({change.where for change in self.changes} - {"daemon"})
        if files:
            yield f"written: {', '.join(files)}"
        yield "the daemon runs the selected models, verified by a fresh status"


@dataclass(frozen=True, slots=True)
class RecoveredState(Result):
    """What `aava recover` did."""

    command: str | None
    undone_steps: int

    def text(self) -> Iterable[str]:
        """Yield whether there was something to recover from."""
        if self.command is None:
            yield "nothing to recover: no change was interrupted"
        else:
            yield f"`{self.command}` was undone; the old state is back"


def read_state(session: Session) -> State:
    """Return what a plan is made from, as it is now.

    Raises:
        ConfigError: a file is not UTF-8.
        DaemonUnreachable: the daemon does not answer.
    """
    settings = session.settings
    with connect(session) as daemon:
        url, status, capabilities = daemon.url, daemon.status(), daemon.capabilities()
    overlay = settings.overlay_yaml
    return State(
        url=url,
        env=read_text(settings.env_file),
        env_name=str(settings.env_file),
        yaml=_overlay_text(overlay),
        yaml_name=str(overlay),
        status=status,
        capabilities=capabilities,
    )


def _overlay_text(overlay: Path) -> str | None:
    if not overlay.parent.is_dir():
        return None
    return read_text(overlay) if overlay.exists() else ""


def make_plan(
    session: Session, choices: tuple[Choice, ...], *, tidy: bool = False
) -> tuple[State, SwitchPlan]:
    """Return how things are and what a switch to *choices* would do, and do nothing of it.

    Raises as a plan does, and where a model is not installed.
    """
    state = read_state(session)
    plan = plan_switch(tuple(choice.selection for choice in choices), state, tidy=tidy)
    # What the daemon cannot run need not be installed first.
    for choice in choices:
        check_installed(session, choice)
    return state, plan


def apply_switch(
    session: Session,
    planned: Callable[[], tuple[State, SwitchPlan]],
    *,
    timeout_s: float,
    force: bool = False,
) -> Switched:
    """Carry out what is *planned* under the lock; *force* says that live calls may be cut.

    Raises:
        Busy: another command is changing this project, or calls are live.
        RecoveryDue: an earlier change was interrupted, or this one could not be undone.
        RolledBack: the daemon did not do it; the old state is back and verified.
    """
    with session.lock():
        journal = Journal(session.settings.state_dir)
        journal.require_none()
        state, plan = planned()
        if plan.is_empty:
            return Switched((), reloaded=False)
        if plan.request:
            require_idle(session, state.status, force=force)
        ask = _ask_step(session, state, plan, timeout_s)
        # The daemon comes first: a model that does not load never touches a file, and an undo,
        # which runs backwards, leaves old files for a daemon that starts again in the middle.
        files = _file_steps(session, state, plan)
        _keep_versions(session, files)
        carry_out((*_daemon_steps(ask), *files), journal, verify=ask.verify)
        return Switched(plan.changes, reloaded=bool(plan.request))


def _ask_step(session: Session, state: State, plan: SwitchPlan, timeout_s: float) -> AskDaemon:
    return AskDaemon(
        session, state.url, plan.request, plan.inverse, plan.after, plan.before, timeout_s
    )


def _daemon_steps(ask: AskDaemon) -> tuple[Step, ...]:
    return (ask,) if ask.request else ()


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


def recover_project(session: Session) -> RecoveredState:
    """Finish the undo of a change that was interrupted.

    Raises:
        Busy: the change is still under way.
        RecoveryDue: the old state cannot be restored yet.
    """
    journal = Journal(session.settings.state_dir)
    kinds: dict[str, StepLoader] = {
        "write-file": WriteFile.from_json,
        "ask-daemon": partial(AskDaemon.from_json, session),
    }
    with session.lock():
        if not journal.is_open:
            return RecoveredState(None, 0)
        recovered = recover(journal, kinds)
        return RecoveredState(recovered.command, recovered.undone_steps)

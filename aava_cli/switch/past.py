"""What changed, when, by which command; and taking it back."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from aava_cli.backends import backend_in_status, running_in
from aava_cli.events import Log
from aava_cli.history import read_history
from aava_cli.output import Result, Table
from aava_cli.roles import ROLES
from aava_cli.switch.apply import apply_switch, read_state
from aava_cli.switch.changes import Change, env_changes, yaml_changes
from aava_cli.switch.choose import Choice, check_installed
from aava_cli.switch.plan import plan_texts
from aava_cli.switch.undo import changes_to_undo, way_back

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from aava_cli.daemon.step import Terms
    from aava_cli.history import PastChange
    from aava_cli.roles import Role
    from aava_cli.session import Session
    from aava_cli.switch.apply import Switched
    from aava_cli.switch.plan import State, SwitchPlan


@dataclass(frozen=True, slots=True)
class Told:
    """One change as it is told; *number* is what `aava undo` calls it, if it came about."""

    number: int | None
    when: str
    command: str
    outcome: str
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class History(Result):
    """The changes of a project, the newest first."""

    entries: tuple[Told, ...]

    def text(self) -> Iterable[str | Table]:
        """Yield a row per change, and below it what changed."""
        if not self.entries:
            yield "nothing was changed here yet"
            return
        yield Table(("", "when", "outcome", "command", "changes"), tuple(map(_row, self.entries)))


def _row(told: Told) -> tuple[str, ...]:
    number = "" if told.number is None else str(told.number)
    runtime = [each for each in told.changes if each.where == "daemon"] or told.changes
    changes = ", ".join(f"{each.key}: {each.old or '-'} -> {each.new or '-'}" for each in runtime)
    return number, told.when, told.outcome, told.command, changes


def tell_history(session: Session) -> History:
    """Return what changed, when and by which command; secrets are left out.

    Raises:
        NotFound: there is no project here.
    """
    settings = session.require_project()
    return History(tuple(map(_told, read_history(settings.state_dir))))


def _told(past: PastChange) -> Told:
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(past.started_at))
    folders = (Change("folder", str(path), was, becomes) for path, was, becomes in past.folders)
    changes = (*_file_changes(past), *folders, *_runtime_changes(past))
    return Told(past.number, when, past.command, past.outcome, changes)


def _file_changes(past: PastChange) -> Iterator[Change]:
    for step in past.files:
        old, new, name = (step.old or b"").decode(), step.new.decode(), step.path.name
        if step.path.suffix == ".yaml":
            yield from yaml_changes(old, new, name=name)
        else:
            yield from env_changes(old, new, name=name)


def _runtime_changes(past: PastChange) -> Iterator[Change]:
    for role in ROLES:
        old = _running(role, past.before) if role in past.loaded else None
        new = _running(role, past.after)
        if old != new:
            yield Change("daemon", role, old, new)


def _running(role: Role, status: Mapping[str, Any]) -> str | None:
    backend = backend_in_status(role, status)
    selection = running_in(backend, status) if backend else None
    return str(selection) if selection and selection.model else None


@dataclass(frozen=True, slots=True)
class Undoing:
    """Which change is taken back, with those after it.

    *force* also sets back what somebody else has changed since; *offline* in files alone.
    """

    number: int
    force: bool = False
    offline: bool = False


def preview_undo(session: Session, undoing: Undoing) -> SwitchPlan:
    """Return what *undoing* would do, and do nothing of it."""
    return _planned(session, undoing)[1]


def apply_undo(session: Session, undoing: Undoing, terms: Terms) -> Switched:
    """Take changes back, as a switch of its own.

    Raises:
        NotFound: there is no such change, or a model that ran before is gone.
        NotPossible: somebody else has changed a value since.
        Busy, RecoveryDue, RolledBack: as for a switch.
    """
    return apply_switch(session, partial(_planned, session, undoing), terms)


def _planned(session: Session, undoing: Undoing) -> tuple[State, SwitchPlan]:
    past = changes_to_undo(read_history(session.settings.state_dir), undoing.number)
    state = read_state(session, offline=undoing.offline)
    back = way_back(past, state, force=undoing.force)
    plan = plan_texts(back.wanted, back.env, back.yaml, state)
    for selection in back.wanted:
        check_installed(session, Choice(selection))
    for role in back.left:
        keeps = f"{role}: nothing ran before; the daemon keeps its model until it starts again"
        session.output.emit(Log(keeps, "warning"))
    return state, plan

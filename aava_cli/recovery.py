"""Bring the old state back after a change of any kind was interrupted."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from aava_cli.daemon.enginestep import ReloadEngine
from aava_cli.daemon.restart import RestartDaemon
from aava_cli.daemon.sparing import SpareCalls
from aava_cli.daemon.step import AskDaemon
from aava_cli.docker.recreate import RecreateService
from aava_cli.docker.tagging import MoveTag
from aava_cli.folders import FOLDER_STEPS
from aava_cli.journal import Journal
from aava_cli.output import Result
from aava_cli.steps import WriteFile
from aava_cli.transaction import recover

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aava_cli.journal import StepLoader
    from aava_cli.session import Session


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


def step_kinds(session: Session) -> dict[str, StepLoader]:
    """Return how the steps of every verb's journal are built again, by their kind."""
    kinds: dict[str, StepLoader] = {
        "write-file": WriteFile.from_json,
        **FOLDER_STEPS,
        "ask-daemon": partial(AskDaemon.from_json, session),
        "move-tag": MoveTag.from_json,
        "spare-calls": partial(SpareCalls.from_json, session),
    }
    kinds["recreate-service"] = partial(RecreateService.from_json, kinds)
    kinds["reload-engine"] = partial(ReloadEngine.from_json, session, kinds)
    kinds["restart-daemon"] = partial(RestartDaemon.from_json, session, kinds)
    return kinds


def recover_project(session: Session) -> RecoveredState:
    """Finish the undo of a change that was interrupted.

    Raises:
        Busy: the change is still under way.
        RecoveryDue: the old state cannot be restored yet.
    """
    journal = Journal(session.settings.state_dir)
    with session.lock():
        if not journal.is_open:
            return RecoveredState(None, 0)
        recovered = recover(journal, step_kinds(session))
        return RecoveredState(recovered.command, recovered.undone_steps)

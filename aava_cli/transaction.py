"""Carry out steps so that, through any failure, either all of them hold or none.

The journal names every step and how to undo it, and is on disk before the first one begins.
While it exists, only `recover` may go on.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aava_cli.errors import AavaError, RecoveryDue, RolledBack, Terminated
from aava_cli.files import command_line
from aava_cli.journal import COMMITTED, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aava_cli.journal import Journal, StepLoader
    from aava_cli.steps import Step


def carry_out(
    steps: tuple[Step, ...],
    journal: Journal,
    *,
    verify: Callable[[], None],
    outcome: str = COMMITTED,
) -> None:
    """Apply every step and *verify* the whole, or bring every old state back.

    *outcome* is what the history calls it then: `aava undo` takes back what was committed, and
    leaves alone what goes by another name.

    Raises:
        NotPossible: the world changed since the plan was made; nothing was touched.
        RolledBack: a step failed; the old state is back and verified.
        RecoveryDue: a step failed, and so did its undo; the journal is kept.
    """
    journal.require_none()
    for step in steps:
        step.check()
    progress = _Progress(journal, steps)
    verified = False
    try:
        progress.record()
        for step in steps:
            if progress.started:
                # The world may have changed while an earlier step was at work.
                step.check()
            progress.begin()
            step.apply()
            progress.finish()
        verify()
        verified = True
        journal.close(outcome)
    except BaseException as cause:
        if verified and not journal.is_open:
            # The commit was made; an interruption that came after it changes nothing.
            return
        _roll_back(progress, cause)
        raise


class _Progress:
    """Keeps the journal's record in step with what was begun and finished."""

    def __init__(self, journal: Journal, steps: tuple[Step, ...]) -> None:
        self.journal = journal
        self.steps = steps
        self._started_at = time.time()
        self._started = 0
        self._finished = 0

    @property
    def started(self) -> tuple[Step, ...]:
        return self.steps[: self._started]

    def begin(self) -> None:
        self._started += 1
        self.record()

    def finish(self) -> None:
        self._finished += 1
        self.record()

    def record(self) -> None:
        record = Record(
            command_line(), self._started_at, os.getpid(), self._started, self._finished
        )
        self.journal.write(record, self.steps)


def _roll_back(progress: _Progress, cause: BaseException) -> None:
    """Undo what was begun; raises `RolledBack` for an error, returns for an interruption."""
    try:
        undo_all(progress.started, recovering=False, because=cause)
        if progress.journal.is_open:
            progress.journal.close("rolled-back")
    except (KeyboardInterrupt, Terminated) as again:
        how = "interrupted" if isinstance(again, KeyboardInterrupt) else "terminated"
        message = f"{how} while the old state was being restored"
        raise RecoveryDue(message, hint="run `aava recover`") from again
    except OSError as error:
        message = f"the old state is restored, but the journal cannot say so: {error}"
        raise RecoveryDue(message, hint="run `aava recover`") from error
    if not progress.started:
        return
    if isinstance(cause, AavaError | OSError):
        hint = cause.hint if isinstance(cause, AavaError) else "run `aava preflight` to see why"
        message = f"{cause}; the previous configuration is active again"
        raise RolledBack(message, hint=hint) from cause


def undo_all(
    steps: tuple[Step, ...], *, recovering: bool, because: BaseException | None = None
) -> None:
    """Undo *steps*, newest first; one that cannot be undone does not keep the others.

    Raises:
        RecoveryDue: a step could not be undone; the first reason is given.
    """
    failures: list[Exception] = []
    for step in reversed(steps):
        try:
            step.undo(recovering=recovering)
        except Exception as error:  # noqa: BLE001 - undo goes on, and raises below
            failures.append(error)
    if failures:
        reason = failures[0]
        message = f"the old state could not be restored: {reason}"
        if isinstance(because, AavaError | OSError):
            message = f"{because}; {message}"
        hint = reason.hint if isinstance(reason, RecoveryDue) else "run `aava recover`"
        raise RecoveryDue(message, hint=hint) from reason


@dataclass(frozen=True, slots=True)
class Recovered:
    """What `recover` found: the command that was interrupted, and how many steps it undid."""

    command: str
    undone_steps: int


def recover(journal: Journal, kinds: Mapping[str, StepLoader]) -> Recovered:
    """Finish the undo of the change that was interrupted; may be killed and run again.

    Raises:
        RecoveryDue: the old state cannot be restored yet; the journal is kept.
    """
    record, steps = journal.load(kinds)
    started = steps[: record.started_steps]
    undo_all(started, recovering=True)
    journal.close("recovered")
    return Recovered(record.command, len(started))

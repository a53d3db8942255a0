"""The step of a transaction that starts the native daemon again, so that it reads `.env`."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from aava_cli.daemon.client import connect
from aava_cli.daemon.serving import (
    END_S,
    require_running,
    serving_jobs,
    start_serving,
    wait_until_loaded,
)
from aava_cli.daemon.step import UNDO_TIMEOUT_S
from aava_cli.errors import AavaError, DaemonUnreachable, NotPossible, RecoveryDue
from aava_cli.jobs.launch import cancel_job

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aava_cli.journal import StepLoader
    from aava_cli.session import Session
    from aava_cli.steps import Step

_LEAVING = "stopping"


@dataclass(frozen=True, slots=True)
class RestartDaemon:
    """End the daemon that is the job *job_id*, and have a new one load what `.env` selects.

    A daemon reads `.env` when it starts. Undo therefore first undoes the steps *reads*, whose
    work the new one has seen, and then starts one more in its place.
    """

    session: Session
    job_id: str
    reads: tuple[Step, ...]
    timeout_s: float
    kind: str = "restart-daemon"

    @classmethod
    def from_json(
        cls, session: Session, kinds: Mapping[str, StepLoader], fields: Mapping[str, Any]
    ) -> RestartDaemon:
        """Return the step that `to_json` described, with what it reads built by *kinds*."""
        reads = tuple(kinds[step["kind"]](step) for step in fields["reads"])
        return cls(session, fields["job_id"], reads, fields["timeout_s"])

    def to_json(self) -> dict[str, Any]:
        """Return what the journal needs to build this step again."""
        reads = [{"kind": step.kind, **step.to_json()} for step in self.reads]
        return {"job_id": self.job_id, "reads": reads, "timeout_s": self.timeout_s}

    def check(self) -> None:
        """Raise `NotPossible` if the daemon that the plan was made for runs no more."""
        if not self._old_one_runs():
            message = f"the daemon of the job `{self.job_id}` has ended in the meantime"
            raise NotPossible(message, hint="run the same command again")

    def apply(self) -> None:
        """End the old daemon, and return once the new one has loaded.

        Raises:
            Busy: the old one does not end.
            DaemonUnreachable: the new one does not answer in time.
            AavaError: it ended again, for the reason that it gave.
        """
        self._replace(self.timeout_s)

    def undo(self, *, recovering: bool) -> None:
        """Bring back what the daemon reads, then a daemon that has read it.

        The old one stays where it was not yet told to end: no call is cut for nothing.

        Raises:
            RecoveryDue: one of both is not possible now.
        """
        for step in reversed(self.reads):
            step.undo(recovering=recovering)
        if self._old_one_stays():
            return
        try:
            self._replace(UNDO_TIMEOUT_S)
        except AavaError as error:
            message = f"the old daemon could not be brought back: {error.message}"
            raise RecoveryDue(message, hint=f"{error.hint}; then run `aava recover`") from error

    def _replace(self, timeout_s: float) -> None:
        settings = self.session.settings
        for job in serving_jobs(settings):
            cancel_job(settings, job.id, END_S)
        begun_s = time.monotonic()
        job = start_serving(self.session)
        alive = partial(require_running, job)
        wait_until_loaded(self.session, timeout_s, alive, since_s=begun_s)

    def _old_one_runs(self) -> bool:
        return self.job_id in [job.id for job in serving_jobs(self.session.settings)]

    def _old_one_stays(self) -> bool:
        if not self._old_one_runs():
            return False
        with suppress(DaemonUnreachable), connect(self.session) as daemon:
            return daemon.status().get("state") != _LEAVING
        return False

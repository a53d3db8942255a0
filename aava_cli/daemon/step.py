"""The step of a transaction that makes the running daemon load other models."""

from __future__ import annotations

import time
import uuid
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from aava_cli.daemon.client import connect
from aava_cli.daemon.status import Expectation
from aava_cli.errors import AavaError, DaemonUnreachable, NotPossible, RecoveryDue
from aava_cli.events import Log

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aava_cli.daemon.client import Daemon
    from aava_cli.session import Session

# A daemon that a supervisor starts again needs a moment before it listens.
RESTART_GRACE_S = 3.0
# Undo has to load what was there before; it does not stop where the change was given little time.
UNDO_TIMEOUT_S = 900.0
_POLL_S = 0.2
_STARTS_OLD = "a daemon that is started now runs the old models"


class LoadFailed(AavaError):
    """The daemon did not load what it was asked to."""

    code = "load-failed"


@dataclass(frozen=True, slots=True)
class AskDaemon:
    """Send `switch_model` and believe only a fresh status; undo sends the inverse request."""

    session: Session
    url: str
    request: Mapping[str, Any]
    inverse: Mapping[str, Any]
    after: Expectation
    before: Expectation
    timeout_s: float
    kind: str = "ask-daemon"

    @classmethod
    def from_json(cls, session: Session, fields: Mapping[str, Any]) -> AskDaemon:
        """Return the step that `to_json` described, for the daemon of *session*."""
        return cls(
            session,
            fields["url"],
            fields["request"],
            fields["inverse"],
            _expectation(fields["after"]),
            _expectation(fields["before"]),
            fields["timeout_s"],
        )

    def to_json(self) -> dict[str, Any]:
        """Return what the journal needs to build this step again."""
        return {
            "url": self.url,
            "request": self.request,
            "inverse": self.inverse,
            "after": asdict(self.after),
            "before": asdict(self.before),
            "timeout_s": self.timeout_s,
        }

    def check(self) -> None:
        """Raise if the daemon no longer runs what the plan was made from."""
        with connect(self.session, url=self.url) as daemon:
            wrong = self.before.mismatches(daemon.status())
        if wrong:
            message = f"the daemon changed in the meantime: {wrong[0]}"
            raise NotPossible(message, hint="run the same command again")

    def apply(self) -> None:
        """Have the new models loaded.

        Raises:
            LoadFailed: the daemon says no, or says yes and runs something else.
            DaemonUnreachable: it went away or did not answer in time.
        """
        with connect(self.session, url=self.url) as daemon:
            answer = daemon.request(
                self._message(self.request), reply="switch_response", timeout_s=self.timeout_s
            )
        if answer.get("status") not in ("success", "no_change"):
            text = f"the daemon did not load it: {answer.get('message', 'no reason given')}"
            raise LoadFailed(text, hint="run `aava models verify`, then `aava preflight`")
        self.verify()

    def verify(self) -> None:
        """Raise `LoadFailed` unless a fresh status says that the new models run."""
        # A new connection: replies on the old one may have queued up behind the load.
        with connect(self.session, url=self.url) as daemon:
            wrong = self.after.mismatches(daemon.status())
        if wrong:
            text = f"the daemon did not do as asked: {wrong[0]}"
            raise LoadFailed(text, hint="run `aava status` to see what it runs")

    def undo(self, *, recovering: bool) -> None:
        """Have the old models loaded again, and verify it by a fresh status.

        A daemon that is not running has nothing to undo once the files are old again; only a
        recovery may conclude that, because a running daemon was there when the change began.

        Raises:
            RecoveryDue: the daemon cannot be asked, or does not run the old models.
        """
        try:
            wrong = self._undo_on_daemon(time.monotonic() + RESTART_GRACE_S)
        except DaemonUnreachable as error:
            if recovering and isinstance(error.__cause__, ConnectionRefusedError):
                self.session.output.emit(Log(f"{error.message}: {_STARTS_OLD}"))
                return
            hint = "start the daemon, then run `aava recover`"
            raise RecoveryDue(error.message, hint=hint) from error
        if wrong:
            message = f"the daemon does not run the old models: {wrong[0]}"
            raise RecoveryDue(message, hint="restart the daemon, then run `aava recover`")

    def _undo_on_daemon(self, deadline: float) -> tuple[str, ...]:
        while True:
            try:
                return self._send_inverse()
            except DaemonUnreachable as error:
                refused = isinstance(error.__cause__, ConnectionRefusedError)
                if not refused or time.monotonic() >= deadline:
                    raise
                time.sleep(_POLL_S)

    def _send_inverse(self) -> tuple[str, ...]:
        with connect(self.session, url=self.url) as daemon:
            wrong = self.before.mismatches(self._settled_status(daemon))
            if not wrong:
                return ()
            # The answer is no fact: a daemon that says no may already run the old models.
            with suppress(NotPossible):
                daemon.request(
                    self._message(self.inverse), reply="switch_response", timeout_s=UNDO_TIMEOUT_S
                )
        with connect(self.session, url=self.url) as daemon:
            return self.before.mismatches(daemon.status())

    def _settled_status(self, daemon: Daemon) -> dict[str, Any]:
        """Return a status that no load under way can still change.

        Raises:
            RecoveryDue: the daemon is still loading when the time is over.
        """
        deadline = time.monotonic() + UNDO_TIMEOUT_S
        while (status := daemon.status()).get("loading"):
            if time.monotonic() >= deadline:
                message = "the daemon is still loading what it was asked for"
                raise RecoveryDue(message, hint="wait, then run `aava recover`")
            time.sleep(_POLL_S)
        return status

    @staticmethod
    def _message(fields: Mapping[str, Any]) -> dict[str, Any]:
        return {"type": "switch_model", "request_id": uuid.uuid4().hex, **fields}


def _expectation(fields: Mapping[str, Any]) -> Expectation:
    return Expectation(fields["values"], tuple(fields["loaded"]))

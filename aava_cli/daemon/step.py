"""The step of a transaction that makes the running daemon load other models."""

from __future__ import annotations

import time
import uuid
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from aava_cli.daemon.client import connect
from aava_cli.daemon.exchange import Exchange
from aava_cli.daemon.loads import UNKNOWN_S, LoadTimes
from aava_cli.daemon.quoting import quoted
from aava_cli.daemon.status import fallbacks, is_native
from aava_cli.errors import AavaError, DaemonUnreachable, NotPossible, RecoveryDue
from aava_cli.events import Log
from aava_cli.settings import is_compose_project

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aava_cli.daemon.calls import CallGuard
    from aava_cli.daemon.client import Daemon
    from aava_cli.session import Session

# A daemon that a supervisor starts again needs a moment before it listens.
RESTART_GRACE_S = 3.0
# Undo has to load what was there before; it does not stop where the change was given little time.
UNDO_TIMEOUT_S = 900.0
_POLL_S = 0.2
# The original daemon does not say that it is loading. A request that reached it before is
# taken up within this time, or holds up the answer to the next one.
_SETTLE_S = 1.0
_STARTS_OLD = "a daemon that is started now runs the old models"


class LoadFailed(AavaError):
    """The daemon did not load what it was asked to."""

    code = "load-failed"


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms the daemon is asked.

    Without *timeout_s* past loads say how long it may take. Without *guard* nobody is asked
    whether calls are live. With *require_gpu* a model that ends on the processor is a failure.
    With *wait* another command that is at work on the project is waited for.
    """

    timeout_s: float | None = None
    guard: CallGuard | None = None
    require_gpu: bool = False
    wait: bool = False


def terms_of(session: Session, timeout_s: float | None, drain: str | None, *, force: bool) -> Terms:
    """Return the terms that options of a command line ask for; *drain* is a span such as `10m`.

    Raises:
        UsageError: it is none.
    """
    from aava_cli.ages import parse_span
    from aava_cli.daemon.calls import CallGuard

    guard = CallGuard(session, force, None if drain is None else parse_span(drain))
    return Terms(timeout_s, guard)


@dataclass(frozen=True, slots=True)
class AskDaemon:
    """Send `switch_model` and believe only a fresh status; undo sends the inverse request."""

    session: Session
    url: str
    exchange: Exchange
    terms: Terms = Terms()
    kind: str = "ask-daemon"

    @classmethod
    def from_json(cls, session: Session, fields: Mapping[str, Any]) -> AskDaemon:
        """Return the step that `to_json` described, for the daemon of *session*."""
        return cls(session, fields["url"], Exchange.from_json(fields))

    def to_json(self) -> dict[str, Any]:
        """Return what the journal needs to build this step again."""
        return {"url": self.url, **asdict(self.exchange)}

    def check(self) -> None:
        """Raise if the daemon no longer runs what the plan was made from, or if calls began."""
        status = self.status()
        wrong = self.exchange.before.mismatches(status)
        if wrong:
            message = f"the daemon changed in the meantime: {wrong[0]}"
            raise NotPossible(message, hint="run the same command again")
        if self.terms.guard is not None:
            self.terms.guard.require_idle(status)

    def apply(self) -> None:
        """Have the new models loaded; without a request they are, once the daemon starts again.

        Raises:
            LoadFailed: the daemon says no, or says yes and runs something else.
            DaemonUnreachable: it went away or did not answer in time.
        """
        if not self.exchange.request:
            return
        times = LoadTimes(self.session.settings.state_dir)
        models = tuple(self.exchange.models.values())
        timeout_s = self.terms.timeout_s or times.deadline_s(models)
        begun_s = time.monotonic()
        with connect(self.session, url=self.url) as daemon:
            answer = daemon.request(
                self._message(self.exchange.request), reply="switch_response", timeout_s=timeout_s
            )
        took_s = time.monotonic() - begun_s
        if answer.get("status") not in ("success", "no_change"):
            text = f"the daemon did not load it: {quoted(answer.get('message', 'no reason given'))}"
            raise LoadFailed(text, hint="run `aava models verify`, then `aava preflight`")
        self._judge()
        times.note(models, took_s)

    def status(self) -> dict[str, Any]:
        """Return a fresh status of the daemon, whatever else it is asked."""
        # On a new connection: replies on an old one may have queued up behind a load.
        with connect(self.session, url=self.url) as daemon:
            return daemon.status()

    def verify(self) -> None:
        """Raise `LoadFailed` unless a fresh status says that the new models run; warn how else."""
        for fallen in self._judge():
            self.session.output.emit(Log(fallen, "warning"))

    def _judge(self) -> tuple[str, ...]:
        """Return how the new models run otherwise than configured; raises as `verify` does."""
        status = self._loaded_status()
        wrong = self.exchange.after.mismatches(status)
        if wrong:
            text = f"the daemon did not do as asked: {wrong[0]}"
            raise LoadFailed(text, hint="run `aava status` to see what it runs")
        fallen = fallbacks(status, self.exchange.models)
        if fallen and self.terms.require_gpu:
            raise LoadFailed(fallen[0], hint="run `aava preflight --only gpu` to see why")
        return fallen

    def undo(self, *, recovering: bool) -> None:
        """Have the old models loaded again, and verify it by a fresh status.

        A daemon that is not running has nothing to undo once the files are old again; only a
        recovery may conclude that, because a running daemon was there when the change began.

        One that does not do as it is told gets a new container, where it has one.

        Raises:
            RecoveryDue: the daemon cannot be asked, or does not run the old models.
        """
        try:
            self._undo_in_place(recovering=recovering)
        except RecoveryDue:
            if not self._starts_again():
                raise

    def _starts_again(self) -> bool:
        """Return whether Compose made a new container that runs the old models."""
        if not is_compose_project(self.session.settings.project):
            return False
        from aava_cli.docker.daemon import plan_replacement

        with suppress(AavaError):
            plan_replacement(self.session, (), timeout_s=UNDO_TIMEOUT_S).apply()
            return not self.exchange.before.mismatches(self._loaded_status())
        return False

    def _loaded_status(self) -> dict[str, Any]:
        """Return the status of a daemon that may listen before it has loaded its models."""
        status, deadline = self.status(), time.monotonic() + (self.terms.timeout_s or UNKNOWN_S)
        while status.get("loading") and time.monotonic() < deadline:
            time.sleep(_POLL_S)
            status = self.status()
        return status

    def _undo_in_place(self, *, recovering: bool) -> None:
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
            wrong = self.exchange.before.mismatches(self._settled_status(daemon))
            if not wrong:
                return ()
            # The answer is no fact: a daemon that says no may already run the old models.
            with suppress(NotPossible):
                daemon.request(
                    self._message(self.exchange.inverse),
                    reply="switch_response",
                    timeout_s=UNDO_TIMEOUT_S,
                )
        with connect(self.session, url=self.url) as daemon:
            return self.exchange.before.mismatches(daemon.status())

    def _settled_status(self, daemon: Daemon) -> dict[str, Any]:
        """Return a status that no load under way can still change.

        Raises:
            RecoveryDue: the daemon is still loading when the time is over.
        """
        deadline = time.monotonic() + UNDO_TIMEOUT_S
        status = daemon.status()
        if not is_native(status):
            time.sleep(_SETTLE_S)
            return daemon.status()
        while status.get("loading"):
            if time.monotonic() >= deadline:
                message = "the daemon is still loading what it was asked for"
                raise RecoveryDue(message, hint="wait, then run `aava recover`")
            time.sleep(_POLL_S)
            status = daemon.status()
        return status

    @staticmethod
    def _message(fields: Mapping[str, Any]) -> dict[str, Any]:
        return {"type": "switch_model", "request_id": uuid.uuid4().hex, **fields}

"""Is somebody on the phone? A live call is never cut without being asked."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aava_cli.daemon.engine import find_engine
from aava_cli.daemon.status import is_native
from aava_cli.errors import Busy
from aava_cli.events import Log

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aava_cli.session import Session

_POLL_S = 1.0
# A call that is being handed over is counted nowhere for a moment.
_QUIET_READINGS = 3


@dataclass(frozen=True, slots=True)
class ActiveCalls:
    """How many calls are live, and who said so; a `count` of None means that nobody knows."""

    count: int | None
    source: str

    def __str__(self) -> str:
        if self.count is None:
            return f"it is not known whether calls are active: {self.source}"
        return f"{self.count} active {'call' if self.count == 1 else 'calls'}, says {self.source}"


@dataclass(frozen=True, slots=True)
class CallGuard:
    """What stands between a change and the calls that it would cut.

    *force* says that they may be cut; *drain_s* is how long to wait for them to end.
    """

    session: Session
    force: bool = False
    drain_s: float | None = None

    def drain(self, ask_status: Callable[[], Mapping[str, Any]]) -> None:
        """Wait until no call is live, several readings in a row; no longer than *drain_s*.

        Whoever asked for no waiting is not kept: calls are counted once more before the change.

        Raises:
            Busy: calls are still live, or nobody knows.
        """
        if self.drain_s is None:
            return
        deadline, quiet, told = time.monotonic() + self.drain_s, 0, ""
        while quiet < _QUIET_READINGS:
            calls = count_calls(self.session, ask_status())
            quiet = quiet + 1 if calls.count == 0 else 0
            if not quiet and time.monotonic() >= deadline:
                self._require(calls)
                return
            if not quiet and str(calls) != told:
                told = str(calls)
                self.session.output.emit(Log(f"waiting for calls to end: {told}"))
            if quiet < _QUIET_READINGS:
                time.sleep(_POLL_S)

    def require_idle(self, status: Mapping[str, Any]) -> None:
        """Go on only if no call is cut, or if they may be.

        Raises:
            Busy: calls are live, or nobody knows.
        """
        self._require(count_calls(self.session, status))

    def _require(self, calls: ActiveCalls) -> None:
        if calls.count == 0:
            return
        if not self.force:
            hint = "wait for them with `--drain 10m`, or cut them with `--force`"
            raise Busy(str(calls), hint=hint)
        self.session.output.emit(Log(f"going on although calls may be cut: {calls}", "warning"))


def count_calls(session: Session, status: Mapping[str, Any]) -> ActiveCalls:
    """Return the live calls: from the daemon, which knows its own, and from the engine.

    A host without an engine has no calls but those that the daemon itself counts.
    """
    own = int(status.get("active_sessions", 0)) if is_native(status) else 0
    engine = find_engine(session)
    if engine is None:
        return ActiveCalls(own, "the daemon")
    count = engine.active_calls()
    if count is None:
        return ActiveCalls(None, "the engine does not say")
    return ActiveCalls(own + count, "the engine")

"""The step of a transaction that changes nothing: it stops before what comes next cuts a call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aava_cli.daemon.client import connect
from aava_cli.errors import DaemonUnreachable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aava_cli.daemon.calls import CallGuard
    from aava_cli.session import Session


@dataclass(frozen=True, slots=True)
class SpareCalls:
    """Look for live calls at the last moment; in a journal there is nothing left to spare."""

    session: Session
    guard: CallGuard | None = None
    kind: str = "spare-calls"

    @classmethod
    def from_json(cls, session: Session, _fields: Mapping[str, Any]) -> SpareCalls:
        """Return the step that `to_json` described: its undo is nothing."""
        return cls(session)

    def to_json(self) -> dict[str, Any]:
        """Return what the journal needs to build this step again."""
        return {}

    def check(self) -> None:
        """Raise `Busy` if a call would be cut, and nobody said that it may be."""
        if self.guard is not None:
            self.guard.require_idle(self.status())

    def status(self) -> Mapping[str, Any]:
        """Return what the daemon says of itself; one that does not answer has no calls."""
        try:
            with connect(self.session) as daemon:
                return daemon.status()
        except DaemonUnreachable:
            return {}

    def drain(self) -> None:
        """Wait for calls to end, as long as was asked for; raises as `check` does."""
        if self.guard is not None:
            self.guard.drain(self.status)

    def apply(self) -> None:
        """Change nothing."""

    def undo(self, *, recovering: bool) -> None:
        """Take nothing back."""

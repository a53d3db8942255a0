"""The step of a transaction that has the engine read its configuration again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aava_cli.daemon.engine import find_engine
from aava_cli.errors import AavaError, NotPossible
from aava_cli.events import Log

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aava_cli.daemon.engine import Engine
    from aava_cli.journal import StepLoader
    from aava_cli.session import Session
    from aava_cli.steps import Step

_UNSEEN = "the engine does not run; it reads the configuration when it starts"


@dataclass(frozen=True, slots=True)
class ReloadEngine:
    """Have the engine read its files again, if it runs.

    Undo first undoes the steps *reads*, whose work the engine has seen, and reloads once more.
    """

    session: Session
    reads: tuple[Step, ...]
    expected: Mapping[str, str | None]
    kind: str = "reload-engine"

    @classmethod
    def from_json(
        cls, session: Session, kinds: Mapping[str, StepLoader], fields: Mapping[str, Any]
    ) -> ReloadEngine:
        """Return the step that `to_json` described, with what it reads built by *kinds*."""
        reads = tuple(kinds[step["kind"]](step) for step in fields["reads"])
        return cls(session, reads, fields["expected"])

    def to_json(self) -> dict[str, Any]:
        """Return what the journal needs to build this step again."""
        reads = [{"kind": step.kind, **step.to_json()} for step in self.reads]
        return {"reads": reads, "expected": self.expected}

    def check(self) -> None:
        """Raise nothing: an engine that does not run reads the files when it starts."""

    def apply(self) -> None:
        """Have the engine reload, and ask what it runs.

        Raises:
            NotPossible: it runs, and refuses, or says that it runs something else.
        """
        engine = self._reloaded()
        if engine is None:
            self.session.output.emit(Log(_UNSEEN, "warning"))
            return
        health = engine.health() or {}
        for key, value in self.expected.items():
            if health.get(key, value) != value:
                message = f"the engine runs `{key}: {health[key]}` instead of `{value}`"
                raise NotPossible(message, hint="read `docker compose logs ai_engine`")

    def undo(self, *, recovering: bool) -> None:
        """Bring back what the engine reads, then have it read that.

        An engine that does not reload keeps what it had read, which may be the old already;
        files and daemon are as before, so that nothing has to wait for it.

        Raises:
            RecoveryDue: what it reads cannot be brought back now.
        """
        for step in reversed(self.reads):
            step.undo(recovering=recovering)
        try:
            self._reloaded()
        except AavaError as error:
            said = f"the files are as before, but {error.message}: {error.hint}"
            self.session.output.emit(Log(said, "warning"))

    def _reloaded(self) -> Engine | None:
        """Return the engine, which has reloaded; None where none runs."""
        engine = find_engine(self.session)
        if engine is None or not engine.is_listening():
            return None
        engine.reload()
        return engine

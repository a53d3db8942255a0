"""What a report is made from: a project, looked at a part at a time; each part may fail alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aava_cli.errors import AavaError
from aava_cli.output import Result, plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from aava_cli.docker.engine import Engine
    from aava_cli.session import Session


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a report: JSON, or a text; *problem* is why there is none.

    *error* is that one, or what an answer itself says went wrong.
    """

    name: str
    content: Any = None
    problem: str | None = None
    error: AavaError | None = None


class Scene:
    """What is looked at; an engine that does not answer is asked once, for it takes long."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.settings = session.settings
        self._engine: Engine | AavaError | None = None

    def engine(self) -> Engine:
        """Return the engine that answers.

        Raises:
            EngineUnreachable, EngineFailed: none does.
        """
        from aava_cli.docker.engine import require_engine

        if self._engine is None:
            try:
                self._engine = require_engine()
            except AavaError as error:
                self._engine = error
        if isinstance(self._engine, AavaError):
            raise self._engine
        return self._engine


def look_up(name: str, look: Callable[[], Any]) -> Part:
    """Return the part *name* that *look* finds, or why it does not."""
    try:
        found = look()
        failure = found.failure() if isinstance(found, Result) else None
        return Part(name, plain(found), error=failure)
    except AavaError as error:
        return Part(name, problem=error.message, error=error)
    except Exception as error:  # noqa: BLE001 - whatever is broken here is what the report is about
        return Part(name, problem=f"{type(error).__name__}: {error}")

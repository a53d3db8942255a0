"""Keep what the running daemon has loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aava_cli.errors import AccessDenied, DaemonUnreachable, NotPossible
from aava_cli.events import Log

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aava_cli.download.remove import RemovalPlan
    from aava_cli.session import Session

_TIMEOUT_S = 2.0


def refuse_loaded(plan: RemovalPlan, session: Session) -> None:
    """Check that the running daemon has nothing loaded that *plan* removes.

    A daemon that does not answer soon has nothing loaded, as far as anybody can tell.

    Raises:
        NotPossible: it has.
    """
    settings = session.settings
    removed = [settings.models_dir / path for path in plan.paths]
    for value in _loaded_paths(session):
        loaded = settings.host_path(value)
        if any(loaded.is_relative_to(path) or path.is_relative_to(loaded) for path in removed):
            message = f"the daemon has `{value}` loaded, which is of `{plan.model}`"
            hint = "run `aava switch` to another model first, or add `--force`"
            raise NotPossible(message, hint=hint)


def _loaded_paths(session: Session) -> Iterator[str]:
    from aava_cli.daemon.client import connect
    from aava_cli.daemon.status import slots_of

    try:
        with connect(session, timeout_s=_TIMEOUT_S) as daemon:
            status = daemon.status(timeout_s=_TIMEOUT_S)
    except DaemonUnreachable:
        return
    except AccessDenied as error:
        message = f"what the daemon has loaded is not known: {error.message}"
        session.output.emit(Log(message, "warning"))
        return
    yield from (slot.path for slot in slots_of(status) if slot.path and slot.loaded)

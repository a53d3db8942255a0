"""Is somebody on the phone? A live call is never cut without being asked."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aava_cli.daemon.status import is_native
from aava_cli.errors import Busy
from aava_cli.events import Log

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aava_cli.session import Session

# The engine's health server, as it is shipped.
_ENGINE_PORT = "15000"
_TIMEOUT_S = 5.0
_HINT = "wait until the calls have ended, or cut them with `--force`"


@dataclass(frozen=True, slots=True)
class ActiveCalls:
    """How many calls are live, and who said so; a `count` of None means that nobody knows."""

    count: int | None
    source: str


def count_calls(session: Session, status: Mapping[str, Any]) -> ActiveCalls:
    """Return the live calls: from the daemon, which knows its own, and from the engine.

    A host without an engine has no calls but those that the daemon itself counts.
    """
    own = int(status.get("active_sessions", 0)) if is_native(status) else 0
    if not session.settings.base_yaml.exists():
        return ActiveCalls(own, "the daemon")
    engine = _ask_engine(session.env())
    if engine is None:
        return ActiveCalls(None, "the engine does not say")
    return ActiveCalls(own + engine, "the engine")


def require_idle(session: Session, status: Mapping[str, Any], *, force: bool) -> None:
    """Go on only if no call is cut, or if *force* says that they may be.

    Raises:
        Busy: calls are live, or nobody knows.
    """
    calls = count_calls(session, status)
    if calls.count == 0:
        return
    unknown = "it is not known whether calls are active: the engine does not answer"
    message = (
        unknown if calls.count is None else (f"{calls.count} active calls, says {calls.source}")
    )
    if not force:
        raise Busy(message, hint=_HINT)
    session.output.emit(Log(f"going on although calls may be cut: {message}", "warning"))


def _ask_engine(env: Mapping[str, str]) -> int | None:
    """Return the engine's count of active calls, None if it cannot be learned.

    Its error replies carry a count of 0 as well, so only status 200 counts.
    """
    import httpx

    port = env.get("HEALTH_BIND_PORT") or _ENGINE_PORT
    token = env.get("HEALTH_API_TOKEN") or os.environ.get("HEALTH_API_TOKEN")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        answer = httpx.get(
            f"http://127.0.0.1:{port}/sessions/stats",
            headers=headers,
            timeout=_TIMEOUT_S,
            trust_env=False,
        )
        return int(answer.json()["active_calls"]) if answer.status_code == httpx.codes.OK else None
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return None

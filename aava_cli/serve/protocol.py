"""Which request is answered by what."""

from __future__ import annotations

import hmac
import logging
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeAlias

from aava_cli.serve import status, switching, talk
from aava_cli.serve.changes import check_paths
from aava_cli.serve.engines import EngineError
from aava_cli.serve.message import MODES, Message, Reply
from aava_cli.serve.parsing import parse
from aava_cli.serve.replies import failed
from aava_cli.serve.session import Session, changed_rules
from aava_cli.serve.shared import Shared
from aava_cli.serve.state import state_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from aava_cli.serve.models import Models
    from aava_cli.serve.session import Socket

_LOG = logging.getLogger(__name__)

Handler: TypeAlias = "Callable[[Daemon, Session, Message], Awaitable[None]]"


@dataclass(slots=True)
class Daemon:
    """What all connections share."""

    models: Models
    token: str = field(repr=False)
    started_at_s: float = field(default_factory=monotonic)
    sessions: list[Session] = field(default_factory=list)
    shared: Shared = field(init=False)
    _named_at_start: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        """Trust the paths that `.env` names now, wherever they lead."""
        self._named_at_start = frozenset(self.models.values.values())
        self.shared = Shared(self.models.limits)

    def check_paths(self, fields: Mapping[str, Any]) -> None:
        """Refuse *fields* of a request that would have another file opened than a model.

        Raises:
            EngineError: a path leads elsewhere.
        """
        check_paths(fields, self.models.settings, trusted=self._named_at_start)

    def open_session(self, socket: Socket) -> Session:
        """Return the state of a new connection."""
        session = Session(socket, self.models, not self.token, self.shared)
        self.sessions.append(session)
        return session

    def close_session(self, session: Session) -> None:
        """Forget a connection and stop what it asked for."""
        session.close()
        if session in self.sessions:
            self.sessions.remove(session)

    def status(self) -> Reply:
        """Return the reply to `status`; connections that only ask do not count as active."""
        reply = status.status_reply(
            self.models, started_at_s=self.started_at_s, active_sessions=self.shared.calls
        )
        return reply | state_of(self.models, stopping=self.shared.stopping)


async def handle_text(daemon: Daemon, session: Session, text: str) -> None:
    """Answer a text message; what cannot be understood, or done, gets an error."""
    message = Message("", {})
    try:
        message = parse(text)
        if message.type == "auth" or session.authenticated:
            await HANDLERS.get(message.type, _unknown)(daemon, session, message)
        else:
            await session.send(_auth("authentication_required"))
    except Exception as error:  # noqa: BLE001 - whoever asked waits for an answer
        await _refuse(session, message, error)


async def handle_bytes(session: Session, data: bytes) -> None:
    """Take a binary message: audio of the call."""
    try:
        if session.authenticated:
            await talk.hear_stream(session, data)
        else:
            await session.send(_auth("authentication_required"))
    except Exception as error:  # noqa: BLE001 - whoever asked waits for an answer
        await _refuse(session, Message("", {}), error)


async def _refuse(session: Session, message: Message, error: Exception) -> None:
    """Answer *message* with *error*, in the type that its sender waits for.

    Raises:
        ConnectionError: its sender has left.
    """
    match error:
        case EngineError():
            problem = str(error)
        case ConnectionError():
            raise error
        case _:
            _LOG.error("a request failed", exc_info=error)
            problem = talk.describe_failure(error)
    known = session.authenticated
    await session.send(
        failed(message, session, problem) if known else _auth("authentication_required")
    )


def _auth(problem: str | None = None) -> Reply:
    if problem is None:
        return {"type": "auth_response", "status": "ok"}
    return {"type": "auth_response", "status": "error", "message": problem}


async def _authenticate(daemon: Daemon, session: Session, message: Message) -> None:
    given = message.fields.get("auth_token") or message.fields.get("token") or ""
    offered = given.strip() if isinstance(given, str) else ""
    right = hmac.compare_digest(offered.encode("utf-8", "replace"), daemon.token.encode())
    session.authenticated |= right
    await session.send(_auth(None if right or not daemon.token else "invalid_auth_token"))


async def _unknown(daemon: Daemon, session: Session, message: Message) -> None:
    del daemon, session
    raise EngineError(f"no request named `{message.type}`")


async def _status(daemon: Daemon, session: Session, message: Message) -> None:
    del message
    await session.send(daemon.status())


async def _capabilities(daemon: Daemon, session: Session, message: Message) -> None:
    del daemon, message
    await session.send(status.capabilities_reply())


async def _backends(daemon: Daemon, session: Session, message: Message) -> None:
    del daemon, message
    await session.send(status.backends_reply())


async def _schema(daemon: Daemon, session: Session, message: Message) -> None:
    del daemon
    role, name = (message.text(each).strip().lower() for each in ("backend_type", "backend_name"))
    await session.send(status.schema_reply(role, name))


async def _set_mode(daemon: Daemon, session: Session, message: Message) -> None:
    del daemon
    asked, output = message.text("mode"), talk.wanted_output(message, session.output)
    rules = changed_rules(message, session.rules)
    session.join_call(message)
    session.mode = asked if asked in MODES else session.mode
    session.output = output
    session.listen_by(rules)
    await session.send(
        {
            "type": "mode_ready",
            "mode": session.mode,
            "call_id": session.call_id,
            "segment_energy_threshold": session.rules.energy_threshold,
            "segment_silence_ms": session.rules.silence_ms,
            "output_encoding": session.output.encoding,
            "output_sample_rate_hz": session.output.sample_rate_hz,
        }
    )


async def _barge_in(daemon: Daemon, session: Session, message: Message) -> None:
    del daemon
    session.join_call(message)
    for owed in session.stop_answering():
        await session.send(owed)
    named = {"call_id": session.call_id, "request_id": message.id}
    await session.send({"type": "barge_in_ack", "status": "ok", **named})


def _of_call(handler: Callable[[Session, Message], Awaitable[None]]) -> Handler:
    async def handle(daemon: Daemon, session: Session, message: Message) -> None:
        del daemon
        await handler(session, message)

    return handle


HANDLERS: Mapping[str, Handler] = {
    "auth": _authenticate,
    "status": _status,
    "capabilities": _capabilities,
    "backends": _backends,
    "backend_schema": _schema,
    "set_mode": _set_mode,
    "switch_model": switching.switch,
    "reload_models": switching.reload_models,
    "reload_llm": switching.reload_llm,
    "barge_in": _barge_in,
    "audio": _of_call(talk.audio),
    "llm_request": _of_call(talk.llm_request),
    "tts_request": _of_call(talk.tts_request),
}

"""A WebSocket connection: let in or not, answered until it closes, and closed in good order."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlsplit

from aava_cli.daemon.address import is_loopback
from aava_cli.serve.guard import WIRE
from aava_cli.serve.limits import SPARE_CONNECTIONS
from aava_cli.serve.protocol import Daemon, handle_bytes, handle_text
from aava_cli.serve.turns import ASKER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.websockets import WebSocket

    from aava_cli.serve.session import Session
    from aava_cli.serve.wire import Wire

Event: TypeAlias = MutableMapping[str, Any]
Waiting: TypeAlias = "asyncio.Queue[Event]"

POLICY_VIOLATION = 1008
RETRY_AFTER_S = 5
_WAITING_MESSAGES = 4
_LOOK_S = 1.0
_CLOSE_S = 2.0


class _Connection:
    """A WebSocket whose sender learns in the usual way that nobody listens any more."""

    def __init__(self, websocket: WebSocket, wire: Wire) -> None:
        self._websocket = websocket
        self._wire = wire
        self._closed = False

    async def send_text(self, data: str) -> None:
        """Send one text message."""
        with self._disconnect_as_error():
            await self._websocket.send_text(data)

    async def send_bytes(self, data: bytes) -> None:
        """Send one binary message."""
        with self._disconnect_as_error():
            await self._websocket.send_bytes(data)

    async def close(self, code: int, reason: str) -> None:
        """Close the connection; nothing is sent after that."""
        with self._disconnect_as_error():
            self._closed = True
            await self._websocket.close(code, reason)

    def drop(self) -> None:
        """End the connection without a word."""
        self._closed = True
        self._wire.drop()

    @contextlib.contextmanager
    def _disconnect_as_error(self) -> Iterator[None]:
        from starlette.websockets import WebSocketDisconnect

        if self._closed:
            raise ConnectionResetError
        try:
            yield
        except WebSocketDisconnect as error:
            # Whatever else is to be sent would be taken for a bug.
            self._closed = True
            raise ConnectionResetError from error


async def converse(daemon: Daemon, websocket: WebSocket) -> None:
    """Answer one connection until it closes; what it asked for stops with it."""
    if not daemon.token and is_foreign_page(websocket.headers.get("origin")):
        await websocket.close(POLICY_VIOLATION)
        return
    if not _has_place(daemon):
        await _refuse(daemon, websocket)
        return
    await websocket.accept()
    wire: Wire = websocket.scope["state"][WIRE]
    session = daemon.open_session(_Connection(websocket, wire))
    ASKER.set(session)
    # One message is answered after the other, but the end of the connection is seen at once:
    # who leaves during a load does not want it any more.
    waiting: Waiting = asyncio.Queue(_WAITING_MESSAGES)
    beside = [_answer_all(daemon, session, waiting, wire)]
    if not session.authenticated:
        beside.append(_require_token(session, wire))
    tasks = [asyncio.create_task(each) for each in beside]
    try:
        while (event := await websocket.receive())["type"] != "websocket.disconnect":
            if not await _wait_for_place(waiting, event, wire):
                wire.drop()
                break
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        daemon.close_session(session)


def _has_place(daemon: Daemon) -> bool:
    """Whether one more connection may come; of strangers the one that came first has to go."""
    strangers = [each for each in daemon.sessions if not each.authenticated]
    if len(strangers) >= SPARE_CONNECTIONS:
        strangers[0].socket.drop()
        daemon.close_session(strangers[0])
    return len(daemon.sessions) < daemon.shared.limits.connections


async def _wait_for_place(waiting: Waiting, event: Event, wire: Wire) -> bool:
    """Put *event* among those that wait; return False where whoever sent it has left by then."""
    while True:
        try:
            async with asyncio.timeout(_LOOK_S):
                await waiting.put(event)
        except TimeoutError:
            # While nothing is read from a connection, nobody says that it has ended.
            if wire.has_left():
                return False
        else:
            return True


async def _refuse(daemon: Daemon, websocket: WebSocket) -> None:
    from starlette.responses import JSONResponse

    refusal = daemon.shared.refusal("there are too many connections")
    await websocket.send_denial_response(
        JSONResponse({"detail": str(refusal)}, 503, {"Retry-After": str(RETRY_AFTER_S)})
    )


async def _require_token(session: Session, wire: Wire) -> None:
    """Close a connection that brings no token for long: strangers must not fill the places."""
    await asyncio.sleep(session.shared.limits.auth_s)
    if session.authenticated:
        return
    with contextlib.suppress(ConnectionError, TimeoutError):
        async with asyncio.timeout(_CLOSE_S):
            await session.socket.close(POLICY_VIOLATION, "no token came")
            return
    wire.drop()


async def _answer_all(daemon: Daemon, session: Session, waiting: Waiting, wire: Wire) -> None:
    # A client that left before its reply misses nothing.
    with contextlib.suppress(ConnectionResetError):
        while True:
            await _handle(daemon, session, await waiting.get())
            if session.authenticated:
                wire.trust()
            wire.handled()


def is_foreign_page(origin: str | None) -> bool:
    """Whether a browser says that a page of another machine asks."""
    # Any web page may connect to loopback in its reader's browser; programs send no origin.
    try:
        return origin is not None and not is_loopback(urlsplit(origin).hostname or "")
    except ValueError:
        return True


async def _handle(daemon: Daemon, session: Session, event: Event) -> None:
    text = event.get("text")
    if text is None:
        await handle_bytes(session, event["bytes"])
    else:
        await handle_text(daemon, session, text)

"""A WebSocket connection: let in or not, answered until it closes, and closed in good order."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from aava_cli.daemon.address import is_loopback
from aava_cli.serve.protocol import Daemon, handle_bytes, handle_text

if TYPE_CHECKING:
    from collections.abc import Iterator, MutableMapping

    from starlette.websockets import WebSocket

    from aava_cli.serve.session import Session

POLICY_VIOLATION = 1008
RETRY_AFTER_S = 5
_WAITING_MESSAGES = 4


class _Connection:
    """A WebSocket whose sender learns in the usual way that nobody listens any more."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket
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

    @contextlib.contextmanager
    def _disconnect_as_error(self) -> Iterator[None]:
        from starlette.websockets import WebSocketDisconnect

        if self._closed:
            raise ConnectionResetError
        try:
            yield
        except WebSocketDisconnect as error:
            raise ConnectionResetError from error


async def converse(daemon: Daemon, websocket: WebSocket) -> None:
    """Answer one connection until it closes; what it asked for stops with it."""
    if not daemon.token and is_foreign_page(websocket.headers.get("origin")):
        await websocket.close(POLICY_VIOLATION)
        return
    if len(daemon.sessions) >= daemon.shared.limits.connections:
        await _refuse(daemon, websocket)
        return
    await websocket.accept()
    session = daemon.open_session(_Connection(websocket))
    # One message is answered after the other, but the end of the connection is seen at once:
    # who leaves during a load does not want it any more.
    waiting: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue(_WAITING_MESSAGES)
    beside = [_answer_all(daemon, session, waiting)]
    if not session.authenticated:
        beside.append(_require_token(session))
    tasks = [asyncio.create_task(each) for each in beside]
    try:
        while (event := await websocket.receive())["type"] != "websocket.disconnect":
            await waiting.put(event)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        daemon.close_session(session)


async def _refuse(daemon: Daemon, websocket: WebSocket) -> None:
    from starlette.responses import JSONResponse

    refusal = daemon.shared.refusal("there are too many connections")
    await websocket.send_denial_response(
        JSONResponse({"detail": str(refusal)}, 503, {"Retry-After": str(RETRY_AFTER_S)})
    )


async def _require_token(session: Session) -> None:
    """Close a connection that brings no token for long: strangers must not fill the places."""
    await asyncio.sleep(session.shared.limits.auth_s)
    if not session.authenticated:
        with contextlib.suppress(ConnectionError):
            await session.socket.close(POLICY_VIOLATION, "no token came")


async def _answer_all(
    daemon: Daemon, session: Session, waiting: asyncio.Queue[MutableMapping[str, Any]]
) -> None:
    # A client that left before its reply misses nothing.
    with contextlib.suppress(ConnectionResetError):
        while True:
            await _handle(daemon, session, await waiting.get())


def is_foreign_page(origin: str | None) -> bool:
    """Whether a browser says that a page of another machine asks."""
    # Any web page may connect to loopback in its reader's browser; programs send no origin.
    try:
        return origin is not None and not is_loopback(urlsplit(origin).hostname or "")
    except ValueError:
        return True


async def _handle(daemon: Daemon, session: Session, event: MutableMapping[str, Any]) -> None:
    text = event.get("text")
    if text is None:
        await handle_bytes(session, event["bytes"])
    else:
        await handle_text(daemon, session, text)

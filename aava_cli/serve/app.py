"""The daemon: one port for WebSocket and `/health`, and what starts and ends with it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import signal
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from aava_cli.daemon.address import is_loopback
from aava_cli.errors import NotPossible
from aava_cli.serve.models import Models
from aava_cli.serve.observing import Observer
from aava_cli.serve.protocol import Daemon, handle_bytes, handle_text

if TYPE_CHECKING:
    from collections.abc import Iterator, MutableMapping

    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.websockets import WebSocket
    from uvicorn import Server

    from aava_cli.serve.config import ServeConfig
    from aava_cli.serve.session import Session

_LARGEST_MESSAGE_BYTES = 64 * 1024 * 1024
_BACKLOG = 128
_WAITING_MESSAGES = 4
_STOP_S = 2
_POLICY_VIOLATION = 1008


def run(config: ServeConfig) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        NotPossible: the port cannot be bound.
    """
    asyncio.run(serve(config))


async def serve(config: ServeConfig) -> None:
    """Serve until SIGTERM or SIGINT; no worker is left when this returns.

    Raises:
        NotPossible: the port cannot be bound.
    """
    listening = _listen(config.host, config.port)
    models = Models(config.settings, config.env)
    observer = Observer(models)
    models.on_loaded = observer.loaded
    server = _server(build_app(Daemon(models, config.token)))
    with contextlib.closing(listening), _stopping(server):
        config.on_ready()
        loading = asyncio.create_task(models.load_selected())
        try:
            await server.serve(sockets=[listening])
        finally:
            loading.cancel()
            await asyncio.gather(loading, return_exceptions=True)
            await observer.close()
            await models.close()


def build_app(daemon: Daemon) -> Starlette:
    """Return the application that answers for *daemon*."""
    from starlette.applications import Starlette
    from starlette.responses import JSONResponse
    from starlette.routing import Route, WebSocketRoute

    async def health(request: Request) -> Response:
        del request
        loaded = {role: slot.loaded for role, slot in daemon.models.slots.items()}
        return JSONResponse({"status": "ok", "models": loaded})

    async def connect(websocket: WebSocket) -> None:
        await _converse(daemon, websocket)

    routes = [Route("/health", health), WebSocketRoute("/{path:path}", connect)]
    return Starlette(routes=routes)


class _Connection:
    """A WebSocket whose sender learns in the usual way that nobody listens any more."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket

    async def send_text(self, data: str) -> None:
        """Send one text message."""
        with _disconnect_as_error():
            await self._websocket.send_text(data)

    async def send_bytes(self, data: bytes) -> None:
        """Send one binary message."""
        with _disconnect_as_error():
            await self._websocket.send_bytes(data)


@contextlib.contextmanager
def _disconnect_as_error() -> Iterator[None]:
    from starlette.websockets import WebSocketDisconnect

    try:
        yield
    except WebSocketDisconnect as error:
        raise ConnectionResetError from error


async def _converse(daemon: Daemon, websocket: WebSocket) -> None:
    """Answer one connection until it closes; what it asked for stops with it."""
    if not daemon.token and _is_foreign_page(websocket.headers.get("origin")):
        await websocket.close(_POLICY_VIOLATION)
        return
    await websocket.accept()
    session = daemon.open_session(_Connection(websocket))
    # One message is answered after the other, but the end of the connection is seen at once:
    # who leaves during a load does not want it any more.
    waiting: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue(_WAITING_MESSAGES)
    answering = asyncio.create_task(_answer_all(daemon, session, waiting))
    try:
        while (event := await websocket.receive())["type"] != "websocket.disconnect":
            await waiting.put(event)
    finally:
        answering.cancel()
        await asyncio.gather(answering, return_exceptions=True)
        daemon.close_session(session)


async def _answer_all(
    daemon: Daemon, session: Session, waiting: asyncio.Queue[MutableMapping[str, Any]]
) -> None:
    # A client that left before its reply misses nothing.
    with contextlib.suppress(ConnectionResetError):
        while True:
            await _handle(daemon, session, await waiting.get())


def _is_foreign_page(origin: str | None) -> bool:
    """Whether a browser says that a page of another machine opened the connection."""
    # Any web page may connect to loopback in its reader's browser; programs send no origin.
    return origin is not None and not is_loopback(urlsplit(origin).hostname or "")


async def _handle(daemon: Daemon, session: Session, event: MutableMapping[str, Any]) -> None:
    text = event.get("text")
    if text is None:
        await handle_bytes(session, event["bytes"])
    else:
        await handle_text(daemon, session, text)


def _server(app: Starlette) -> Server:
    from uvicorn import Config, Server

    return Server(
        Config(
            app,
            ws="websockets-sansio",
            ws_max_size=_LARGEST_MESSAGE_BYTES,
            ws_ping_interval=60,
            ws_ping_timeout=120,
            timeout_graceful_shutdown=_STOP_S,
            lifespan="off",
            access_log=False,
            log_level="warning",
        )
    )


@contextlib.contextmanager
def _stopping(server: Server) -> Iterator[None]:
    """Stop *server* in good order on SIGTERM and SIGINT.

    The server has handlers of its own while it serves, but it raises the signal again when it
    has stopped, and then the workers still have to be ended.
    """
    loop = asyncio.get_running_loop()

    def stop() -> None:
        server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        reason = "another program listens there" if taken else error.strerror or str(error)
        raise NotPossible(
            f"cannot listen on `{host}:{port}`: {reason}",
            hint="set `LOCAL_WS_HOST` and `LOCAL_WS_PORT` in `.env`",
        ) from error

"""The daemon: one port for WebSocket and HTTP, and what starts and ends with it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
from typing import TYPE_CHECKING

from aava_cli.errors import NotPossible
from aava_cli.files import atomic_write
from aava_cli.serve.connection import converse
from aava_cli.serve.models import Models
from aava_cli.serve.notify import Notifier
from aava_cli.serve.observing import Observer
from aava_cli.serve.protocol import Daemon
from aava_cli.serve.state import word_for
from aava_cli.serve.stopping import Stopper
from aava_cli.serve.web import Web

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from starlette.applications import Starlette
    from starlette.websockets import WebSocket
    from uvicorn import Server

    from aava_cli.serve.config import ServeConfig
    from aava_cli.serve.limits import Limits

_BACKLOG = 128
_STOP_S = 2


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
    models = Models(config.settings, config.env, config.limits)
    observer = Observer(models)
    models.on_loaded = observer.loaded
    daemon = Daemon(models, config.token)
    web = Web(daemon)
    server = _server(build_app(daemon, web), config.limits)
    notifier = Notifier(os.environ, config.ready_fd)

    def end() -> None:
        server.should_exit = True

    stopper = Stopper(daemon, web.gate, notifier, end)
    with contextlib.closing(listening), stopper.on_signals(), _named(config.pid_file):
        config.on_ready()
        beside = (_load_first(models, notifier), notifier.keep_alive())
        tasks = [asyncio.create_task(each) for each in beside]
        try:
            await server.serve(sockets=[listening])
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await observer.close()
            await models.close(patience_s=_STOP_S)


async def _load_first(models: Models, notifier: Notifier) -> None:
    notifier.status("loading models; the port answers already")
    await models.load_selected()
    problems = {role: slot.problem for role, slot in models.slots.items() if slot.problem}
    told = "; ".join(f"{role}: {problem}" for role, problem in problems.items())
    notifier.ready(f"{word_for(models)}: {told}" if told else word_for(models))


@contextlib.contextmanager
def _named(pid_file: Path | None) -> Iterator[None]:
    """Say in *pid_file* which process this is, for the block."""
    if pid_file is None:
        yield
        return
    atomic_write(pid_file, f"{os.getpid()}\n".encode())
    try:
        yield
    finally:
        pid_file.unlink(missing_ok=True)


def build_app(daemon: Daemon, web: Web) -> Starlette:
    """Return the application that answers for *daemon*."""
    from starlette.applications import Starlette
    from starlette.routing import WebSocketRoute

    async def connect(websocket: WebSocket) -> None:
        await converse(daemon, websocket)

    routes = [*web.routes(), WebSocketRoute("/{path:path}", connect)]
    return Starlette(routes=routes, exception_handlers=web.on_no_route())


def _server(app: Starlette, limits: Limits) -> Server:
    from uvicorn import Config, Server

    from aava_cli.serve.gentle import Gentle

    class Quiet(Server):
        """Leaves signals alone: it would close calls without a word, and raise them again."""

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    return Quiet(
        Config(
            app,
            http=Gentle,
            ws="websockets-sansio",
            ws_max_size=limits.message_bytes,
            ws_ping_interval=60,
            ws_ping_timeout=120,
            timeout_graceful_shutdown=_STOP_S,
            lifespan="off",
            access_log=False,
            log_level="warning",
        )
    )


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

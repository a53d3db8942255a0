"""The daemon: one port for WebSocket and HTTP, and what starts and ends with it."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import errno
import os
import resource
import socket
from typing import TYPE_CHECKING

from aava_cli.errors import NotPossible
from aava_cli.serve.connection import converse
from aava_cli.serve.guard import Guard, guarded
from aava_cli.serve.limits import MIB
from aava_cli.serve.models import Models
from aava_cli.serve.notify import Notifier
from aava_cli.serve.observing import Observer
from aava_cli.serve.pidfile import named_in
from aava_cli.serve.protocol import Daemon
from aava_cli.serve.state import word_for
from aava_cli.serve.stopping import Stopper
from aava_cli.serve.web import Web

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.applications import Starlette
    from starlette.websockets import WebSocket
    from uvicorn import Server

    from aava_cli.serve.config import ServeConfig

_BACKLOG = 128
# Pipes to models, uploads, and what libraries open.
_OWN_FILES = 256
_M_MMAP_THRESHOLD = -3
_STOP_S = 2


def run(config: ServeConfig) -> None:
    """Serve until SIGTERM, SIGHUP or SIGINT.

    Raises:
        NotPossible: the port cannot be bound, or a file cannot be written.
    """
    asyncio.run(serve(config))


async def serve(config: ServeConfig) -> None:
    """Serve until SIGTERM, SIGHUP or SIGINT; no worker is left when this returns.

    Raises:
        NotPossible: the port cannot be bound, or a file cannot be written.
    """
    _allow_files(config.limits.sockets + _OWN_FILES)
    _give_memory_back()
    models = Models(config.settings, config.env, config.limits)
    observer = Observer(models)
    models.on_loaded = observer.loaded
    daemon = Daemon(models, config.token)
    web = Web(daemon)
    guard = Guard(config.limits, needs_token=bool(config.token))
    server = _server(build_app(daemon, web), guard)
    notifier = Notifier(os.environ, config.ready_fd)

    def end() -> None:
        server.should_exit = True

    stopper = Stopper(daemon, web.gate, notifier, end)
    # Whoever can connect may also stop the daemon.
    with stopper.on_signals(), contextlib.ExitStack() as held:
        listening = held.enter_context(_listen(config.host, config.port))
        held.enter_context(named_in(config.pid_file))
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


def _allow_files(count: int) -> None:
    """Have the system allow *count* open files, as far as it lets us."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))


def _give_memory_back() -> None:
    """Have large blocks of memory go back to the system once they are free."""
    # The GNU library keeps them for the next ones after it has seen a few, and so for good.
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, MIB)


async def _load_first(models: Models, notifier: Notifier) -> None:
    notifier.status("loading models; the port answers already")
    await models.load_selected()
    problems = {role: slot.problem for role, slot in models.slots.items() if slot.problem}
    told = "; ".join(f"{role}: {problem}" for role, problem in problems.items())
    notifier.ready(f"{word_for(models)}: {told}" if told else word_for(models))


def build_app(daemon: Daemon, web: Web) -> Starlette:
    """Return the application that answers for *daemon*."""
    from starlette.applications import Starlette
    from starlette.routing import WebSocketRoute

    async def connect(websocket: WebSocket) -> None:
        await converse(daemon, websocket)

    routes = [*web.routes(), WebSocketRoute("/{path:path}", connect)]
    return Starlette(routes=routes, exception_handlers=web.on_no_route())


def _server(app: Starlette, guard: Guard) -> Server:
    from uvicorn import Config, Server

    from aava_cli.serve.doorway import Http
    from aava_cli.serve.wire import Wire

    class Quiet(Server):
        """Leaves signals alone: it would close calls without a word, and raise them again."""

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    return Quiet(
        Config(
            app,
            http=guarded(Http, guard),
            ws=guarded(Wire, guard),
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

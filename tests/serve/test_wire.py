"""Connections of clients that take nothing, come to no end, or are slow in a way of their own."""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from uvicorn import Config, Server
from websockets.sync.client import connect

from aava_cli.serve.guard import Guard, guarded
from aava_cli.serve.limits import Limits
from aava_cli.serve.wire import Wire
from tests.daemon_fixture import DEADLINE_S
from tests.serve.conftest import NO_MODELS
from tests.serve.processes import MIB, resident, wait_for
from tests.serve.sockets import HANDSHAKE, frame, raw, talking

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.serve.conftest import Starter

HEALTH = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.mark.parametrize(
    "header",
    [b"Content-Length: 5", b"Transfer-Encoding: chunked", b"Cookie: " + b"x" * 9000],
    ids=["body", "chunks", "cookie"],
)
def test_handshake_that_is_none_is_ended(start: Starter, header: bytes) -> None:
    """Whatever HTTP lets pass: nobody would ever hear of it, or give its place back."""
    daemon = start(**NO_MODELS)
    with closing(raw(daemon, HANDSHAKE[:-2] + header + b"\r\n\r\n")) as refused:
        received = b""
        while piece := refused.recv(4096):
            received += piece
    assert b" 101 " not in received


@pytest.mark.parametrize("before", [b"", HEALTH])
def test_message_may_come_with_the_handshake(start: Starter, before: bytes) -> None:
    """However much of it: what is lost could not be told from what was never sent."""
    daemon = start(**NO_MODELS)
    messages = frame(b'{"type": "status"}') + frame(bytes(9000), opcode=2) + frame(b"{}")
    received = b""
    with closing(raw(daemon, before + HANDSHAKE + messages)) as eager:
        while b"expected an object" not in received:
            received += eager.recv(4096)
    assert b" 101 " in received
    assert b"status_response" in received


@pytest.mark.parametrize("path", [b"/generate", b"/none"])
def test_garbage_after_a_request_is_no_failure_of_ours(start: Starter, path: bytes) -> None:
    """Whoever sends it gets an answer; strangers would fill the log with what is said of it."""
    daemon = start(**NO_MODELS)
    asked = b"POST " + path + b" HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    for pause in (False, True):
        with closing(raw(daemon, asked)) as broken:
            received = broken.recv(12) if pause and path == b"/none" else b""
            broken.sendall(b"zzz\r\n")
            while piece := broken.recv(4096):
                received += piece
        assert received.startswith(b"HTTP/1.1 4")
    with closing(raw(daemon, b"zzz\r\n\r\n")) as broken:
        assert broken.recv(12) == b"HTTP/1.1 400"
    assert "Traceback" not in daemon.log.read_text("utf-8")


def test_text_that_is_none_is_no_failure_of_ours(start: Starter) -> None:
    """Its sender learns why its connection ends; nobody else needs to."""
    daemon = start(**NO_MODELS)
    with closing(talking(daemon)) as broken:
        broken.sendall(frame(b"\xff"))
        received = b""
        while piece := broken.recv(4096):
            received += piece
    assert b"\x03\xefthis is not UTF-8" in received
    assert "Traceback" not in daemon.log.read_text("utf-8")


def test_pings_of_who_takes_no_answers_are_not_answered(start: Starter) -> None:
    """Their answers would heap up."""
    daemon = start(**NO_MODELS)
    daemon.status()
    before, pings = resident(daemon), (b"\x89\xfd" + bytes(4) + bytes(125)) * 8000
    with closing(talking(daemon)) as deaf:
        for _ in range(80):
            deaf.sendall(pings)
        assert daemon.status()["status"] == "ok"
        assert resident(daemon) - before < 30 * MIB


def test_who_takes_nothing_keeps_nobody_out(start: Starter) -> None:
    """What was sent to it is not kept for ever, nor its place: over HTTP, and as a WebSocket."""
    limits = {"sessions": 1, "requests": -20, "handshake_s": 0.5, "upload_s": 1}
    daemon = start(limits=limits, **NO_MODELS)
    with ExitStack() as deaf:
        for first, again in ((HEALTH, HEALTH), (HANDSHAKE, frame(b'{"type": "status"}'))):
            for _ in range(22):
                each = deaf.enter_context(closing(socket.socket()))
                each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
                each.settimeout(0.2)
                each.connect(("127.0.0.1", daemon.port))
                with suppress(OSError):
                    each.sendall(first + again * 20_000)
        wait_for(lambda: _is_served(daemon.port))
        wait_for(lambda: psutil.Process(daemon.pid).num_fds() < 20)


def _is_served(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S) as connection:
        connection.sendall(HEALTH)
        return connection.recv(100).startswith(b"HTTP/1.1 200 ")


def test_messages_may_be_cut_anywhere_for_ever(start: Starter) -> None:
    """Each came in time; that the next one had begun by then does not count against it."""
    daemon = start(limits={"upload_s": 1}, **NO_MODELS)
    message = frame(bytes(4000), opcode=2)
    half = len(message) // 2
    with closing(talking(daemon)) as cut:
        cut.settimeout(0.2)
        cut.sendall(message[:half])
        for _ in range(10):
            cut.sendall(message[half:] + message[:half])
            with pytest.raises(TimeoutError):
                cut.recv(1)


@contextmanager
def _slow_to_listen(listens: threading.Event) -> Iterator[int]:
    """Run a server that takes the first message only once it *listens*; yield its port."""

    async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - as ASGI has them
        del scope
        await receive()
        await send({"type": "websocket.accept"})
        await asyncio.to_thread(listens.wait)
        for _ in range(2):
            if (await receive())["type"] == "websocket.disconnect":
                return
        await send({"type": "websocket.send", "text": "heard"})
        await receive()

    wire = guarded(Wire, Guard(Limits(), needs_token=False))
    config = Config(app, ws=wire, ws_ping_interval=0.1, ws_ping_timeout=0.1, lifespan="off")
    server = Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        running = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        running.start()
        try:
            yield listening.getsockname()[1]
        finally:
            listens.set()
            server.should_exit = True
            running.join(DEADLINE_S)


def test_who_waits_for_its_turn_is_not_taken_for_gone() -> None:
    """While nothing is read from a connection, its answers to pings are not read either."""
    listens = threading.Event()
    with (
        _slow_to_listen(listens) as port,
        connect(f"ws://127.0.0.1:{port}", proxy=None, ping_interval=None) as patient,
    ):
        patient.send("first")
        patient.send("second")
        assert not listens.wait(1)
        listens.set()
        assert "heard" == patient.recv(timeout=DEADLINE_S)


def test_who_answers_no_pings_is_gone() -> None:
    """Where it could have been heard."""
    with (
        _slow_to_listen(threading.Event()) as port,
        closing(socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S)) as gone,
    ):
        gone.sendall(HANDSHAKE)
        received = b""
        while piece := gone.recv(4096):
            received += piece
    assert b"keepalive ping timeout" in received

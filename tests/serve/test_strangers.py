"""What comes in before it is known who sends it, and what nobody needs to send."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from typing import TYPE_CHECKING

import psutil
import pytest
from websockets.sync.client import connect

from aava_cli.serve.engines import EngineError
from aava_cli.serve.parsing import parse
from tests.daemon_fixture import Client
from tests.serve.conftest import NO_MODELS
from tests.serve.over_http import client_of
from tests.serve.processes import MIB, resident, wait_for
from tests.serve.sockets import end_of, frame, raw, talking
from tests.serve.sounds import encoded, tone

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from tests.daemon_fixture import RunningDaemon
    from tests.serve.conftest import Starter

TOKEN = {"type": "auth", "auth_token": "t"}
OK = {"type": "auth_response", "status": "ok"}
GUARDED = {"LOCAL_WS_AUTH_TOKEN": "t"}


def unfinished(daemon: RunningDaemon, size: int) -> socket.socket:
    """Return a WebSocket that lacks the end of a binary message of *size* bytes."""
    connection = talking(daemon)
    # There may be no room for it.
    with suppress(ConnectionError):
        connection.sendall(frame(bytes(size - 1), opcode=2, size=size))
    return connection


@pytest.mark.parametrize("compression", [None, "deflate"])
def test_stranger_sends_only_small_messages(start: Starter, compression: str | None) -> None:
    """However small they are on their way; with the token they may be large."""
    daemon = start(**NO_MODELS, **GUARDED)
    large = json.dumps({"type": "status", "x": "x" * 100_000})
    with ExitStack() as open_:
        stranger, friend = (
            Client(open_.enter_context(connect(daemon.url, compression=compression, proxy=None)))
            for _ in range(2)
        )
        stranger.send(large)
        assert end_of(stranger)[0] == 1009
        assert friend.ask(TOKEN) == OK
        assert friend.ask(large)["type"] == "status_response"


def test_large_message_may_follow_the_token_at_once(start: Starter) -> None:
    """A client need not wait to hear that its token is right; but right it has to be."""
    daemon = start(**GUARDED)
    recording = {"type": "audio", "mode": "stt", "data": encoded(tone(3000)), "request_id": 1}
    with daemon.connect() as friend, daemon.connect() as stranger:
        friend.send(TOKEN)
        friend.send({"type": "status"})
        for number in range(3):
            friend.send(recording | {"request_id": number})
        replies = [friend.receive() for _ in range(5)]
        stranger.send(TOKEN | {"auth_token": "wrong"})
        stranger.send(recording)
        assert stranger.receive()["message"] == "invalid_auth_token"
        assert end_of(stranger)[0] == 1009
    assert ["auth_response", "status_response"] == [each["type"] for each in replies[:2]]
    assert {0, 1, 2} == {each["request_id"] for each in replies[2:]}


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n"])
def test_silent_connection_is_closed(start: Starter, said: bytes) -> None:
    """One that begins a request and does not go on, as well; and one that was answered before."""
    daemon = start(limits={"handshake_s": 0.3}, **NO_MODELS)
    with closing(raw(daemon, said)) as silent:
        assert silent.recv(1000) == b""
    with closing(raw(daemon, b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n" + said)) as answered:
        received = b""
        while piece := answered.recv(1000):
            received += piece
    assert received.startswith(b"HTTP/1.1 200")


def test_silent_connections_keep_nobody_out(start: Starter) -> None:
    """There is a bound on all connections; of those that say nothing the oldest has to go."""
    daemon = start(limits={"sessions": 1, "requests": 1, "handshake_s": 3600}, **NO_MODELS)
    with ExitStack() as silent:
        opened = [silent.enter_context(raw(daemon)) for _ in range(200)]
        assert daemon.status()["status"] == "ok"
        assert opened[0].recv(1) == b""
        assert psutil.Process(daemon.pid).num_fds() < 120


def test_connection_beyond_all_others_is_refused(start: Starter) -> None:
    """Where nobody is silent, who comes last is told to come later."""
    daemon = start(limits={"sessions": 1, "requests": -32}, **NO_MODELS)
    with ExitStack() as open_:
        for _ in range(33):
            open_.enter_context(daemon.connect())
        with closing(raw(daemon)) as late:
            refused = late.recv(1000)
        assert refused.startswith(b"HTTP/1.1 503 ")
        assert refused.endswith(b'{"detail": "there are too many connections"}')


def test_strangers_do_not_take_the_places_of_calls(start: Starter) -> None:
    """The stranger that came first has to go when there are too many of them."""
    daemon = start(limits={"sessions": 1, "auth_s": 3600}, **NO_MODELS, **GUARDED)
    with ExitStack() as strangers:
        for _ in range(50):
            strangers.enter_context(daemon.connect())
        with daemon.connect() as friend:
            assert friend.ask(TOKEN) == OK
            assert friend.ask({"type": "status"})["status"] == "ok"


def test_stranger_that_takes_nothing_is_ended(start: Starter) -> None:
    """It could not be told why."""
    daemon = start(limits={"auth_s": 1}, **NO_MODELS, **GUARDED)
    files = psutil.Process(daemon.pid).num_fds()
    with closing(talking(daemon)) as deaf:
        deaf.settimeout(0.5)
        with pytest.raises(OSError, match=r"timed out|reset|Broken pipe"):
            deaf.sendall(frame(b'{"type": "status"}') * 1_000_000)
        wait_for(lambda: psutil.Process(daemon.pid).num_fds() <= files)
    assert resident(daemon) < 200 * MIB


def test_message_that_does_not_come_is_given_up(start: Starter) -> None:
    """Its beginning is not kept."""
    daemon = start(limits={"upload_s": 0.3}, **NO_MODELS)
    with closing(unfinished(daemon, 10_000)) as slow:
        assert b"a message did not come in time" in slow.recv(1000)


def test_what_arrives_is_bounded_for_all_together(start: Starter) -> None:
    """Many large messages at once take no more than one limit says; small ones are let in."""
    daemon = start(limits={"arriving_bytes": 8 * MIB}, **NO_MODELS)
    with ExitStack() as open_:
        for _ in range(2):
            open_.enter_context(unfinished(daemon, 4 * MIB - 1000))
        with daemon.connect() as third:
            third.send(bytes(4 * MIB))
            assert (1013, "too much arrives at once; try again later") == end_of(third)
        assert daemon.status()["status"] == "ok"
    with daemon.connect() as late:
        wait_for(lambda: daemon.status()["active_sessions"] == 0)
        late.send(bytes(4 * MIB))
        assert late.ask({"type": "status"})["status"] == "ok"


def test_nothing_is_left_of_messages_that_did_not_come(start: Starter) -> None:
    """The memory is free again when the connections have ended, whoever they were."""
    daemon = start(**NO_MODELS)
    daemon.status()
    before = resident(daemon)
    for _ in range(8):
        with ExitStack() as open_, ThreadPoolExecutor(12) as pool:
            for each in pool.map(lambda _: unfinished(daemon, 31 * MIB), range(12)):
                open_.callback(each.close)
        wait_for(lambda: resident(daemon) - before < 20 * MIB)


def brackets(size: int) -> str:
    """Return a request of *size* characters that takes long to be read."""
    return '{"type": "status", "x": [' + "[]," * (size // 3) + "[]]}"


def test_large_request_is_sound_or_text(start: Starter) -> None:
    """Anything else is not even read: it would keep everybody waiting, and take much memory."""
    daemon = start(**NO_MODELS)
    daemon.status()
    before = resident(daemon)
    with daemon.connect() as client:
        reply = client.ask(brackets(30 * MIB))
        assert client.ask({"type": "status"})["status"] == "ok"
    problem = "a request may have 262,144 characters beside its `data` or `text`"
    assert {"type": "error", "message": problem} == reply
    assert resident(daemon) - before < 150 * MIB


LONG = "A" * 300_000


def requests() -> Iterator[tuple[str, str | None]]:
    """Yield long requests, and what their long field is; None where they are refused."""
    yield json.dumps({"type": "audio", "data": LONG, "request_id": 1}), LONG
    yield json.dumps({"data": LONG, "type": "audio", "request_id": 1}), LONG
    yield (
        json.dumps({"type": "audio", "request_id": 1, "data": f"{LONG}/"}).replace("/", r"\/"),
        f"{LONG}/",
    )
    yield (
        json.dumps({"type": "x", "text": f'{LONG} "quoted" \\', "request_id": 1}),
        (f'{LONG} "quoted" \\'),
    )
    yield json.dumps({"type": "audio", "data": LONG * 2, "other": LONG}), None
    yield json.dumps({"type": "audio", "other": {"data": LONG}}), None
    yield f'{{"type": "audio", "data": "{LONG}', None
    yield f'{{"type": "audio", "data": "{LONG}"', None
    yield '{"type": "audio", "data": "' + r"\"" * 300_000 + '"}', None
    yield '{"type": "audio", "data": "' + "\\" * 300_000 + '"}', None
    yield f'{{"type": "audio", "text": "{LONG}\\x"}}', None
    yield " " * 300_000, None


@pytest.mark.parametrize(("text", "long"), [*requests()], ids=range(12))
def test_long_field_is_read_as_it_is(text: str, long: str | None) -> None:
    """Wherever it stands in the request, and however it is escaped."""
    if long is None:
        with pytest.raises(EngineError):
            parse(text)
        return
    fields = parse(text).fields
    assert (long, 1) == (fields.get("data", fields.get("text")), fields["request_id"])


def test_recording_beyond_the_limit_is_refused(start: Starter) -> None:
    """Whatever its rate."""
    daemon = start(limits={"recording_s": 2})
    daemon.wait_until_loaded()
    asked = {"type": "audio", "mode": "stt", "request_id": 1}
    short, long = (
        daemon.ask(asked | {"data": encoded(tone(length, rate_hz=8000)), "rate": 8000})
        for length in (2000, 3000)
    )
    assert ("hello world", 1) == (short["text"], short["request_id"])
    assert "a recording may last 2 s, this one 3 s" == long["message"]


def test_who_leaves_with_requests_waiting_is_noticed(start: Starter) -> None:
    """Even while nothing is read: what it sent is dropped, and its place is free."""
    daemon = start()
    daemon.wait_until_loaded()
    process = psutil.Process(daemon.pid)
    known, files = {each.pid for each in process.children()}, process.num_fds()
    with daemon.connect() as switching:
        switching.send({"type": "switch_model", "tts_model_path": "/app/models/tts/high.onnx"})
        wait_for(lambda: any(each.pid not in known for each in process.children()))
        loading = next(each for each in process.children() if each.pid not in known)
        loading.suspend()
        during = process.num_fds()
        with closing(talking(daemon)) as leaving:
            leaving.sendall(frame(b'{"type": "reload_llm"}') + frame(bytes(MIB), opcode=2) * 4)
            leaving.settimeout(0.5)
            # The daemon reads no more than it can keep.
            with pytest.raises(TimeoutError):
                leaving.sendall(frame(bytes(MIB), opcode=2) * 20)
        wait_for(lambda: process.num_fds() <= during)
        loading.resume()
        assert "success" == switching.receive()["status"]
    wait_for(lambda: process.num_fds() <= files)


def test_health_needs_no_handshake_of_its_own(start: Starter) -> None:
    """Connections that are kept for the next request are served."""
    daemon = start(limits={"handshake_s": 1}, **NO_MODELS)
    with client_of(daemon) as client:
        assert [200] * 3 == [client.get("/health").status_code for _ in range(3)]

"""More than the daemon takes on: what is beyond a limit is refused in words, and nothing grows."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

import httpx
import psutil
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.serve.over_http import client_of, metric, transcribe, wav_of
from tests.serve.processes import MIB, model_pid, stopped, wait_for
from tests.serve.sockets import HANDSHAKE, frame
from tests.serve.sounds import encoded, silence, tone
from tests.tiny_models import write_piper

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.serve.conftest import Starter


def test_calls_beyond_the_limit_are_refused(start: Starter) -> None:
    """Whoever asks for the status is let in all the same, and a call that ends makes room."""
    daemon = start(limits={"sessions": 2})
    with ExitStack() as calls:
        for _ in range(2):
            calls.enter_context(daemon.connect()).ask({"type": "set_mode", "mode": "stt"})
        with daemon.connect() as third:
            refused = third.ask({"type": "set_mode", "mode": "stt"})
            unheard = third.ask(b"\0\0")
            assert 2 == third.ask({"type": "status"})["active_sessions"]
    problem = "the daemon carries 2 calls already; try again later"
    assert [{"type": "error", "message": problem}] * 2 == [refused, unheard]
    daemon.wait_until(lambda status: not status["active_sessions"])
    assert "mode_ready" == daemon.ask({"type": "set_mode", "mode": "stt"})["type"]


def test_connections_beyond_the_limit_are_refused(start: Starter) -> None:
    """Before the handshake, with a code that says when to come again."""
    daemon = start(limits={"sessions": 1})
    with ExitStack() as open_:
        for _ in range(33):
            open_.enter_context(daemon.connect())
        with pytest.raises(InvalidStatus) as raised, daemon.connect():
            pass
        assert (503, "5") == (
            raised.value.response.status_code,
            raised.value.response.headers["Retry-After"],
        )
    wait_for(lambda: daemon.status()["status"] == "ok")


def test_stranger_does_not_keep_a_place(start: Starter) -> None:
    """A connection that brings no token is closed after a while; one that did, stays."""
    daemon = start(limits={"auth_s": 3}, LOCAL_WS_AUTH_TOKEN="t", LOCAL_STT_BACKEND="")  # noqa: S106
    with daemon.connect() as friend, daemon.connect() as stranger:
        friend.ask({"type": "auth", "auth_token": "t"})
        with pytest.raises(ConnectionClosed) as raised:
            stranger.receive()
        assert "status_response" == friend.ask({"type": "status"})["type"]
    assert raised.value.rcvd is not None
    assert (1008, "no token came") == (raised.value.rcvd.code, raised.value.rcvd.reason)


def test_flood_gets_errors_and_the_answers_that_it_may(start: Starter) -> None:
    """A client may have so many requests waiting; each beyond is refused at once."""
    daemon = start(limits={"queue": 4})
    daemon.wait_until_loaded()
    with daemon.connect() as client:
        with stopped(model_pid(daemon, "llm")):
            for number in range(10):
                client.send({"type": "llm_request", "text": "hello", "request_id": number})
            refusals = [client.receive() for _ in range(6)]
        answers = [client.receive() for _ in range(4)]
        assert "hi there" == client.ask({"type": "llm_request", "text": "hello"})["text"]
    problem = "4 requests of this connection wait already; take their answers"
    assert [("llm_response", problem)] * 6 == [(each["type"], each["error"]) for each in refusals]
    assert [4, 5, 6, 7, 8, 9] == [each["request_id"] for each in refusals]
    assert [0, 1, 2, 3] == [each["request_id"] for each in answers]


def test_flood_of_speech_is_told(start: Starter) -> None:
    """Utterances of a stream that nobody can hear in time are refused, the last one as well."""
    daemon = start(limits={"queue": 2}, LOCAL_STT_IDLE_MS="200")
    daemon.wait_until_loaded()
    with daemon.connect() as client:
        client.ask({"type": "set_mode", "mode": "stt"})
        with stopped(model_pid(daemon, "stt")):
            client.send((tone(600) + silence(700)) * 3)
            refused = client.receive()
            client.send(tone(600))
            late = client.receive()
        heard = [client.receive()["text"] for _ in range(2)]
    assert ("error", "error", ["hello world"] * 2) == (refused["type"], late["type"], heard)


def test_sound_that_waits_is_bounded_for_all_together(start: Starter) -> None:
    """Many connections with a recording each take no more memory than one limit says."""
    daemon = start(limits={"waiting_bytes": 100_000})
    daemon.wait_until_loaded()
    recording = {"type": "audio", "mode": "stt", "data": encoded(tone(1500)), "request_id": "r"}
    with daemon.connect() as one, daemon.connect() as other:
        with stopped(model_pid(daemon, "stt")):
            one.send(recording)
            one.send(recording)
            assert "status_response" == one.ask({"type": "status"})["type"]
            refused = other.ask(recording)
        assert ["hello world"] * 2 == [one.receive()["text"] for _ in range(2)]
        assert "hello world" == other.ask(recording)["text"]
    assert "too much sound waits for the model already; try again later" == refused["message"]


def test_message_beyond_the_limit_closes_the_connection(start: Starter) -> None:
    """With the code that means so."""
    daemon = start(limits={"message_bytes": 1000})
    with daemon.connect() as client:
        client.send("x" * 1001)
        with pytest.raises(ConnectionClosed) as raised:
            client.receive()
    assert raised.value.rcvd is not None
    assert 1009 == raised.value.rcvd.code


def test_reader_that_takes_nothing_does_not_grow_the_daemon(start: Starter) -> None:
    """Replies wait in a bounded number, and others are answered."""
    daemon = start()
    daemon.wait_until_loaded()
    process = psutil.Process(daemon.pid)
    before = process.memory_info().rss
    with socket.create_connection(("127.0.0.1", daemon.port)) as deaf:
        deaf.sendall(HANDSHAKE)
        deaf.settimeout(1)
        # The daemon stops reading once its replies are not taken.
        with pytest.raises(TimeoutError):
            deaf.sendall(frame(b'{"type": "backends"}') * 1_000_000)
        assert "hi there" == daemon.ask({"type": "llm_request", "text": "x"})["text"]
        assert process.memory_info().rss - before < 30 * MIB


def test_body_in_tiny_chunks_is_in_nobodys_way(start: Starter) -> None:
    """It takes seconds to read, and others are answered all the while."""
    daemon = start(LOCAL_STT_BACKEND="")
    daemon.wait_until_loaded()
    part = b'--B\r\nContent-Disposition: form-data; name="audio"; filename="a.wav"\r\n\r\n'
    head = (
        b"POST /stt HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
        b"Content-Type: multipart/form-data; boundary=B\r\n\r\n%x\r\n%b\r\n" % (len(part), part)
    )
    answered = 0
    with (
        socket.create_connection(("127.0.0.1", daemon.port)) as flood,
        client_of(daemon) as client,
        ThreadPoolExecutor(1) as beside,
    ):
        whole = head + b"1\r\na\r\n" * 200_000 + b"0\r\n\r\n"

        def send() -> bytes:
            flood.sendall(whole)
            return flood.recv(1000)

        sending = beside.submit(send)
        while not sending.done():
            client.get("/health").raise_for_status()
            answered += 1
        # A single read of the socket has tens of thousands of them.
    assert b" 422 " in sending.result()
    assert answered > 30


def in_pieces(body: bytes) -> Iterator[bytes]:
    """Yield *body* without telling how long it will be."""
    yield from (body[start : start + 1000] for start in range(0, len(body), 1000))


def test_body_beyond_the_limit_is_refused(start: Starter) -> None:
    """Whether its length was announced or not; a JSON body may be a megabyte."""
    daemon = start(limits={"body_bytes": 100_000, "recording_s": 2}, LOCAL_LLM_MODEL_PATH="")
    daemon.wait_until_loaded()
    large = wav_of(tone(5000))

    with client_of(daemon) as client:
        form = client.build_request("POST", "/stt", files={"audio": large})
        kind = {"content-type": form.headers["content-type"]}
        codes = [
            transcribe(client, large).status_code,
            client.post("/stt", content=in_pieces(form.read()), headers=kind).status_code,
            client.post("/tts", json={"text": "x" * 200_000}).status_code,
        ]
        long = transcribe(client, wav_of(tone(2500)))
        assert {"transcription": "hello world"} == transcribe(client).json()
    assert [413] * 3 == codes
    assert (413, "a recording may last 2 s, this one 2 s") == (
        long.status_code,
        long.json()["detail"],
    )


def test_body_that_does_not_come_is_given_up(start: Starter) -> None:
    """A client that sends a byte now and then does not keep a place."""
    daemon = start(limits={"upload_s": 0.3, "requests": 1}, LOCAL_STT_BACKEND="")
    with socket.create_connection(("127.0.0.1", daemon.port)) as slow:
        slow.sendall(b"POST /tts HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
        assert b" 408 " in slow.recv(1000)


def test_requests_beyond_the_limit_are_refused(start: Starter) -> None:
    """503 says when to come again; health and figures are never in the way."""
    daemon = start(limits={"requests": 1})
    daemon.wait_until_loaded()
    with client_of(daemon) as client, ThreadPoolExecutor(1) as beside:
        with stopped(model_pid(daemon, "tts")):
            url = f"http://127.0.0.1:{daemon.port}/tts"
            ask = partial(httpx.post, url, json={"text": "x"}, timeout=60, trust_env=False)
            first = beside.submit(ask)
            wait_for(lambda: metric(client, "aava_http_requests") == 1)
            refused = client.post("/generate", json={"query": "x"})
            assert "ok" == client.get("/health").json()["status"]
            assert metric(client, "aava_refused_total") == 1
        assert 200 == first.result().status_code
    assert (503, "5") == (refused.status_code, refused.headers["retry-after"])
    assert "1 requests are being answered already" == refused.json()["detail"]


def test_uploads_at_once_are_all_answered(start: Starter) -> None:
    """More than there are threads; the daemon answers others meanwhile, and nothing is left."""
    daemon = start()
    daemon.wait_until_loaded()
    recording = wav_of(tone(20_000, rate_hz=48_000), 48_000)
    with client_of(daemon) as client:
        transcribe(client)
        files = metric(client, "aava_open_files")

        def upload(_number: int) -> int:
            with client_of(daemon) as own:
                return transcribe(own, recording).status_code

        with ThreadPoolExecutor(12) as pool:
            uploads = [pool.submit(upload, number) for number in range(12)]
            while not all(each.done() for each in uploads):
                assert "ok" == client.get("/health").json()["status"]
        assert [200] * 12 == [each.result() for each in uploads]
        wait_for(lambda: metric(client, "aava_open_files") <= files)


def test_many_calls_at_once_get_their_own_answers(start: Starter) -> None:
    """Eight calls through three real engines; each hears itself."""
    daemon = start()
    daemon.wait_until_loaded()
    barrier = threading.Barrier(8)

    def call(number: int) -> list[object]:
        with daemon.connect() as client:
            barrier.wait()
            asked = {"call_id": f"call-{number}", "request_id": number}
            client.send({"type": "audio", "data": encoded(tone(1500)), **asked})
            heard, answered, announced = (client.receive() for _ in range(3))
            sound = client.receive_bytes()
            ids = {(each["call_id"], each["request_id"]) for each in (heard, answered, announced)}
            assert {(f"call-{number}", number)} == ids
            return [heard["text"], answered["text"], len(sound) == announced["byte_length"]]

    with ThreadPoolExecutor(8) as pool:
        assert [["hello world", "hi there", True]] * 8 == list(pool.map(call, range(8)))
    assert 200 == httpx.get(f"http://127.0.0.1:{daemon.port}/healthz", trust_env=False).status_code


def test_request_whose_client_left_is_not_worked_on(start: Starter) -> None:
    """What waits for its turn when the connection ends is dropped; the model is free for others."""
    daemon = start()
    daemon.wait_until_loaded()
    with client_of(daemon) as client:
        with stopped(model_pid(daemon, "llm")):
            with daemon.connect() as leaving:
                for _ in range(10):
                    leaving.send({"type": "llm_request", "text": "x"})
                assert "status_response" == leaving.ask({"type": "status"})["type"]
            daemon.wait_until(lambda status: not status["active_sessions"])
        assert "hi there" == daemon.ask({"type": "llm_request", "text": "x"})["text"]
        assert metric(client, 'aava_request_seconds_count{role="llm"}') == 1


def test_those_who_wait_are_answered_where_the_model_dies(start: Starter) -> None:
    """Only the one whose turn it was is not; it is told how the process ended, and no more."""
    daemon = start()
    daemon.wait_until_loaded()
    with ExitStack() as calls:
        clients = [calls.enter_context(daemon.connect()) for _ in range(8)]
        pid = model_pid(daemon, "stt")
        recording = {"type": "audio", "mode": "stt", "data": encoded(tone(1500))}
        os.kill(pid, signal.SIGSTOP)
        for number, client in enumerate(clients):
            client.send(recording | {"request_id": number})
            assert "status_response" == client.ask({"type": "status"})["type"]
        os.kill(pid, signal.SIGKILL)
        replies = [client.receive() for client in clients]
    assert ["hello world"] * 7 == [each["text"] for each in replies if "error" not in each]
    assert ["the engine ended by SIGKILL"] == [
        each["message"] for each in replies if "error" in each
    ]


def test_those_who_wait_are_answered_by_the_new_model(start: Starter) -> None:
    """Also where the old one does nothing any more."""
    daemon = start()
    daemon.wait_until_loaded()
    os.kill(model_pid(daemon, "stt"), signal.SIGSTOP)
    with ExitStack() as calls:
        clients = [calls.enter_context(daemon.connect()) for _ in range(4)]
        for number, client in enumerate(clients):
            asked = {"type": "audio", "mode": "stt", "data": encoded(tone(1500))}
            client.send(asked | {"request_id": number})
            assert "status_response" == client.ask({"type": "status"})["type"]
        path = "/app/models/stt/ggml-goodbye.bin"
        with daemon.connect() as other:
            other.send({"type": "switch_model", "stt_model_path": path})
            replies = [client.receive() for client in clients[1:]]
            assert ["goodbye"] * 3 == [each["text"] for each in replies]
            assert "success" == other.receive()["status"]
        assert "the engine ended by SIGKILL" == clients[0].receive()["message"]


def test_who_asks_much_is_not_served_before_others(start: Starter) -> None:
    """Turns go round among connections, and among requests over HTTP."""
    daemon = start()
    daemon.wait_until_loaded()
    asked = {"type": "tts_request", "text": "hello there " * 300, "encoding": "linear16"}
    with ExitStack() as calls:
        busy, brief = (calls.enter_context(daemon.connect()) for _ in range(2))
        with stopped(model_pid(daemon, "tts")):
            for number in range(10):
                busy.send(asked | {"request_id": number})
            assert "status_response" == busy.ask({"type": "status"})["type"]
            brief.send({"type": "tts_request", "text": "hi"})
            assert "status_response" == brief.ask({"type": "status"})["type"]
        assert "hi" == brief.receive()["text"]
        with client_of(daemon) as client:
            done = metric(client, 'aava_request_seconds_count{role="tts"}')
        assert [*range(10)] == [busy.receive()["request_id"] for _ in range(10)]
    assert done < 10


def test_model_that_does_not_come_back_is_tried_once(start: Starter, tmp_path: Path) -> None:
    """Everybody who waited for it is told the same."""
    voice = write_piper(tmp_path / "own.onnx")
    daemon = start(LOCAL_TTS_MODEL_PATH=str(voice), LOCAL_LLM_MODEL_PATH="")
    daemon.wait_until_loaded()
    pid = model_pid(daemon, "tts")
    with ExitStack() as calls:
        clients = [calls.enter_context(daemon.connect()) for _ in range(5)]
        os.kill(pid, signal.SIGSTOP)
        for client in clients:
            client.send({"type": "tts_request", "text": "hello"})
            assert "status_response" == client.ask({"type": "status"})["type"]
        voice.unlink()
        os.kill(pid, signal.SIGKILL)
        errors = Counter(client.receive()["error"] for client in clients)
    assert {"the engine ended by SIGKILL": 1, f"no model at `{voice}`": 4} == errors
    with client_of(daemon) as client_:
        assert metric(client_, 'aava_load_errors_total{role="tts"}') == 1


def test_long_recording_is_heard_in_pieces(start: Starter) -> None:
    """Whose client leaves costs no more than one of them; half a minute is one."""
    daemon = start(LOCAL_LLM_MODEL_PATH="", LOCAL_TTS_BACKEND="")
    daemon.wait_until_loaded()
    count = 'aava_request_seconds_count{role="stt"}'
    long = wav_of(tone(70_000))
    with client_of(daemon) as client:
        assert {"hello", "world"} == set(transcribe(client, long).json()["transcription"].split())
        assert 3 <= metric(client, count) <= 4
        before = metric(client, count)
        with stopped(model_pid(daemon, "stt")):
            form = client.build_request("POST", "/stt", files={"audio": long})
            with socket.create_connection(("127.0.0.1", daemon.port)) as leaving:
                kind = form.headers["content-type"].encode()
                body = form.read()
                leaving.sendall(
                    b"POST /stt HTTP/1.1\r\nHost: localhost\r\nContent-Type: %b\r\n"
                    b"Content-Length: %d\r\n\r\n%b" % (kind, len(body), body)
                )
                wait_for(lambda: metric(client, "aava_http_requests") == 1)
            wait_for(lambda: metric(client, "aava_http_requests") == 0)
        assert {"transcription": "hello world"} == transcribe(client).json()
        assert metric(client, count) <= before + 2

"""What the HTTP model server's clients ask, and what they get."""

from __future__ import annotations

import io
import json
import re
import socket
import struct
import wave
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from aava_cli import __version__
from tests.daemon_fixture import start_daemon, write_env
from tests.serve.over_http import SPOKEN, client_of, metric, transcribe, wav_of
from tests.serve.processes import stopped, wait_for
from tests.serve.sounds import loudest_hz, tone

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from tests.daemon_fixture import RunningDaemon
    from tests.serve.conftest import Starter

UNSELECTED = ("LOCAL_STT_BACKEND", "LOCAL_TTS_BACKEND", "LOCAL_LLM_MODEL_PATH")
TOKEN = "correct horse"  # noqa: S105 - the secret of a test


@pytest.fixture(scope="module")
def http(shared: RunningDaemon) -> Iterator[httpx.Client]:
    """Return a client of a daemon with three models."""
    with client_of(shared) as client:
        yield client


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Return a client of a daemon that asks for a token, and has no models."""
    project = tmp_path_factory.mktemp("guarded")
    write_env(project, {"LOCAL_WS_AUTH_TOKEN": TOKEN, "LOCAL_WS_HOST": "0.0.0.0"})  # noqa: S104
    running = start_daemon(project, project / "models")
    with client_of(running) as client:
        yield client
    running.stop()


def test_health_tells_what_runs(http: httpx.Client) -> None:
    """The device and the strategy are those of the engine, not of a wish."""
    assert http.get("/health").json() == {
        "status": "ok",
        "models": {
            "llm": {
                "name": "first.gguf",
                "device": "cpu",
                "loading_strategy": "GGUF by llama.cpp, CPU",
                "max_new_tokens": 64,
                "loaded": True,
            },
            "stt": {
                "name": "ggml-hello.bin",
                "device": "cpu",
                "type": "whisper_cpp",
                "loaded": True,
            },
            "tts": {"name": "low.onnx", "device": "cpu", "type": "piper", "loaded": True},
        },
    }
    assert {"status": "ok", "model": "first.gguf"} == http.get("/healthz").json()


def test_health_tells_what_does_not_run(start: Starter) -> None:
    """A model that did not load has no device; `/healthz` is for those who read the code alone."""
    daemon = start(LOCAL_LLM_MODEL_PATH="/app/models/llm/half.gguf", LOCAL_TTS_BACKEND="nope")
    daemon.wait_until_loaded()
    with client_of(daemon) as client:
        health, brief = client.get("/health"), client.get("/healthz")
        asked = client.post("/generate", json={"query": "hello"})
    llm = health.json()["models"]["llm"]
    assert (200, "degraded", 503) == (
        health.status_code,
        health.json()["status"],
        brief.status_code,
    )
    assert (None, "not loaded", False) == (llm["device"], llm["loading_strategy"], llm["loaded"])
    assert "" == health.json()["models"]["tts"]["name"]
    assert (503, "5") == (asked.status_code, asked.headers["retry-after"])
    assert "model is corrupted or incomplete" in asked.json()["detail"]


@pytest.mark.parametrize(
    "body",
    [
        {"query": "hello"},
        {"query": "hello", "system_prompt": "Be brief.", "max_new_tokens": 32},
        {"query": "hello", "model_name": "first.gguf"},
        {"query": "hello", "model_name": "/app/models/llm/first.gguf", "system_prompt": None},
    ],
)
def test_generate_answers(http: httpx.Client, body: dict[str, Any]) -> None:
    """With the model's own template; what was asked is not repeated."""
    answer = http.post("/generate", json=body)
    assert (200, {"response": "hi there"}) == (answer.status_code, answer.json())


def test_answer_is_no_longer_than_asked(http: httpx.Client) -> None:
    """`max_new_tokens` counts."""
    # The model server takes what says a whole number for one.
    for most in (1, "1", 1.0):
        short = http.post("/generate", json={"query": "hello", "max_new_tokens": most}).json()
        assert len(short["response"]) < len("hi there")


def test_other_model_is_refused(http: httpx.Client) -> None:
    """In the words that clients know."""
    answer = http.post("/generate", json={"query": "x", "model_name": "org/other"})
    expected = {"detail": "Model server was started with a different model."}
    assert (400, expected) == (answer.status_code, answer.json())


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/generate", {}, "query"),
        ("/generate", {"query": 5}, "query"),
        ("/generate", {"query": "x", "max_new_tokens": 0}, "max_new_tokens"),
        ("/generate", {"query": "x", "max_new_tokens": 513}, "max_new_tokens"),
        ("/generate", {"query": "x", "max_new_tokens": True}, "max_new_tokens"),
        ("/generate", {"query": "x", "system_prompt": 1}, "system_prompt"),
        ("/tts", {}, "text"),
        ("/generate", {"query": "x", "max_new_tokens": "1.5"}, "max_new_tokens"),
        ("/generate", {"query": "x", "max_new_tokens": 1.5}, "max_new_tokens"),
        ("/generate", {"query": "x", "max_new_tokens": [1]}, "max_new_tokens"),
        ("/generate", {"query": "\ud800"}, "query"),
        ("/generate", {"query": "x", "system_prompt": "a\0b"}, "system_prompt"),
        ("/generate", {"query": "x", "model_name": "\udfff"}, "model_name"),
        ("/tts", {"text": "x" * 5001}, "text"),
        ("/tts", {"text": "\ud800"}, "text"),
        ("/tts", {"text": "a\0b"}, "text"),
    ],
)
def test_wrong_field_is_named(
    http: httpx.Client, path: str, body: dict[str, Any], field: str
) -> None:
    """422 lists what is wrong, in the form that clients parse."""
    # The client's library writes no half of a character.
    answer = http.post(path, content=json.dumps(body))
    assert (422, ["body", field]) == (answer.status_code, answer.json()["detail"][0]["loc"])


@pytest.mark.parametrize("body", [b"{", b"[1]", b"[" * 100_000])
def test_body_must_be_an_object(http: httpx.Client, body: bytes) -> None:
    """Anything else is 422 as well."""
    answer = http.post("/generate", content=body)
    assert (422, ["body"]) == (answer.status_code, answer.json()["detail"][0]["loc"])


@pytest.mark.parametrize(
    ("query", "problem"),
    [("x " * 1900, "tokens"), ("word " * 1000, "5,058 characters"), ("x" * 900_000, "900,058")],
)
def test_prompt_that_does_not_fit_is_the_clients_fault(
    http: httpx.Client, query: str, problem: str
) -> None:
    """In the engine's own words, unless it is too long to be counted; the next is answered."""
    before = metric(http, 'aava_request_errors_total{role="llm"}')
    answer = http.post("/generate", json={"query": query})
    told = answer.json()["detail"][0]["msg"]
    assert (422, True) == (answer.status_code, "available context size" in told)
    assert problem in told
    assert 200 == http.post("/generate", json={"query": "x"}).status_code
    asked = metric(http, 'aava_request_errors_total{role="llm"}') - before
    assert (problem == "tokens") == bool(asked)


def test_prompt_of_a_call_has_the_same_limit(shared: RunningDaemon) -> None:
    """A WebSocket is told so as well."""
    reply = shared.ask({"type": "llm_request", "text": "x" * 900_000})
    assert "900,058 characters were given" in reply["error"]


def test_speech_is_a_wav_file(http: httpx.Client) -> None:
    """At the voice's own rate."""
    answer = http.post("/tts", json={"text": "hello there"})
    assert ("audio/wav", 'attachment; filename="speech.wav"') == (
        answer.headers["content-type"],
        answer.headers["content-disposition"],
    )
    with wave.open(io.BytesIO(answer.content)) as spoken:
        rate_hz = spoken.getframerate()
        assert (16_000, 400) == (rate_hz, loudest_hz(spoken.readframes(1 << 20), rate_hz))


def float_wav(rate_hz: int) -> bytes:
    """Return a second and a half of sound as a WAV file of form 3."""
    samples = np.frombuffer(tone(1500, rate_hz=rate_hz), "<i2")
    data = (samples / 32_768).astype("<f4").tobytes()
    form = struct.pack("<HHIIHH", 3, 1, rate_hz, rate_hz * 4, 4, 32)
    head = b"fmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(data))
    return b"RIFF" + struct.pack("<I", 4 + len(head) + len(data)) + b"WAVE" + head + data


@pytest.mark.parametrize(
    "wav",
    [
        SPOKEN,
        wav_of(tone(1500, rate_hz=8000), 8000),
        wav_of(tone(1500, rate_hz=44_100), 44_100),
        float_wav(22_050),
    ],
)
def test_recordings_of_any_rate_and_form_are_heard(http: httpx.Client, wav: bytes) -> None:
    """Telephone, studio, or what a model made."""
    assert {"transcription": "hello world"} == transcribe(http, wav).json()


@pytest.mark.parametrize("wav", [b"", b"no sound at all", SPOKEN[:-2000], SPOKEN[:30]])
def test_bad_audio_is_the_clients_fault(http: httpx.Client, wav: bytes) -> None:
    """400 says what is wrong with it."""
    answer = transcribe(http, wav)
    assert 400 == answer.status_code
    assert re.search("not a WAV file|cut off|no sound|what form", answer.json()["detail"])


def test_silence_is_nothing_said(http: httpx.Client) -> None:
    """Next to no sound is no error."""
    assert {"transcription": ""} == transcribe(http, wav_of(b"")).json()


def test_form_without_the_field_is_named(http: httpx.Client) -> None:
    """Another field, text instead of a file, or no form at all."""
    others = [
        http.post("/stt", files={"sound": SPOKEN}),
        http.post("/stt", data={"audio": "text"}, files={"other": b"x"}),
        http.post("/stt", json={}),
        http.post("/stt"),
    ]
    for answer in others:
        assert (422, ["body", "audio"]) == (answer.status_code, answer.json()["detail"][0]["loc"])


def test_form_that_is_none_is_refused(http: httpx.Client) -> None:
    """A body without the boundary that it announces, or without one."""
    for kind in ("multipart/form-data", "multipart/form-data; boundary=x"):
        answer = http.post("/stt", content=b"--y\r\n\r\n", headers={"content-type": kind})
        assert 422 == answer.status_code


def test_form_may_have_words_before_its_parts(http: httpx.Client) -> None:
    """RFC 2046 has readers ignore them, wherever the bytes are cut on their way."""
    form = http.build_request("POST", "/stt", files={"audio": SPOKEN})
    kind = {"content-type": form.headers["content-type"]}
    for before in (b"a line\r\n", b"--x\r\n\r\n", b"\r\n"):
        body = before + form.read()
        for cut in (9, len(body)):
            pieces = (body[at : at + cut] for at in range(0, len(body), cut))
            answer = http.post("/stt", content=pieces, headers=kind)
            assert {"transcription": "hello world"} == answer.json()


def test_websocket_that_is_asked_for_with_post_is_none(http: httpx.Client) -> None:
    """The request is answered for what it is."""
    upgrade = {"connection": "upgrade", "upgrade": "websocket"}
    assert 200 == http.post("/generate", json={"query": "x"}, headers=upgrade).status_code


def test_websocket_may_begin_behind_other_requests(shared: RunningDaemon) -> None:
    """What is read in many turns before it does not keep it from being read."""
    tiny = b"POST /nope HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    tiny += b"1\r\na\r\n" * 5000 + b"0\r\n\r\n"
    padding = b"\r\n".join([b"X-Padding: " + b"x" * 4000] * 3)
    upgrade = (
        b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n%b\r\n\r\n"
    ) % padding
    asked = json.dumps({"type": "capabilities"}).encode()
    with socket.create_connection(("127.0.0.1", shared.port), timeout=60) as connection:
        connection.sendall(tiny + upgrade)
        received = b""
        while b" 101 " not in received or not received.endswith(b"\r\n\r\n"):
            piece = connection.recv(65_536)
            assert piece, received
            received += piece
        connection.sendall(bytes([0x81, 0x80 | len(asked)]) + bytes(4) + asked)
        assert b"capabilities_response" in connection.recv(65_536)


def test_what_is_not_there_is_not_found(http: httpx.Client) -> None:
    """Other paths, and other methods: in the form of every error, and counted together."""
    count = 'aava_http_responses_total{path="other",code="404"}'
    http.get("/nope")
    before = metric(http, count)
    answers = [http.get("/nope"), http.get(f"/{id(http)}"), http.get("/generate")]
    assert [404, 404, 405] == [each.status_code for each in answers]
    details = [each.json() for each in answers]
    assert [{"detail": "Not Found"}] * 2 + [{"detail": "Method Not Allowed"}] == details
    assert (metric(http, count) - before, answers[2].headers["allow"]) == (2, "POST")


def test_metrics_count_what_was_done(http: httpx.Client) -> None:
    """Loads, latencies by role, errors, calls and memory, as Prometheus reads them."""
    before = metric(http, 'aava_request_seconds_count{role="tts"}')
    http.post("/tts", json={"text": "hello"})
    assert before + 1 == metric(http, 'aava_request_seconds_count{role="tts"}')
    assert before + 1 == metric(http, 'aava_request_seconds_bucket{role="tts",le="+Inf"}')
    assert 1 == metric(http, 'aava_load_seconds_count{role="llm"}')
    assert 1 == metric(http, 'aava_model_loaded{role="stt"}')
    assert 1 == metric(http, f'aava_build_info{{version="{__version__}"}}')
    assert metric(http, 'aava_resident_memory_bytes{process="stt"}') > 10_000_000
    assert metric(http, 'aava_http_responses_total{path="/tts",code="200"}') >= 1
    assert 0 == metric(http, "aava_calls")


def test_metrics_have_the_text_format(http: httpx.Client) -> None:
    """Each family is described once, before its samples; a name is never repeated."""
    answer = http.get("/metrics")
    assert "text/plain; version=0.0.4; charset=utf-8" == answer.headers["content-type"]
    sample = re.compile(r'[a-z_]+(\{([a-z]+="[^"]*",?)+\})? [0-9.e+-]+')
    lines = answer.text.splitlines()
    assert all(line.startswith("# ") or sample.fullmatch(line) for line in lines)
    names = [line.split()[2].removesuffix("_total") for line in lines if line.startswith("# TYPE")]
    assert len(names) == len(set(names))
    assert answer.text.endswith("\n")


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {TOKEN}"},
        {"Authorization": f"bearer  {TOKEN}"},
        {"x-auth-token": TOKEN},
    ],
)
def test_token_opens(guarded: httpx.Client, headers: dict[str, str]) -> None:
    """In the usual header, or in one of its own."""
    assert 200 == guarded.get("/metrics", headers=headers).status_code
    assert "models" in guarded.get("/health", headers=headers).json()


@pytest.mark.parametrize(
    "headers",
    [{}, {"authorization": "Bearer wrong"}, {"authorization": TOKEN}, {"x-auth-token": ""}],
)
def test_without_the_token_nothing_is_done(guarded: httpx.Client, headers: dict[str, str]) -> None:
    """401 says how to bring it; a stranger learns that somebody is at home, and no more."""
    for answer in (
        guarded.get("/metrics", headers=headers),
        guarded.post("/generate", json={"query": "x"}, headers=headers),
        guarded.post("/tts", json={"text": "x"}, headers=headers),
        guarded.post("/stt", files={"audio": SPOKEN}, headers=headers),
    ):
        assert (401, "Bearer") == (answer.status_code, answer.headers["www-authenticate"])
        assert TOKEN not in answer.text
    for path in ("/health", "/healthz"):
        assert {"status": "ok"} == guarded.get(path, headers=headers).json()
    assert "Bearer" == guarded.get("/health", headers=headers).headers["www-authenticate"]


@pytest.mark.parametrize("coding", ["utf-8", "latin-1"])
def test_token_of_other_letters_opens(start: Starter, coding: str) -> None:
    """Programs send them in one coding or the other, and a WebSocket always could."""
    token = "schl\u00fcssel"  # noqa: S105 - the secret of a test
    daemon = start(LOCAL_WS_AUTH_TOKEN=token, **dict.fromkeys(UNSELECTED, ""))
    with client_of(daemon) as client:
        right = {b"Authorization": b"Bearer " + token.encode(coding)}
        wrong = {b"Authorization": b"Bearer schl?ssel"}
        assert 200 == client.get("/metrics", headers=right).status_code
        assert 401 == client.get("/metrics", headers=wrong).status_code


def test_pages_of_others_are_refused(http: httpx.Client) -> None:
    """Any web page may post to loopback in its reader's browser."""
    foreign = {"origin": "https://example.org"}
    answer = http.post("/generate", content=b'{"query": "x"}', headers=foreign)
    assert (403, {"status"}) == (
        answer.status_code,
        set(http.get("/health", headers=foreign).json()),
    )
    local = {"origin": "http://localhost:3000"}
    assert 200 == http.post("/tts", json={"text": "x"}, headers=local).status_code


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://[::1"},
        {"origin": "null"},
        {"host": "evil.example:8765"},
        {"host": "localhost.evil.example"},
        {"host": "[::1"},
    ],
)
def test_page_that_gives_us_its_own_name_is_refused(
    http: httpx.Client, headers: dict[str, str]
) -> None:
    """A name can be made to lead here once its page is loaded; broken ones are no friends."""
    assert 403 == http.get("/metrics", headers=headers).status_code
    assert {"status"} == set(http.get("/health", headers=headers).json())


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.9:8765", "[::1]:8765"])
def test_every_name_of_loopback_is_ours(http: httpx.Client, host: str) -> None:
    """Tunnels and proxies on this machine call it as they like."""
    assert 200 == http.get("/metrics", headers={"host": host}).status_code


def test_answer_that_takes_too_long_is_given_up(start: Starter) -> None:
    """504 names the setting that says how long is too long."""
    daemon = start(LOCAL_LLM_INFER_TIMEOUT_SEC="0.0001", LOCAL_STT_BACKEND="")
    daemon.wait_until_loaded()
    with client_of(daemon) as client:
        answer = client.post("/generate", json={"query": "hello"})
        assert 1 == metric(client, 'aava_request_errors_total{role="llm"}')
    assert (504, True) == (answer.status_code, "LOCAL_LLM_INFER_TIMEOUT_SEC" in answer.text)
    last = daemon.status()["last_errors"][0]
    assert ("llm", "no answer came within 0.0001 s") == (last["role"], last["message"])


def test_client_that_leaves_is_not_worked_for(shared: RunningDaemon, http: httpx.Client) -> None:
    """In the middle of an upload or while it waits; the daemon says no word of it."""
    before = metric(http, 'aava_http_responses_total{path="/tts",code="200"}')
    body = b'{"text": "hello"}'
    head = b"POST /tts HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body)
    for sent in (head, head + body):
        with socket.create_connection(("127.0.0.1", shared.port)) as connection:
            connection.sendall(sent)
    wait_for(lambda: metric(http, "aava_http_requests") == 0)
    assert 200 == http.post("/tts", json={"text": "x"}).status_code
    after = metric(http, 'aava_http_responses_total{path="/tts",code="200"}')
    assert before + 1 <= after <= before + 2
    assert "Traceback" not in shared.log.read_text("utf-8")


def said_to(daemon: RunningDaemon, request: bytes, *, ends: bool = False) -> bytes:
    """Return all that *daemon* says to *request*, which is sent whole before any of it is read."""
    with socket.create_connection(("127.0.0.1", daemon.port), timeout=60) as connection:
        connection.sendall(request)
        if ends:
            connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65_536), b""))


@pytest.mark.parametrize(
    ("path", "first"), [("/generate", b"HTTP/1.1 413 "), ("/health", b"HTTP/1.1 405 ")]
)
def test_refusal_reaches_who_still_sends(shared: RunningDaemon, path: str, first: bytes) -> None:
    """The connection is not reset below what it says."""
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n".encode()
    body = bytes(12 << 20)
    said = said_to(shared, b"%bContent-Length: %d\r\n\r\n%b" % (head, len(body), body))
    assert (True, True) == (said.startswith(first), b'{"detail":' in said)


@pytest.mark.parametrize("size", [20, 600_000])
def test_who_sends_no_more_is_answered(shared: RunningDaemon, size: int) -> None:
    """Its sending half is closed, and its ear open; what is long is read to its end."""
    body = json.dumps({"query": "hello", "note": "x" * size}).encode()
    head = b"POST /generate HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body)
    said = said_to(shared, head + body, ends=True)
    assert (True, True) == (b"HTTP/1.1 200 OK" in said, b'{"response":' in said)


def test_who_sends_no_more_is_waited_for(shared: RunningDaemon, http: httpx.Client) -> None:
    """While the model is busy; who has left altogether is told from it, and not worked for."""
    body = b'{"text": "hello"}'
    head = b"POST /tts HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body)
    with socket.create_connection(("127.0.0.1", shared.port), timeout=60) as waiting:
        with stopped(shared.status()["models"]["tts"]["pid"]):
            waiting.sendall(head + body)
            waiting.shutdown(socket.SHUT_WR)
            assert waiting.recv(1000).startswith(b"HTTP/1.1 100 ")
            with socket.create_connection(("127.0.0.1", shared.port)) as leaving:
                leaving.sendall(head + body)
                wait_for(lambda: metric(http, "aava_http_requests") == 2)
            wait_for(lambda: metric(http, "aava_http_requests") == 1)
        answer = b"".join(iter(lambda: waiting.recv(65_536), b""))
    assert (True, True) == (answer.startswith(b"HTTP/1.1 200 OK"), b"RIFF" in answer)

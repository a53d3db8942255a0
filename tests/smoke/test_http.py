"""The smoke command over HTTP: against a model server, and against the native daemon."""

from __future__ import annotations

import json
import os
import signal
import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from aava_cli.audio import Audio, read_wav
from aava_cli.backends import SYSTEM_PROMPT
from aava_cli.daemon.httpclient import HttpClient
from aava_cli.errors import AccessDenied, DaemonUnreachable
from aava_cli.smoke.http import HttpLine
from aava_cli.smoke.report import DaemonSilent, Spread
from tests.daemon_fixture import UNMEASURED, start_daemon, write_env
from tests.smoke.model_server import HEALTH, ModelServer, float_wav
from tests.smoke.test_smoke import native_daemon, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


# Of the fewest samples a second: as many bytes at ours are sixteen times as long.
LONG_SILENCE = float_wav([0.0] * 601_000, rate_hz=1000)


@pytest.fixture
def server() -> Iterator[ModelServer]:
    """Return a model server whose models all work."""
    with ModelServer().listening() as listening:
        yield listening


def over_http(project: Path, server: ModelServer, *arguments: str) -> Any:  # noqa: ANN401 - what `run` returns
    """Run the command over HTTP."""
    return run(project, server.url, "--via", "http", *arguments)


def test_a_model_server_passes(server: ModelServer, tmp_path: Path) -> None:
    """Its float WAV is understood, resampled and sent back as what it can hear."""
    result = over_http(tmp_path, server)
    assert (0, "") == (result.exit_code, result.stderr)
    assert "passed      tts, stt, llm" in result.stdout
    kept = read_wav(tmp_path / ".aava" / "smoke.wav")
    assert (16_000, 0.5) == (kept.rate_hz, kept.duration_s)
    paths = [path for path, _, _ in server.asked]
    assert ["/health", "/tts", "/stt", "/generate"] == paths
    upload, generated = server.asked[2][2], json.loads(server.asked[3][2])
    assert b'name="audio"' in upload
    assert (tmp_path / ".aava" / "smoke.wav").read_bytes() in upload
    assert "hello can you tell me what a telephone is" == generated["query"]
    assert generated["system_prompt"]


@pytest.mark.parametrize(
    ("path", "answer", "stage", "problem"),
    [
        ("/tts", (200, float_wav([])), "tts", "it answered without audio"),
        ("/tts", (200, float_wav([0.0] * 9000)), "tts", "the audio is silent"),
        ("/tts", (200, b"OggS"), "tts", "its audio cannot be read: this is not a WAV file"),
        ("/tts", (500, {"detail": "no voice"}), "tts", "/tts answered 500: "),
        ("/tts", (500, b"no\nhint:  x"), "tts", "/tts answered 500: no hint: x"),
        ("/tts", (200, LONG_SILENCE), "tts", "it answered with 601 s of audio to one sentence"),
        ("/stt", (200, {"transcription": "a " * 20_000}), "stt", "its answer has 40,000"),
        ("/stt", (200, {"transcription": " "}), "stt", "it heard nothing"),
        ("/stt", (200, {"transcription": "tomatoes"}), "stt", "100% of the words are wrong"),
        ("/stt", (200, {"text": "x"}), "stt", "its answer has no `transcription`"),
        ("/stt", (200, b"x"), "stt", "its answer has no `transcription`"),
        ("/generate", (200, {"response": ""}), "llm", "the reply is empty"),
        ("/generate", (200, [1]), "llm", "its answer has no `response`"),
        ("/generate", (200, {"response": None}), "llm", "its answer has no `response`"),
        ("/generate", (200, {"response": SYSTEM_PROMPT}), "llm", "the reply repeats what"),
    ],
)
def test_a_model_that_does_not_work_fails_its_stage(
    server: ModelServer,
    tmp_path: Path,
    path: str,
    answer: tuple[int, Any],
    stage: str,
    problem: str,
) -> None:
    """The stage and the reason are named; nothing after it is tried."""
    server.answers[path] = answer
    result = over_http(tmp_path, server)
    assert (1, True) == (result.exit_code, f"error: {stage}: {problem}" in result.stderr)
    assert "hint:  run `aava status` to see what is loaded" in result.stderr
    assert path == server.asked[-1][0]


def test_a_model_that_is_not_loaded_is_named(server: ModelServer, tmp_path: Path) -> None:
    """Ours says so; a server that has no such model at all, as well."""
    models: dict[str, Any] = {"tts": {}, "stt": {}}
    for changed in (models, {**models, "llm": {"loaded": False}}):
        server.answers["/health"] = (200, {"status": "degraded", "models": changed})
        result = over_http(tmp_path, server)
        assert "error: llm: no model is loaded" in result.stderr


def test_a_server_that_goes_away_fails_the_stage(tmp_path: Path) -> None:
    """It answered a moment ago; that it is silent is another exit code than a bad model."""
    with ModelServer().listening() as server:
        line = line_to(server.url)
        line.require_loaded(("tts",))
    with pytest.raises(DaemonSilent, match="nothing listens at") as caught:
        line.hear(Audio(b"", 16_000))
    assert 11 == caught.value.exit_code
    with pytest.raises(DaemonUnreachable, match="nothing listens at"):
        run(tmp_path, server.url, "--via", "http")


def line_to(url: str, stage_timeout_s: float = 10) -> HttpLine:
    """Return a line to the model server at *url*."""
    client = HttpClient((url.replace("http:", "ws:"),))
    return HttpLine(client, stage_timeout_s=stage_timeout_s)


@contextmanager
def radio(piece: bytes, pause_s: float) -> Iterator[str]:
    """Answer every request with *piece* again and again, and give the URL."""
    ended = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        """Begins an answer, and never ends it."""

        def do_POST(self) -> None:
            """Play."""
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.end_headers()
            with suppress(OSError):
                while not ended.wait(pause_s):
                    self.wfile.write(piece)

        def log_message(self, *_words: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        ended.set()
        server.shutdown()
        server.server_close()
        thread.join()


def test_an_answer_that_drips_is_left_in_time() -> None:
    """A byte now and then begins in time each time; the whole has a deadline."""
    with radio(b"R", 0.05) as url, pytest.raises(DaemonSilent, match=r"answer `/tts` in 0\.5 s"):
        line_to(url, 0.5).speak("hello")


def test_an_answer_without_end_is_left() -> None:
    """It is never in memory whole."""
    with radio(bytes(1 << 20), 0) as url:
        line = line_to(url, 60)
        with pytest.raises(DaemonSilent, match="`/tts` with more than 64 MB"):
            line.speak("hello")
        with pytest.raises(DaemonSilent, match="`/generate` with more than 1 MB"):
            line.answer("hello")


def test_a_server_on_the_other_loopback_is_found(tmp_path: Path) -> None:
    """Every address that `.env` means is asked."""
    with ModelServer().listening(host="::1") as server:
        port = server.url.rpartition(":")[2]
        write_env(tmp_path, {"LOCAL_WS_PORT": port, "LOCAL_WS_HOST": "::"})
        assert 0 == run(tmp_path, "", "--via", "http").exit_code


def test_a_token_of_other_letters_is_brought(server: ModelServer, tmp_path: Path) -> None:
    """In UTF-8, as a WebSocket brings it."""
    token = "schl\u00fcssel"  # noqa: S105 - the secret of a test
    write_env(tmp_path, {"LOCAL_WS_AUTH_TOKEN": token})
    assert 0 == over_http(tmp_path, server).exit_code
    brought = server.asked[0][1]["Authorization"].encode("latin-1").decode()
    assert f"Bearer {token}" == brought


def test_a_server_that_is_not_well_is_not_tried(server: ModelServer, tmp_path: Path) -> None:
    """Its health says so with its status alone."""
    server.answers["/health"] = (500, HEALTH)
    with pytest.raises(DaemonUnreachable, match="is not well: `/health` answered 500"):
        over_http(tmp_path, server)


def test_a_model_that_died_comes_back_over_http(tmp_path: Path) -> None:
    """The native daemon loads it again for the next request, whichever way that comes."""
    with native_daemon(tmp_path) as native:
        for role in ("tts", "stt", "llm"):
            os.kill(native.status()["models"][role]["pid"], signal.SIGKILL)
        native.wait_until(lambda status: status["state"] == "degraded")
        result = run(tmp_path, native.url, "--via", "http", "--text", "Good morning!")
    assert (0, "") == (result.exit_code, result.stderr)


@pytest.mark.parametrize(
    "health",
    [
        (200, b"<html>"),
        (200, [1]),
        (200, {"status": "ok"}),
        (200, b"[" * 200_000),
        (404, {"detail": "x"}),
    ],
)
def test_something_else_is_no_model_server(
    server: ModelServer, tmp_path: Path, health: tuple[int, Any]
) -> None:
    """Exit 11: there is nothing to try."""
    server.answers["/health"] = health
    with pytest.raises(DaemonUnreachable, match="is no model server"):
        over_http(tmp_path, server)


def test_the_native_daemon_passes_over_http(tmp_path: Path) -> None:
    """Its own port, found in `.env`; rounds are counted and spread."""
    with native_daemon(tmp_path) as native:
        words = ("--via", "http", "--text", "Good morning!", "--repeat", "3")
        result = run(tmp_path, native.url, *words, json_form=True)
        shown = run(tmp_path, native.url.replace("ws:", "http:"), *words)
    answer = result.json["result"]
    assert ("good morning", "hello there", 3) == (
        *(answer["transcript"], answer["reply"], answer["rounds"]),
    )
    assert {"tts", "stt", "llm", "total"} == set(answer["spread_ms"])
    for spread in answer["spread_ms"].values():
        assert 0 < spread["p50_ms"] <= spread["p95_ms"]
    assert "3 rounds  p50 ms  p95 ms" in shown.stdout
    assert 0 == shown.exit_code


def test_a_stranger_is_not_served(tmp_path: Path) -> None:
    """The token of `.env` is brought; without it, exit 12 says what to set."""
    write_env(tmp_path, {"LOCAL_WS_AUTH_TOKEN": "right"})
    native = start_daemon(tmp_path, tmp_path / "models", environ=UNMEASURED)
    try:
        known = run(tmp_path, native.url, "--via", "http", "--roles", "llm")
        assert "error: llm: no model is loaded" in known.stderr
        (tmp_path / "other").mkdir()
        with pytest.raises(AccessDenied):
            run(tmp_path / "other", native.url, "--via", "http")
    finally:
        native.stop()


@pytest.mark.parametrize(
    ("took", "p50", "p95"),
    [([7], 7, 7), ([3, 1, 2], 2, 3), (list(range(1, 101)), 50, 95), ([1] * 19 + [9], 1, 1)],
)
def test_spread_is_by_nearest_rank(took: list[int], p50: int, p95: int) -> None:
    """Each figure is one that was measured."""
    assert Spread(p50, p95) == Spread.of(took)

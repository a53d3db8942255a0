"""The smoke command over HTTP: against a model server, and against the native daemon."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from aava_cli.audio import read_wav
from aava_cli.errors import AccessDenied, DaemonUnreachable
from aava_cli.smoke.report import Spread
from tests.daemon_fixture import start_daemon, write_env
from tests.smoke.model_server import ModelServer, float_wav
from tests.smoke.test_smoke import native_daemon, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


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
        ("/stt", (200, {"transcription": " "}), "stt", "it heard nothing"),
        ("/stt", (200, {"transcription": "tomatoes"}), "stt", "100% of the words are wrong"),
        ("/stt", (200, {"text": "x"}), "stt", "its answer has no `transcription`"),
        ("/stt", (200, b"x"), "stt", "its answer has no `transcription`"),
        ("/generate", (200, {"response": ""}), "llm", "the reply is empty"),
        ("/generate", (200, [1]), "llm", "its answer has no `response`"),
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
    """It answered a moment ago."""
    from aava_cli.audio import Audio
    from aava_cli.smoke.http import HttpLine
    from aava_cli.smoke.report import SmokeFailed

    with ModelServer().listening() as server:
        line = HttpLine(server.url)
        line.require_loaded(("tts",))
    with pytest.raises(SmokeFailed, match="/stt did not answer"):
        line.hear(Audio(b"", 16_000))
    with pytest.raises(DaemonUnreachable, match="no model server answers at"):
        run(tmp_path, server.url, "--via", "http")


@pytest.mark.parametrize("health", [(200, b"<html>"), (200, [1]), (404, {"detail": "x"})])
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
    native = start_daemon(tmp_path, tmp_path / "models")
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

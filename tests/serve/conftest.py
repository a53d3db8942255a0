"""Tiny models, a project that selects them, and a daemon that runs them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.daemon_fixture import RunningDaemon, start_daemon, write_env
from tests.tiny_models import (
    truncate_half,
    write_garbage,
    write_gguf,
    write_gguf_only_engine_rejects,
    write_piper,
    write_whisper,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    Starter = Callable[..., RunningDaemon]

SELECTED = {
    "LOCAL_STT_BACKEND": "whisper_cpp",
    "WHISPER_CPP_MODEL_PATH": "/app/models/stt/ggml-hello.bin",
    "LOCAL_TTS_BACKEND": "piper",
    "LOCAL_TTS_MODEL_PATH": "/app/models/tts/low.onnx",
    "LOCAL_LLM_MODEL_PATH": "/app/models/llm/first.gguf",
    "LOCAL_LLM_CONTEXT": "512",
}
NO_MODELS = {"LOCAL_STT_BACKEND": "", "LOCAL_TTS_BACKEND": "", "LOCAL_LLM_MODEL_PATH": ""} | {
    "WHISPER_CPP_MODEL_PATH": "",
    "LOCAL_TTS_MODEL_PATH": "",
}


@pytest.fixture(scope="session")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two good models of each kind, and bad ones."""
    folder = tmp_path_factory.mktemp("models")
    write_whisper(folder / "stt/ggml-hello.bin", "hello world")
    write_whisper(folder / "stt/ggml-goodbye.bin", "goodbye")
    truncate_half(write_whisper(folder / "stt/ggml-half.bin"))
    write_garbage(folder / "stt/ggml-garbage.bin")
    write_piper(folder / "tts/low.onnx", 400)
    write_piper(folder / "tts/high.onnx", 1200)
    truncate_half(write_piper(folder / "tts/half.onnx"))
    write_gguf(folder / "llm/first.gguf", "hi there")
    write_gguf(folder / "llm/second.gguf", "good day")
    write_gguf_only_engine_rejects(folder / "llm/incomplete.gguf")
    truncate_half(write_gguf(folder / "llm/half.gguf"))
    return folder


@pytest.fixture
def start(tmp_path: Path, models_dir: Path) -> Iterator[Starter]:
    """Start daemons that are gone after the test."""
    running: list[RunningDaemon] = []

    def start_one(limits: Mapping[str, float] | None = None, **changes: str) -> RunningDaemon:
        project = tmp_path / f"project-{len(running)}"
        env = {key: value for key, value in (SELECTED | changes).items() if value}
        write_env(project, env)
        running.append(start_daemon(project, models_dir, limits=limits))
        return running[-1]

    yield start_one
    for each in running:
        if each.process.poll() is None:
            each.stop()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, models_dir: Path) -> Iterator[RunningDaemon]:
    """One loaded daemon for the tests of a module that change nothing."""
    project = tmp_path_factory.mktemp("project")
    write_env(project, SELECTED | {"LOCAL_STT_IDLE_MS": "300"})
    running = start_daemon(project, models_dir)
    running.wait_until_loaded()
    yield running
    running.stop()


@pytest.fixture
def daemon(start: Starter) -> RunningDaemon:
    """Start a daemon that is the test's own, and wait for its models."""
    running = start()
    running.wait_until_loaded()
    return running

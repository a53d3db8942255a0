"""A project whose daemon runs tiny models, with other models to switch to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.daemon_fixture import UNMEASURED, RunningDaemon, start_daemon
from tests.tiny_models import (
    truncate_half,
    write_gguf,
    write_gguf_only_engine_rejects,
    write_piper,
    write_whisper,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OVERLAY = """\
# What this host does differently.
providers:
  local:
    greeting: "Hello,   caller"   # spoken first
    stt_backend: whisper_cpp
"""


@dataclass(slots=True)
class Project:
    """A project folder and the daemon that serves it."""

    folder: Path
    models: Path
    daemon: RunningDaemon

    @property
    def files(self) -> tuple[bytes, bytes]:
        """The bytes of `.env` and of the YAML overlay."""
        overlay = self.folder / "config" / "ai-agent.local.yaml"
        return (self.folder / ".env").read_bytes(), overlay.read_bytes()

    def running(self) -> tuple[str, str, str]:
        """Return the file names of the models that the daemon says it runs."""
        models = self.daemon.status()["models"]
        stt, llm, tts = (models[role]["path"].rsplit("/", 1)[-1] for role in ("stt", "llm", "tts"))
        return stt, llm, tts

    def reply(self) -> str:
        """Return what the language model answers."""
        answer = self.daemon.ask({"type": "llm_request", "text": "hello?"})
        return str(answer["text"])


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a models folder with two good models per role, and two bad language models."""
    folder = tmp_path_factory.mktemp("switch-models")
    write_whisper(folder / "stt/ggml-hello.bin", "hello world")
    write_whisper(folder / "stt/ggml-goodbye.bin", "goodbye")
    write_piper(folder / "tts/low.onnx", 400)
    write_piper(folder / "tts/high.onnx", 1200)
    write_gguf(folder / "llm/first.gguf", "hi there")
    write_gguf(folder / "llm/second.gguf", "good day")
    write_gguf_only_engine_rejects(folder / "llm/incomplete.gguf")
    truncate_half(write_gguf(folder / "llm/half.gguf"))
    return folder


@pytest.fixture
def served(project: Path, models: Path) -> Iterator[Project]:
    """Return a project that runs `ggml-hello`, `first` and `low`."""
    env = project / ".env"
    port = env.read_text(encoding="utf-8").split("LOCAL_WS_PORT=")[1].splitlines()[0]
    env.write_text(
        "# the daemon\n"
        f"LOCAL_WS_PORT={port}\n"
        "export LOCAL_STT_BACKEND='whisper_cpp'\n"
        "WHISPER_CPP_MODEL_PATH=/app/models/stt/ggml-hello.bin\n"
        "LOCAL_TTS_BACKEND=piper\n"
        "LOCAL_TTS_MODEL_PATH=/app/models/tts/low.onnx\n"
        "LOCAL_LLM_MODEL_PATH=/app/models/llm/first.gguf\n"
        "LOCAL_LLM_CONTEXT=512",
        encoding="utf-8",
    )
    (project / "config" / "ai-agent.local.yaml").write_text(OVERLAY, encoding="utf-8")
    daemon = start_daemon(project, models, environ=UNMEASURED)
    daemon.wait_until_loaded()
    running = Project(project, models, daemon)
    yield running
    if running.daemon.process.poll() is None:
        running.daemon.stop()

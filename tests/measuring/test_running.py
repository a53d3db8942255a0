"""What loaded models take is seen, remembered, and given back in a plan."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from aava_cli.measuring.observed import Observations
from aava_cli.measuring.running import note_loaded, running_models
from aava_cli.memory.host import GpuMemory
from aava_cli.settings import Settings
from tests.daemon_fixture import UNMEASURED, RunningDaemon, start_daemon
from tests.tiny_models import write_gguf, write_piper, write_whisper

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Aava

MIB = 1 << 20
DEADLINE_S = 60.0


@pytest.fixture
def daemon(project: Path) -> Iterator[RunningDaemon]:
    """Run a daemon with three tiny models."""
    models = project / "models"
    write_whisper(models / "stt/ggml-hello.bin", "hello")
    write_piper(models / "tts/low.onnx")
    write_gguf(models / "llm/first.gguf")
    write_gguf(models / "llm/second.gguf")
    with (project / ".env").open("a") as file:
        file.write(
            "LOCAL_STT_BACKEND=whisper_cpp\n"
            "WHISPER_CPP_MODEL_PATH=/app/models/stt/ggml-hello.bin\n"
            "LOCAL_TTS_MODEL_PATH=/app/models/tts/low.onnx\n"
            "LOCAL_LLM_MODEL_PATH=/app/models/llm/first.gguf\n"
            "LOCAL_LLM_CONTEXT=512\n"
        )
    running = start_daemon(project, models, environ=UNMEASURED)
    running.wait_until_loaded()
    yield running
    running.stop()


def remembered(project: Path, kind: str, count: int) -> list[list[int]]:
    """Return what is remembered of *kind* once there are *count* loads."""
    pairs: list[list[int]] = []
    deadline = time.monotonic() + DEADLINE_S
    while len(pairs) < count:
        assert time.monotonic() < deadline, pairs
        time.sleep(0.05)
        path = project / ".aava/memory.json"
        pairs = json.loads(path.read_bytes()).get(kind, []) if path.exists() else []
    return pairs


def test_each_load_is_remembered(project: Path, daemon: RunningDaemon, aava: Aava) -> None:
    """What was expected and what the process has: at the start, and after each switch."""
    for kind in ("llama/llama", "whisper_cpp", "piper"):
        ((counted, seen),) = remembered(project, kind, 1)
        assert min(counted, seen) > 10 * MIB
        assert 0.2 < seen / counted < 5
    assert 0 == aava("switch", "--llm", "second").exit_code
    assert 2 == len(remembered(project, "llama/llama", 2))
    assert 1 == len(remembered(project, "piper", 1))
    factors = Observations(project / ".aava").factors()
    assert {"llama/llama", "whisper_cpp", "piper"} == set(factors)
    assert all(0.5 <= factor <= 2 for factor in factors.values())
    assert daemon.status()["models"]["llm"]["loaded"]


def test_what_runs_is_free_for_the_next(project: Path, daemon: RunningDaemon, aava: Aava) -> None:
    """A plan counts what a role's model gives back, on this host alone, and corrects itself."""
    remembered(project, "llama/llama", 1)
    words = ("models", "fit", "second", "--json")
    found = json.loads(aava(*words).stdout)["result"]
    seen = found["reload"]["freed_bytes"]
    assert seen > 10 * MIB
    elsewhere = json.loads(aava(*words, "--memory", "8GB").stdout)["result"]
    assert 0 == elsewhere["reload"]["freed_bytes"]
    shown = aava("models", "fit", "second").stdout
    assert "of what is free is what runs now" in shown
    daemon.stop()
    alone = json.loads(aava(*words).stdout)["result"]
    assert 0 == alone["reload"]["freed_bytes"]
    start = start_daemon(project, project / "models", environ=UNMEASURED)
    start.wait_until_loaded()
    daemon.process = start.process


def status(models: dict[str, Any], **more: object) -> dict[str, Any]:
    """Return a `status` reply."""
    return {"type": "status_response", "stt_backend": "vosk", "tts_backend": "piper"} | {
        "models": models,
        **more,
    }


def speaking() -> dict[str, Any]:
    """Return the status of a daemon whose voice has this process."""
    slot = {"backend": "piper", "loaded": True, "path": "/app/models/tts/a.onnx"}
    return status({"tts": {**slot, "pid": os.getpid()}}, version="1")


def test_daemon_that_is_one_process(tmp_path: Path) -> None:
    """What its models take is as it was counted, layers on the GPU included; none is noted."""
    settings = Settings(tmp_path, tmp_path / "models")
    (tmp_path / ".aava").mkdir()
    write_gguf(tmp_path / "models/llm/a.gguf")
    write_piper(tmp_path / "models/tts/a.onnx")
    told = status(
        {
            "stt": {"backend": "vosk", "loaded": True, "path": "vosk-of-its-own"},
            "llm": {
                "loaded": True,
                "path": "/app/models/llm/a.gguf",
                "config": {"context": 512, "batch": 128, "gpu_layers_effective": 2},
            },
            "tts": {"backend": "piper", "loaded": False, "path": "/app/models/tts/a.onnx"},
        }
    )
    gpus = (GpuMemory("GPU", 1 << 30, 1 << 30),)
    (found,) = running_models(settings, told, gpus)
    given = found.loaded()
    assert ("llm", None) == (found.role, found.seen_bytes)
    assert found.counted_bytes == given.host_bytes + sum(given.gpu_bytes)
    assert given.gpu_bytes[0] > 100 * MIB
    note_loaded(settings, told, ["llm"])
    assert not (tmp_path / ".aava/memory.json").exists()


def test_gpus_are_asked_for_where_they_are_used(tmp_path: Path) -> None:
    """A daemon that says that it uses a GPU has its driver asked; a host without one has none."""
    settings = Settings(tmp_path, tmp_path / "models")
    (tmp_path / ".aava").mkdir()
    write_piper(tmp_path / "models/tts/a.onnx")
    slot = {
        "backend": "piper",
        "loaded": True,
        "path": "/app/models/tts/a.onnx",
        "pid": os.getpid(),
    }
    told = status({"tts": slot}, version="1", gpu={"runtime_usable": True})
    note_loaded(settings, told, ["tts"])
    ((_, seen),) = Observations(tmp_path / ".aava").pairs()["piper"]
    assert seen > 0


class TestRecord:
    """What is kept of loads."""

    def test_only_the_last_few(self, tmp_path: Path) -> None:
        """Eight of a kind, and as many kinds as anybody has."""
        settings = Settings(tmp_path, tmp_path / "models")
        (tmp_path / ".aava").mkdir()
        write_piper(tmp_path / "models/tts/a.onnx")
        slot = {
            "backend": "piper",
            "loaded": True,
            "path": "/app/models/tts/a.onnx",
            "pid": os.getpid(),
        }
        told = status({"tts": slot}, version="1")
        record = tmp_path / ".aava/memory.json"
        record.write_text(json.dumps({f"kind {number}": [[1, 1]] for number in range(64)}))
        for _ in range(10):
            note_loaded(settings, told, ["tts"])
        kept = json.loads(record.read_bytes())
        assert (8, 64, False) == (len(kept["piper"]), len(kept), "kind 0" in kept)

    @pytest.mark.parametrize(
        "text", ["", "[]", "{", '{"a": 1}', '{"a": [[1]]}', '{"a": [["x", 1]]}']
    )
    def test_damage_says_nothing(self, tmp_path: Path, text: str) -> None:
        """A record that cannot be read corrects nothing."""
        (tmp_path / "memory.json").write_text(text)
        assert {} == Observations(tmp_path).factors()

    def test_nothing_that_was_seen(self, tmp_path: Path) -> None:
        """Nothing is written of it."""
        Observations(tmp_path).note(())
        assert [] == list(tmp_path.iterdir())

    def test_nowhere_to_keep_it(self, tmp_path: Path) -> None:
        """A record that cannot be kept is no failure."""
        settings = Settings(tmp_path, tmp_path / "models")
        write_piper(tmp_path / "models/tts/a.onnx")
        slot = {
            "backend": "piper",
            "loaded": True,
            "path": "/app/models/tts/a.onnx",
            "pid": os.getpid(),
        }
        told = status({"tts": slot}, version="1")
        note_loaded(settings, told, ["tts"])
        (tmp_path / ".aava").mkdir()
        (tmp_path / ".aava/memory.json").mkdir()
        note_loaded(settings, told, ["tts"])
        assert {} == Observations(tmp_path / ".aava").pairs()

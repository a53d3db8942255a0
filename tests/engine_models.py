"""Tiny models for every engine that installs from a wheel, and what a daemon makes of them."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from tests.serve.sounds import encoded, from_mulaw, loudest_hz, tone
from tests.tiny_ctranslate2 import write_faster_whisper
from tests.tiny_models import write_gguf, write_piper, write_whisper
from tests.tiny_onnx import write_detector, write_transducer
from tests.tiny_voices import write_kokoro, write_matcha
from tests.tiny_vosk import write_vosk

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.daemon_fixture import RunningDaemon

SELECTED: Mapping[str, str] = {
    "LOCAL_STT_BACKEND": "whisper_cpp",
    "WHISPER_CPP_MODEL_PATH": "/app/models/stt/ggml-first.bin",
    "LOCAL_TTS_BACKEND": "piper",
    "LOCAL_TTS_MODEL_PATH": "/app/models/tts/first.onnx",
    "LOCAL_LLM_MODEL_PATH": "/app/models/llm/first.gguf",
    "LOCAL_LLM_CONTEXT": "512",
}

KOKORO_VOICES: Mapping[str, float] = {"af_heart": 0.3, "am_adam": 0.6}
KOKORO_HZ = 400
MATCHA_HZ = 1400


def write_models(folder: Path) -> Path:
    """Write under *folder* at least one model for each engine."""
    write_whisper(folder / "stt/ggml-first.bin", "first")
    write_whisper(folder / "stt/ggml-second.bin", "second")
    write_vosk(folder / "stt/vosk-model-hello", "hello")
    write_vosk(folder / "stt/vosk-model-packed/vosk-model-inside", "inside")
    write_transducer(folder / "stt/sherpa-online", "while you speak")
    write_transducer(folder / "stt/sherpa-offline", "when you stop", streaming=False)
    write_detector(folder / "vad/silero_vad.onnx")
    write_faster_whisper(folder / "stt/faster-whisper-tiny", "fast enough")
    write_piper(folder / "tts/first.onnx", 400)
    write_piper(folder / "tts/second.onnx", 800)
    write_matcha(folder / "tts/matcha-icefall-tiny", periods=4)
    write_kokoro(folder / "tts/kokoro", KOKORO_VOICES)
    write_gguf(folder / "llm/first.gguf", "hi there")
    write_gguf(folder / "llm/second.gguf", "good day")
    return folder


def heard(daemon: RunningDaemon) -> str:
    """Return what *daemon* hears in a tone of a second and a half."""
    reply = daemon.ask({"type": "audio", "mode": "stt", "data": encoded(tone(1500))})
    assert "error" not in reply, reply
    return str(reply["text"])


def hummed_hz(daemon: RunningDaemon) -> int:
    """Return what the voice of *daemon* hums."""
    reply = daemon.ask({"type": "tts_request", "text": "hello there"})
    assert "error" not in reply, reply
    return loudest_hz(from_mulaw(base64.b64decode(reply["audio_data"])), 8000)


def answered(daemon: RunningDaemon) -> str:
    """Return what *daemon* answers."""
    return str(daemon.ask({"type": "llm_request", "text": "hello"})["text"])


def switch(daemon: RunningDaemon, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """Return the reply to a switch."""
    return daemon.ask({"type": "switch_model", "request_id": "s1", **fields})

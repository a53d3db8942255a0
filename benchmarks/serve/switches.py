"""Many switches in a row between two models of each engine: memory after 100 and at the end."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.serve.setting import left_over, serving

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.daemon_fixture import RunningDaemon

_EARLY = 100
_MOST_GROWTH = 1.1


def _stt(backend: str, name: str, **others: str) -> dict[str, Any]:
    return {"stt_backend": backend, "stt_model_path": f"/app/models/stt/{name}", **others}


def _fast(name: str) -> dict[str, Any]:
    place = f"/app/models/stt/{name}"
    return {"stt_backend": "faster_whisper", "stt_config": {"model": place}}


def _matcha(folder: str) -> dict[str, Any]:
    place = f"/app/models/tts/{folder}"
    files = {"model": f"{place}/model-steps-3.onnx", "vocoder": f"{place}/vocoder.onnx"}
    return {"tts_backend": "matcha"} | {f"matcha_{key}_path": path for key, path in files.items()}


PAIRS: Mapping[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "whisper_cpp": (
        _stt("whisper_cpp", "ggml-second.bin"),
        _stt("whisper_cpp", "ggml-first.bin"),
    ),
    "vosk": (_stt("vosk", "vosk-model-hello"), _stt("vosk", "vosk-model-packed")),
    "sherpa": (
        _stt("sherpa", "sherpa-online", sherpa_model_type="online"),
        _stt("sherpa", "sherpa-offline", sherpa_model_type="offline"),
    ),
    "faster_whisper": (_fast("faster-whisper-tiny"), _fast("faster-whisper-tiny-copy")),
    "piper": (
        {"tts_backend": "piper", "tts_model_path": "/app/models/tts/second.onnx"},
        {"tts_backend": "piper", "tts_model_path": "/app/models/tts/first.onnx"},
    ),
    "matcha": (_matcha("matcha-icefall-tiny"), _matcha("matcha-icefall-tiny-copy")),
    "kokoro": (
        {"tts_backend": "kokoro", "kokoro_voice": "af_heart"},
        {"tts_backend": "kokoro", "kokoro_voice": "am_adam"},
    ),
    "llama": (
        {"llm_model_path": "/app/models/llm/second.gguf"},
        {"llm_model_path": "/app/models/llm/first.gguf"},
    ),
}


def run(engines: tuple[str, ...], count: int) -> bool:
    """Print memory for each of *engines*; return whether it stayed."""
    right = True
    for engine in engines:
        with serving() as daemon:
            _copy_models(daemon)
            early = _switch(daemon, engine, min(_EARLY, count))
            late = _switch(daemon, engine, count - _EARLY) if count > _EARLY else early
            stayed = late["resident MB"] <= early["resident MB"] * _MOST_GROWTH
            print(f"{engine:15} {count} switches: after {min(_EARLY, count)} {early}, then {late}")
            right &= stayed and late["processes"] == early["processes"]
    return right


def _copy_models(daemon: RunningDaemon) -> None:
    models = Path(daemon.log).parent / "models"
    for folder in ("stt/faster-whisper-tiny", "tts/matcha-icefall-tiny"):
        shutil.copytree(models / folder, models / f"{folder}-copy", symlinks=True)


def _switch(daemon: RunningDaemon, engine: str, count: int) -> dict[str, float]:
    with daemon.connect() as client:
        for number in range(count):
            asked = {"type": "switch_model", **PAIRS[engine][number % 2]}
            reply = client.ask(asked)
            if reply["status"] != "success":
                raise SystemExit(f"{engine}, switch {number}: {reply}")
    return left_over(daemon)

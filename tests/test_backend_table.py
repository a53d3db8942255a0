"""Every engine and every way of running it: what is sent, written and expected, word for word.

The values are the daemon's own, as its protocol and its configuration have them. None of them
is computed by the program under test.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from aava_cli.backends import BACKENDS, Selection, lookup, running_in, selected_in


@dataclass(frozen=True, slots=True)
class Row:
    """One way to run one engine; *complete* is what *values* come to, where that is more."""

    id: str
    backend: str
    values: dict[str, str]
    request: dict[str, Any]
    env: dict[str, str]
    yaml: dict[str, str]
    expected: dict[str, Any]
    capability: str | None
    build_arg: str
    paths: tuple[str, ...] = ()
    complete: dict[str, str] = field(default_factory=dict)
    restart: tuple[str, ...] = ()


STT, TTS, LLM, KROKO = "/app/models/stt", "/app/models/tts", "/app/models/llm", "/app/models/kroko"
CLOUD = "wss://app.kroko.ai/api/v1/transcripts/streaming"

ROWS = (
    Row(
        "vosk",
        "vosk",
        {"path": f"{STT}/vosk-model-en-us-0.22"},
        request={"stt_backend": "vosk", "stt_model_path": f"{STT}/vosk-model-en-us-0.22"},
        env={
            "LOCAL_STT_BACKEND": "vosk",
            "LOCAL_STT_MODEL_PATH": f"{STT}/vosk-model-en-us-0.22",
        },
        yaml={"stt_backend": "vosk", "stt_model": f"{STT}/vosk-model-en-us-0.22"},
        expected={"stt_backend": "vosk", "models.stt.path": f"{STT}/vosk-model-en-us-0.22"},
        capability="vosk",
        build_arg="INCLUDE_VOSK",
        paths=("path",),
    ),
    Row(
        "vosk, turns cut otherwise",
        "vosk",
        {"path": f"{STT}/vosk-x", "idle_ms": "3000", "energy": "800", "preroll_ms": "100"}
        | {"min_ms": "300", "silence_ms": "400", "max_ms": "9000"},
        request={"stt_backend": "vosk", "stt_model_path": f"{STT}/vosk-x"},
        env={
            "LOCAL_STT_BACKEND": "vosk",
            "LOCAL_STT_MODEL_PATH": f"{STT}/vosk-x",
            "LOCAL_STT_IDLE_MS": "3000",
            "LOCAL_STT_SEGMENT_ENERGY_THRESHOLD": "800",
            "LOCAL_STT_SEGMENT_PREROLL_MS": "100",
            "LOCAL_STT_SEGMENT_MIN_MS": "300",
            "LOCAL_STT_SEGMENT_SILENCE_MS": "400",
            "LOCAL_STT_SEGMENT_MAX_MS": "9000",
        },
        yaml={"stt_backend": "vosk", "stt_model": f"{STT}/vosk-x"},
        expected={"stt_backend": "vosk", "models.stt.path": f"{STT}/vosk-x"},
        capability="vosk",
        build_arg="INCLUDE_VOSK",
        paths=("path",),
        restart=("idle_ms", "energy", "preroll_ms", "min_ms", "silence_ms", "max_ms"),
    ),
    Row(
        "sherpa online",
        "sherpa",
        {"path": f"{STT}/sherpa-onnx-streaming-zipformer-en-2023-06-26"},
        request={
            "stt_backend": "sherpa",
            "sherpa_model_path": f"{STT}/sherpa-onnx-streaming-zipformer-en-2023-06-26",
            "sherpa_model_type": "online",
        },
        env={
            "LOCAL_STT_BACKEND": "sherpa",
            "SHERPA_MODEL_PATH": f"{STT}/sherpa-onnx-streaming-zipformer-en-2023-06-26",
            "SHERPA_MODEL_TYPE": "online",
        },
        yaml={
            "stt_backend": "sherpa",
            "sherpa_model_path": f"{STT}/sherpa-onnx-streaming-zipformer-en-2023-06-26",
            "sherpa_model_type": "online",
        },
        expected={
            "stt_backend": "sherpa",
            "models.stt.path": f"{STT}/sherpa-onnx-streaming-zipformer-en-2023-06-26",
            "models.stt.sherpa_model_type": "online",
        },
        capability="sherpa",
        build_arg="INCLUDE_SHERPA",
        paths=("path",),
        complete={"type": "online"},
    ),
    Row(
        "sherpa offline, with the usual detector",
        "sherpa",
        {"path": f"{STT}/sherpa-onnx-zipformer-en", "type": "offline", "vad_threshold": "0.5"},
        request={
            "stt_backend": "sherpa",
            "sherpa_model_path": f"{STT}/sherpa-onnx-zipformer-en",
            "sherpa_model_type": "offline",
            "sherpa_vad_model_path": "/app/models/vad/silero_vad.onnx",
        },
        env={
            "LOCAL_STT_BACKEND": "sherpa",
            "SHERPA_MODEL_PATH": f"{STT}/sherpa-onnx-zipformer-en",
            "SHERPA_MODEL_TYPE": "offline",
            "SHERPA_VAD_MODEL_PATH": "/app/models/vad/silero_vad.onnx",
            "SHERPA_VAD_THRESHOLD": "0.5",
        },
        yaml={
            "stt_backend": "sherpa",
            "sherpa_model_path": f"{STT}/sherpa-onnx-zipformer-en",
            "sherpa_model_type": "offline",
            "sherpa_vad_model_path": "/app/models/vad/silero_vad.onnx",
        },
        expected={
            "stt_backend": "sherpa",
            "models.stt.path": f"{STT}/sherpa-onnx-zipformer-en",
            "models.stt.sherpa_model_type": "offline",
        },
        capability="sherpa",
        build_arg="INCLUDE_SHERPA",
        paths=("path", "vad"),
        complete={"vad": "/app/models/vad/silero_vad.onnx"},
        restart=("vad_threshold",),
    ),
    Row(
        "kroko embedded",
        "kroko",
        {"path": f"{KROKO}/Kroko-EN-Community-64-L-Streaming-001.data", "language": "en-US"}
        | {"port": "6007"},
        request={
            "stt_backend": "kroko",
            "kroko_embedded": True,
            "kroko_model_path": f"{KROKO}/Kroko-EN-Community-64-L-Streaming-001.data",
            "kroko_language": "en-US",
            "kroko_port": 6007,
        },
        env={
            "LOCAL_STT_BACKEND": "kroko",
            "KROKO_EMBEDDED": "1",
            "KROKO_MODEL_PATH": f"{KROKO}/Kroko-EN-Community-64-L-Streaming-001.data",
            "KROKO_LANGUAGE": "en-US",
            "KROKO_PORT": "6007",
        },
        yaml={
            "stt_backend": "kroko",
            "kroko_language": "en-US",
            "kroko_model_path": f"{KROKO}/Kroko-EN-Community-64-L-Streaming-001.data",
        },
        expected={
            "stt_backend": "kroko",
            "kroko.embedded": True,
            "kroko.port": 6007,
            "kroko.language": "en-US",
            "kroko.model_path": f"{KROKO}/Kroko-EN-Community-64-L-Streaming-001.data",
        },
        capability="kroko_embedded",
        build_arg="INCLUDE_KROKO_EMBEDDED",
        paths=("path",),
        complete={"embedded": "1"},
    ),
    Row(
        "kroko embedded, from another folder",
        "kroko",
        {"path": f"{STT}/kroko-en/model.onnx", "url": CLOUD},
        request={
            "stt_backend": "kroko",
            "kroko_embedded": True,
            "kroko_model_path": f"{STT}/kroko-en/model.onnx",
        },
        env={
            "LOCAL_STT_BACKEND": "kroko",
            "KROKO_EMBEDDED": "1",
            "KROKO_MODEL_PATH": f"{STT}/kroko-en/model.onnx",
        },
        yaml={"stt_backend": "kroko", "kroko_model_path": f"{STT}/kroko-en/model.onnx"},
        expected={
            "stt_backend": "kroko",
            "kroko.embedded": True,
            "kroko.model_path": f"{STT}/kroko-en/model.onnx",
        },
        capability="kroko_embedded",
        build_arg="INCLUDE_KROKO_EMBEDDED",
        paths=("path",),
        complete={"embedded": "1"},
    ),
    Row(
        "kroko in the cloud",
        "kroko",
        {"embedded": "0", "url": CLOUD, "language": "de-DE", "path": f"{KROKO}/a.data"},
        request={
            "stt_backend": "kroko",
            "kroko_embedded": False,
            "kroko_url": "wss://app.kroko.ai/api/v1/transcripts/streaming",
            "kroko_language": "de-DE",
        },
        env={
            "LOCAL_STT_BACKEND": "kroko",
            "KROKO_EMBEDDED": "0",
            "KROKO_URL": "wss://app.kroko.ai/api/v1/transcripts/streaming",
            "KROKO_LANGUAGE": "de-DE",
        },
        yaml={"stt_backend": "kroko", "kroko_language": "de-DE"},
        expected={
            "stt_backend": "kroko",
            "kroko.embedded": False,
            "kroko.url": "wss://app.kroko.ai/api/v1/transcripts/streaming",
            "kroko.language": "de-DE",
        },
        capability=None,
        build_arg="INCLUDE_KROKO_EMBEDDED",
    ),
    Row(
        "kroko at a URL",
        "kroko",
        {"url": "ws://10.0.0.7:6006"},
        request={
            "stt_backend": "kroko",
            "kroko_embedded": False,
            "kroko_url": "ws://10.0.0.7:6006",
        },
        env={
            "LOCAL_STT_BACKEND": "kroko",
            "KROKO_EMBEDDED": "0",
            "KROKO_URL": "ws://10.0.0.7:6006",
        },
        yaml={"stt_backend": "kroko"},
        expected={
            "stt_backend": "kroko",
            "kroko.embedded": False,
            "kroko.url": "ws://10.0.0.7:6006",
        },
        capability=None,
        build_arg="INCLUDE_KROKO_EMBEDDED",
        complete={"embedded": "0"},
    ),
    Row(
        "faster_whisper by name",
        "faster_whisper",
        {"model": "small", "device": "cuda", "compute_type": "float16", "language": "de"},
        request={
            "stt_backend": "faster_whisper",
            "stt_config": {"model": "small", "device": "cuda", "compute_type": "float16"},
            "faster_whisper_language": "de",
        },
        env={
            "LOCAL_STT_BACKEND": "faster_whisper",
            "FASTER_WHISPER_MODEL": "small",
            "FASTER_WHISPER_DEVICE": "cuda",
            "FASTER_WHISPER_COMPUTE_TYPE": "float16",
            "FASTER_WHISPER_LANGUAGE": "de",
        },
        yaml={
            "stt_backend": "faster_whisper",
            "stt_model": "small",
            "faster_whisper_language": "de",
        },
        expected={
            "stt_backend": "faster_whisper",
            "models.stt.path": "small",
            "models.stt.language": "de",
        },
        capability="faster_whisper",
        build_arg="INCLUDE_FASTER_WHISPER",
    ),
    Row(
        "faster_whisper by folder",
        "faster_whisper",
        {"model": f"{STT}/faster-whisper-small"},
        request={
            "stt_backend": "faster_whisper",
            "stt_config": {"model": f"{STT}/faster-whisper-small"},
        },
        env={
            "LOCAL_STT_BACKEND": "faster_whisper",
            "FASTER_WHISPER_MODEL": f"{STT}/faster-whisper-small",
        },
        yaml={"stt_backend": "faster_whisper", "stt_model": f"{STT}/faster-whisper-small"},
        expected={
            "stt_backend": "faster_whisper",
            "models.stt.path": f"{STT}/faster-whisper-small",
        },
        capability="faster_whisper",
        build_arg="INCLUDE_FASTER_WHISPER",
        paths=("model",),
    ),
    Row(
        "whisper_cpp",
        "whisper_cpp",
        {"path": f"{STT}/ggml-base.en.bin", "language": "en"},
        request={
            "stt_backend": "whisper_cpp",
            "stt_model_path": f"{STT}/ggml-base.en.bin",
            "whisper_cpp_language": "en",
        },
        env={
            "LOCAL_STT_BACKEND": "whisper_cpp",
            "WHISPER_CPP_MODEL_PATH": f"{STT}/ggml-base.en.bin",
            "WHISPER_CPP_LANGUAGE": "en",
        },
        yaml={
            "stt_backend": "whisper_cpp",
            "whisper_cpp_model_path": f"{STT}/ggml-base.en.bin",
            "whisper_cpp_language": "en",
        },
        expected={
            "stt_backend": "whisper_cpp",
            "models.stt.path": f"{STT}/ggml-base.en.bin",
            "models.stt.language": "en",
        },
        capability="whisper_cpp",
        build_arg="INCLUDE_WHISPER_CPP",
        paths=("path",),
    ),
    Row(
        "tone with a language model",
        "tone",
        {"path": f"{STT}/t-one", "decoder": "beam_search", "kenlm": f"{STT}/t-one/kenlm.bin"},
        request={
            "stt_backend": "tone",
            "tone_model_path": f"{STT}/t-one",
            "tone_decoder_type": "beam_search",
            "tone_kenlm_path": f"{STT}/t-one/kenlm.bin",
        },
        env={
            "LOCAL_STT_BACKEND": "tone",
            "TONE_MODEL_PATH": f"{STT}/t-one",
            "TONE_DECODER_TYPE": "beam_search",
            "TONE_KENLM_PATH": f"{STT}/t-one/kenlm.bin",
        },
        yaml={
            "stt_backend": "tone",
            "tone_model_path": f"{STT}/t-one",
            "tone_decoder_type": "beam_search",
            "tone_kenlm_path": f"{STT}/t-one/kenlm.bin",
        },
        expected={
            "stt_backend": "tone",
            "models.stt.path": f"{STT}/t-one",
            "models.stt.tone_decoder_type": "beam_search",
        },
        capability="tone",
        build_arg="INCLUDE_TONE",
        paths=("path", "kenlm"),
    ),
    Row(
        "tone without a language model",
        "tone",
        {"path": f"{STT}/t-one", "decoder": "greedy", "kenlm": f"{STT}/t-one/kenlm.bin"},
        request={
            "stt_backend": "tone",
            "tone_model_path": f"{STT}/t-one",
            "tone_decoder_type": "greedy",
        },
        env={
            "LOCAL_STT_BACKEND": "tone",
            "TONE_MODEL_PATH": f"{STT}/t-one",
            "TONE_DECODER_TYPE": "greedy",
        },
        yaml={
            "stt_backend": "tone",
            "tone_model_path": f"{STT}/t-one",
            "tone_decoder_type": "greedy",
        },
        expected={
            "stt_backend": "tone",
            "models.stt.path": f"{STT}/t-one",
            "models.stt.tone_decoder_type": "greedy",
        },
        capability="tone",
        build_arg="INCLUDE_TONE",
        paths=("path",),
    ),
    Row(
        "piper",
        "piper",
        {"path": f"{TTS}/en_US-lessac-medium.onnx"},
        request={"tts_backend": "piper", "tts_model_path": f"{TTS}/en_US-lessac-medium.onnx"},
        env={
            "LOCAL_TTS_BACKEND": "piper",
            "LOCAL_TTS_MODEL_PATH": f"{TTS}/en_US-lessac-medium.onnx",
        },
        yaml={"tts_backend": "piper", "tts_voice": f"{TTS}/en_US-lessac-medium.onnx"},
        expected={"tts_backend": "piper", "models.tts.path": f"{TTS}/en_US-lessac-medium.onnx"},
        capability="piper",
        build_arg="INCLUDE_PIPER",
        paths=("path",),
    ),
    Row(
        "kokoro from files",
        "kokoro",
        {"path": f"{TTS}/kokoro", "mode": "local", "voice": "af_heart", "lang": "b"},
        request={
            "tts_backend": "kokoro",
            "kokoro_mode": "local",
            "kokoro_voice": "af_heart",
            "kokoro_model_path": f"{TTS}/kokoro",
        },
        env={
            "LOCAL_TTS_BACKEND": "kokoro",
            "KOKORO_MODE": "local",
            "KOKORO_VOICE": "af_heart",
            "KOKORO_MODEL_PATH": f"{TTS}/kokoro",
            "KOKORO_LANG": "b",
        },
        yaml={
            "tts_backend": "kokoro",
            "kokoro_voice": "af_heart",
            "kokoro_model_path": f"{TTS}/kokoro",
        },
        expected={
            "tts_backend": "kokoro",
            "kokoro.mode": "local",
            "kokoro.voice": "af_heart",
            "kokoro.model_path": f"{TTS}/kokoro",
        },
        capability="kokoro",
        build_arg="INCLUDE_KOKORO",
        paths=("path",),
        restart=("lang",),
    ),
    Row(
        "kokoro from the hub",
        "kokoro",
        {"path": f"{TTS}/kokoro", "mode": "hf", "voice": "am_adam"},
        request={"tts_backend": "kokoro", "kokoro_mode": "hf", "kokoro_voice": "am_adam"},
        env={"LOCAL_TTS_BACKEND": "kokoro", "KOKORO_MODE": "hf", "KOKORO_VOICE": "am_adam"},
        yaml={"tts_backend": "kokoro", "kokoro_voice": "am_adam"},
        expected={"tts_backend": "kokoro", "kokoro.mode": "hf", "kokoro.voice": "am_adam"},
        capability="kokoro",
        build_arg="INCLUDE_KOKORO",
    ),
    Row(
        "kokoro by a service",
        "kokoro",
        {"mode": "api", "voice": "af_sky", "api_base_url": "http://10.0.0.7:8880/v1"}
        | {"api_model": "kokoro"},
        request={
            "tts_backend": "kokoro",
            "kokoro_mode": "api",
            "kokoro_voice": "af_sky",
            "kokoro_api_base_url": "http://10.0.0.7:8880/v1",
            "kokoro_api_model": "kokoro",
        },
        env={
            "LOCAL_TTS_BACKEND": "kokoro",
            "KOKORO_MODE": "api",
            "KOKORO_VOICE": "af_sky",
            "KOKORO_API_BASE_URL": "http://10.0.0.7:8880/v1",
            "KOKORO_API_MODEL": "kokoro",
        },
        yaml={"tts_backend": "kokoro", "kokoro_voice": "af_sky"},
        expected={
            "tts_backend": "kokoro",
            "kokoro.mode": "api",
            "kokoro.voice": "af_sky",
            "kokoro.api_base_url": "http://10.0.0.7:8880/v1",
        },
        capability=None,
        build_arg="INCLUDE_KOKORO",
    ),
    Row(
        "melotts",
        "melotts",
        {"voice": "EN-BR", "speed": "1.2", "device": "cuda"},
        request={
            "tts_backend": "melotts",
            "tts_config": {"voice": "EN-BR", "speed": 1.2, "device": "cuda"},
        },
        env={
            "LOCAL_TTS_BACKEND": "melotts",
            "MELOTTS_VOICE": "EN-BR",
            "MELOTTS_SPEED": "1.2",
            "MELOTTS_DEVICE": "cuda",
        },
        yaml={"tts_backend": "melotts", "tts_voice": "EN-BR"},
        expected={"tts_backend": "melotts", "models.tts.path": "EN-BR"},
        capability="melotts",
        build_arg="INCLUDE_MELOTTS",
    ),
    Row(
        "silero",
        "silero",
        {"speaker": "eva_k", "language": "de", "model_id": "v3_de", "path": f"{TTS}/silero"}
        | {"sample_rate": "24000", "direct_mulaw": "0"},
        request={
            "tts_backend": "silero",
            "silero_speaker": "eva_k",
            "silero_language": "de",
            "silero_model_id": "v3_de",
            "silero_model_path": f"{TTS}/silero",
            "tts_config": {"sample_rate": 24000},
        },
        env={
            "LOCAL_TTS_BACKEND": "silero",
            "SILERO_SPEAKER": "eva_k",
            "SILERO_LANGUAGE": "de",
            "SILERO_MODEL_ID": "v3_de",
            "SILERO_MODEL_PATH": f"{TTS}/silero",
            "SILERO_SAMPLE_RATE": "24000",
            "SILERO_DIRECT_MULAW": "0",
        },
        yaml={
            "tts_backend": "silero",
            "silero_speaker": "eva_k",
            "silero_language": "de",
            "silero_model_id": "v3_de",
        },
        expected={
            "tts_backend": "silero",
            "silero.speaker": "eva_k",
            "silero.language": "de",
            "silero.model_id": "v3_de",
            "silero.model_path": f"{TTS}/silero",
            "silero.sample_rate": 24000,
        },
        capability="silero",
        build_arg="INCLUDE_SILERO",
        restart=("direct_mulaw",),
    ),
    Row(
        "matcha",
        "matcha",
        {"path": f"{TTS}/matcha-icefall-en/model-steps-3.onnx", "speed": "0.9", "sid": "1"}
        | {"vocoder": f"{TTS}/matcha-icefall-en/hifigan_v2.onnx"},
        request={
            "tts_backend": "matcha",
            "matcha_model_path": f"{TTS}/matcha-icefall-en/model-steps-3.onnx",
            "matcha_vocoder_path": f"{TTS}/matcha-icefall-en/hifigan_v2.onnx",
        },
        env={
            "LOCAL_TTS_BACKEND": "matcha",
            "MATCHA_MODEL_PATH": f"{TTS}/matcha-icefall-en/model-steps-3.onnx",
            "MATCHA_VOCODER_PATH": f"{TTS}/matcha-icefall-en/hifigan_v2.onnx",
            "MATCHA_SPEED": "0.9",
            "MATCHA_SID": "1",
        },
        yaml={
            "tts_backend": "matcha",
            "matcha_model_path": f"{TTS}/matcha-icefall-en/model-steps-3.onnx",
            "matcha_vocoder_path": f"{TTS}/matcha-icefall-en/hifigan_v2.onnx",
        },
        expected={"tts_backend": "matcha"},
        capability="matcha",
        build_arg="INCLUDE_SHERPA",
        paths=("path", "vocoder"),
        restart=("speed", "sid"),
    ),
    Row(
        "llama",
        "llama",
        {"path": f"{LLM}/phi-3-mini-4k-instruct.Q4_K_M.gguf", "chat_format": "chatml"},
        request={
            "llm_model_path": f"{LLM}/phi-3-mini-4k-instruct.Q4_K_M.gguf",
            "llm_config": {"chat_format": "chatml"},
        },
        env={
            "LOCAL_LLM_MODEL_PATH": f"{LLM}/phi-3-mini-4k-instruct.Q4_K_M.gguf",
            "LOCAL_LLM_CHAT_FORMAT": "chatml",
        },
        yaml={},
        expected={"models.llm.path": f"{LLM}/phi-3-mini-4k-instruct.Q4_K_M.gguf"},
        capability="llama",
        build_arg="INCLUDE_LLAMA",
        paths=("path",),
    ),
    Row(
        "llama with every option",
        "llama",
        {"path": f"{LLM}/a.gguf", "context": "4096", "batch": "256", "threads": "8"}
        | {"max_tokens": "128", "temperature": "0.7", "top_p": "0.9", "repeat_penalty": "1.1"}
        | {"gpu_layers": "-1", "use_mlock": "1", "filler_audio": "1", "overlap": "0"}
        | {"system_prompt": "Be brief.", "voice_preamble": "Speak.", "stop_tokens": "<|im_end|>"}
        | {"infer_timeout": "30"},
        request={
            "llm_model_path": f"{LLM}/a.gguf",
            "llm_config": {
                "context": 4096,
                "batch": 256,
                "threads": 8,
                "max_tokens": 128,
                "temperature": 0.7,
                "top_p": 0.9,
                "repeat_penalty": 1.1,
                "gpu_layers": -1,
                "use_mlock": True,
            },
            "runtime_config": {"enable_filler_audio": True, "llm_streaming_tts_overlap": False},
        },
        env={
            "LOCAL_LLM_MODEL_PATH": f"{LLM}/a.gguf",
            "LOCAL_LLM_CONTEXT": "4096",
            "LOCAL_LLM_BATCH": "256",
            "LOCAL_LLM_THREADS": "8",
            "LOCAL_LLM_MAX_TOKENS": "128",
            "LOCAL_LLM_TEMPERATURE": "0.7",
            "LOCAL_LLM_TOP_P": "0.9",
            "LOCAL_LLM_REPEAT_PENALTY": "1.1",
            "LOCAL_LLM_GPU_LAYERS": "-1",
            "LOCAL_LLM_USE_MLOCK": "1",
            "LOCAL_ENABLE_FILLER_AUDIO": "1",
            "LOCAL_LLM_STREAMING_TTS_OVERLAP": "0",
            "LOCAL_LLM_SYSTEM_PROMPT": "Be brief.",
            "LOCAL_LLM_VOICE_PREAMBLE": "Speak.",
            "LOCAL_LLM_STOP_TOKENS": "<|im_end|>",
            "LOCAL_LLM_INFER_TIMEOUT_SEC": "30",
        },
        yaml={},
        expected={
            "models.llm.path": f"{LLM}/a.gguf",
            "models.llm.config.context": 4096,
            "models.llm.config.batch": 256,
            "models.llm.config.threads": 8,
            "models.llm.config.max_tokens": 128,
            "models.llm.config.temperature": 0.7,
            "models.llm.config.top_p": 0.9,
            "models.llm.config.repeat_penalty": 1.1,
            "models.llm.config.gpu_layers_configured": -1,
            "config.enable_filler_audio": True,
            "config.llm_streaming_tts_overlap": False,
        },
        capability="llama",
        build_arg="INCLUDE_LLAMA",
        paths=("path",),
        restart=("system_prompt", "voice_preamble", "stop_tokens", "infer_timeout"),
    ),
)
EVERY = pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row.id))


def selection_of(row: Row) -> Selection:
    """Return the selection that *row* is about."""
    return Selection(BACKENDS[row.backend], row.values)


@EVERY
def test_request_is_the_one_that_works(row: Row) -> None:
    """The daemon ignores, or misunderstands, every other field."""
    assert row.request == selection_of(row).request()


@EVERY
def test_env_is_what_the_daemon_reads(row: Row) -> None:
    """The keys are those of the daemon's configuration, and none is left over."""
    selection = selection_of(row)
    assert row.env == selection.env()
    assert selection == selected_in(selection.backend, row.env)


@EVERY
def test_yaml_is_what_the_engine_reads(row: Row) -> None:
    """All keys are those of the local provider."""
    expected = {("providers", "local", key): value for key, value in row.yaml.items()}
    assert expected == selection_of(row).yaml()


@EVERY
def test_status_tells_that_it_runs(row: Row) -> None:
    """A fresh status is compared in these places, and read back from them."""
    selection = selection_of(row)
    assert row.expected == selection.expected()
    status: dict[str, Any] = {}
    for dotted, value in row.expected.items():
        *folders, last = dotted.split(".")
        inner = status
        for folder in folders:
            inner = inner.setdefault(folder, {})
        inner[last] = value
    running = running_in(selection.backend, status, row.env)
    assert row.request == running.request()
    assert all(value == lookup(status, dotted) for dotted, value in running.expected().items())


@EVERY
def test_what_the_image_must_have(row: Row) -> None:
    """A service needs no capability; everything else has a build argument that brings it."""
    selection = selection_of(row)
    assert (row.capability, row.build_arg) == (selection.capability, selection.backend.build_arg)


@EVERY
def test_files_that_must_be_there(row: Row) -> None:
    """The model and what is selected beside it; nothing where it comes from elsewhere."""
    selection = selection_of(row)
    assert {option: selection.values[option] for option in row.paths} == selection.paths()


@EVERY
def test_values_come_to_what_they_imply(row: Row) -> None:
    """What is implied is there, and what means nothing beside the rest is gone."""
    values = selection_of(row).values
    assert row.complete == {key: values[key] for key in values if key not in row.values}
    assert () == selection_of(row).lacks()


@EVERY
def test_only_what_no_request_names_needs_a_restart(row: Row) -> None:
    """Once `.env` has them, nothing does."""
    selection = selection_of(row)
    assert row.restart == tuple(each.option for each in selection.needs_restart({}))
    assert () == selection.needs_restart(row.env)


def test_every_engine_is_in_the_table() -> None:
    """All twelve, each with every option of its own in some row."""
    assert set(BACKENDS) == {row.backend for row in ROWS}
    cutting = {"idle_ms", "energy", "preroll_ms", "min_ms", "silence_ms", "max_ms"}
    for name, backend in BACKENDS.items():
        shown = {option for row in ROWS if row.backend == name for option in row.values}
        shown |= {option for row in ROWS if row.backend == name for option in row.complete}
        assert {each.option for each in backend.settings} - cutting <= shown

"""The keys of `.env` that the daemon reads, and their values where nobody set them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aava_cli.limits import usable_processors

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULTS: Mapping[str, str] = {
    "LOCAL_AI_MODE": "full",
    "LOCAL_WS_HOST": "127.0.0.1",
    "LOCAL_WS_PORT": "8765",
    "LOCAL_WS_AUTH_TOKEN": "",
    "LOCAL_LOG_LEVEL": "INFO",
    "LOCAL_TOOL_GATEWAY_ENABLED": "1",
    "LOCAL_ENABLE_FILLER_AUDIO": "0",
    "LOCAL_STT_BACKEND": "vosk",
    "LOCAL_STT_MODEL_PATH": "/app/models/stt/vosk-model-en-us-0.22",
    "LOCAL_STT_IDLE_MS": "5000",
    "LOCAL_STT_SEGMENT_ENERGY_THRESHOLD": "1200",
    "LOCAL_STT_SEGMENT_PREROLL_MS": "200",
    "LOCAL_STT_SEGMENT_MIN_MS": "250",
    "LOCAL_STT_SEGMENT_SILENCE_MS": "500",
    "LOCAL_STT_SEGMENT_MAX_MS": "12000",
    "SHERPA_MODEL_PATH": "/app/models/stt/sherpa",
    "SHERPA_MODEL_TYPE": "online",
    "SHERPA_VAD_MODEL_PATH": "",
    "TONE_MODEL_PATH": "/app/models/stt/t-one",
    "TONE_DECODER_TYPE": "beam_search",
    "TONE_KENLM_PATH": "",
    "FASTER_WHISPER_MODEL": "base",
    "FASTER_WHISPER_DEVICE": "cpu",
    "FASTER_WHISPER_COMPUTE_TYPE": "int8",
    "FASTER_WHISPER_LANGUAGE": "en",
    "WHISPER_CPP_MODEL_PATH": "/app/models/stt/ggml-base.en.bin",
    "WHISPER_CPP_LANGUAGE": "en",
    "KROKO_URL": "wss://app.kroko.ai/api/v1/transcripts/streaming",
    "KROKO_LANGUAGE": "en-US",
    "KROKO_MODEL_PATH": "/app/models/kroko/kroko-en-v1.0.onnx",
    "KROKO_EMBEDDED": "0",
    "KROKO_PORT": "6006",
    "LOCAL_LLM_MODEL_PATH": "/app/models/llm/phi-3-mini-4k-instruct.Q4_K_M.gguf",
    "LOCAL_LLM_THREADS": str(min(16, usable_processors())),
    "LOCAL_LLM_CONTEXT": "768",
    "LOCAL_LLM_BATCH": "128",
    "LOCAL_LLM_MAX_TOKENS": "64",
    "LOCAL_LLM_TEMPERATURE": "0.4",
    "LOCAL_LLM_TOP_P": "0.85",
    "LOCAL_LLM_REPEAT_PENALTY": "1.05",
    "LOCAL_LLM_GPU_LAYERS": "0",
    "LOCAL_LLM_INFER_TIMEOUT_SEC": "20",
    "LOCAL_LLM_CHAT_FORMAT": "",
    "LOCAL_LLM_SYSTEM_PROMPT": "You are a voice assistant on a phone call. Answer briefly.",
    "LOCAL_LLM_STREAMING_TTS_OVERLAP": "1",
    "LOCAL_TTS_BACKEND": "piper",
    "LOCAL_TTS_MODEL_PATH": "/app/models/tts/en_US-lessac-medium.onnx",
    "MELOTTS_VOICE": "EN-US",
    "KOKORO_VOICE": "af_heart",
    "KOKORO_MODE": "local",
    "KOKORO_MODEL_PATH": "/app/models/tts/kokoro",
    "KOKORO_API_BASE_URL": "",
    "KOKORO_API_KEY": "",
    "SILERO_SPEAKER": "xenia",
    "SILERO_LANGUAGE": "ru",
    "SILERO_MODEL_ID": "v3_1_ru",
    "SILERO_MODEL_PATH": "/app/models/tts/silero",
    "SILERO_SAMPLE_RATE": "8000",
    "MATCHA_MODEL_PATH": "/app/models/tts/matcha/model.onnx",
    "MATCHA_VOCODER_PATH": "/app/models/tts/matcha/vocos.onnx",
}

INTEGERS: Mapping[str, int] = {
    "LOCAL_LLM_CONTEXT": 16,
    "LOCAL_LLM_BATCH": 1,
    "LOCAL_LLM_THREADS": 1,
    "LOCAL_LLM_MAX_TOKENS": 1,
    "LOCAL_LLM_GPU_LAYERS": -1,
    "LOCAL_STT_IDLE_MS": 100,
    "LOCAL_STT_SEGMENT_ENERGY_THRESHOLD": 0,
    "LOCAL_STT_SEGMENT_PREROLL_MS": 0,
    "LOCAL_STT_SEGMENT_MIN_MS": 0,
    "LOCAL_STT_SEGMENT_SILENCE_MS": 20,
    "LOCAL_STT_SEGMENT_MAX_MS": 1000,
    "KROKO_PORT": 1,
    "SILERO_SAMPLE_RATE": 8000,
}
"""The keys whose values are whole numbers, with the least that makes sense."""

FLOATS = (
    "LOCAL_LLM_TEMPERATURE",
    "LOCAL_LLM_TOP_P",
    "LOCAL_LLM_REPEAT_PENALTY",
    "LOCAL_LLM_INFER_TIMEOUT_SEC",
)

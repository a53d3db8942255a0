"""The keys of `.env` that the daemon reads, and their values where nobody set them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aava_cli.backends import BACKENDS, SYSTEM_PROMPT
from aava_cli.limits import usable_processors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

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
    "LOCAL_LLM_SYSTEM_PROMPT": SYSTEM_PROMPT,
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

MODES = ("full", "minimal")
"""What `LOCAL_AI_MODE` may say; in `minimal` no language model is loaded."""

# The daemon takes parts of a second where others write whole ones, but no answer takes no time.
_FRACTIONS: Mapping[str, float] = {"LOCAL_LLM_INFER_TIMEOUT_SEC": 0.0001}


@dataclass(frozen=True, slots=True)
class Range:
    """Which numbers a key takes; one that is not *whole* may have a fraction."""

    least: float
    most: float
    whole: bool

    def __contains__(self, text: str) -> bool:
        if not re.fullmatch(_WHOLE if self.whole else _NUMBER, text.strip(), re.ASCII):
            return False
        return self.least <= float(text) <= self.most

    def __str__(self) -> str:
        kind = "a whole number" if self.whole else "a number"
        return f"{kind} from {self.least:.10g} to {self.most:.10g}"


# Nothing that is out of every range has to be counted digit by digit.
_WHOLE = r"-?\d{1,18}"
_NUMBER = r"-?(\d{1,18}\.?|\d{0,18}\.\d{1,20})(e[-+]?\d{1,3})?"


def _ranges() -> Iterator[tuple[str, Range]]:
    """Yield the keys that take numbers, each with its range, from the records of the engines."""
    for backend in BACKENDS.values():
        for each in backend.settings:
            if each.kind in ("integer", "number"):
                least, most = each.least, each.most
                if least is None or most is None:
                    numbers = [float(choice) for choice in each.choices]
                    least, most = min(numbers), max(numbers)
                whole = each.kind == "integer" and each.env not in _FRACTIONS
                yield each.env, Range(_FRACTIONS.get(each.env, least), most, whole)


RANGES: Mapping[str, Range] = dict(_ranges())
"""The keys whose values are numbers, and what those may be."""

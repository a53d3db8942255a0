"""The engines that speak."""

from __future__ import annotations

from aava_cli.backends.record import Backend
from aava_cli.backends.setting import Setting

_PATH = "models.tts.path"
_LOCAL, _HUB, _SERVICE = ("mode", "local"), ("mode", "hf"), ("mode", "api")

_PIPER = Backend(
    "piper",
    role="tts",
    capability="piper",
    build_arg="INCLUDE_PIPER",
    settings=(
        Setting("path", "LOCAL_TTS_MODEL_PATH", "tts_voice", "tts_model_path", _PATH, kind="path"),
    ),
    files="piper",
    installed=("tts/*.onnx",),
    package="piper",
    distribution="piper-tts",
)

_KOKORO = Backend(
    "kokoro",
    role="tts",
    capability="kokoro",
    build_arg="INCLUDE_KOKORO",
    settings=(
        Setting(
            "mode",
            "KOKORO_MODE",
            request="kokoro_mode",
            status="kokoro.mode",
            about="from files, from the hub, or by a service",
            choices=("local", "hf", "api"),
            default="local",
        ),
        Setting(
            "voice",
            "KOKORO_VOICE",
            "kokoro_voice",
            "kokoro_voice",
            "kokoro.voice",
            about="who speaks",
            default="af_heart",
        ),
        Setting(
            "path",
            "KOKORO_MODEL_PATH",
            "kokoro_model_path",
            "kokoro_model_path",
            "kokoro.model_path",
            kind="path",
            when=_LOCAL,
        ),
        Setting(
            "lang",
            "KOKORO_LANG",
            about="what is spoken, by the engine's letters",
            choices=("a", "b", "e", "f", "h", "i", "j", "p", "z"),
            default="a",
        ),
        Setting(
            "api_base_url",
            "KOKORO_API_BASE_URL",
            request="kokoro_api_base_url",
            status="kokoro.api_base_url",
            kind="url",
            about="the service that speaks",
            when=_SERVICE,
            required=True,
        ),
        Setting(
            "api_model",
            "KOKORO_API_MODEL",
            request="kokoro_api_model",
            about="what the service calls the model",
            default="model",
            when=_SERVICE,
        ),
    ),
    files="kokoro",
    parts="kokoro",
    package="sherpa_onnx",
    distribution="sherpa-onnx~=1.12",
    installed=("tts/kokoro/",),
    elsewhere=_SERVICE,
    fetched=_HUB,
)

_MELOTTS = Backend(
    "melotts",
    role="tts",
    capability="melotts",
    build_arg="INCLUDE_MELOTTS",
    image_bytes=12_000_000_000,
    settings=(
        Setting(
            "voice",
            "MELOTTS_VOICE",
            "tts_voice",
            "tts_config.voice",
            _PATH,
            about="who speaks",
            default="EN-US",
        ),
        Setting(
            "speed",
            "MELOTTS_SPEED",
            request="tts_config.speed",
            kind="number",
            about="how fast",
            least=0.25,
            most=4,
            default="1.0",
        ),
        Setting(
            "device",
            "MELOTTS_DEVICE",
            request="tts_config.device",
            about="where it computes",
            choices=("cpu", "cuda", "auto"),
            default="cpu",
        ),
    ),
    model="voice",
)

_SILERO = Backend(
    "silero",
    role="tts",
    capability="silero",
    build_arg="INCLUDE_SILERO",
    # What the image brings is behind the mount of the models folder.
    hidden_without="tts/silero",
    settings=(
        Setting(
            "speaker",
            "SILERO_SPEAKER",
            "silero_speaker",
            "silero_speaker",
            "silero.speaker",
            about="who speaks",
            default="xenia",
        ),
        Setting(
            "language",
            "SILERO_LANGUAGE",
            "silero_language",
            "silero_language",
            "silero.language",
            kind="language",
            about="what is spoken",
            default="ru",
        ),
        Setting(
            "model_id",
            "SILERO_MODEL_ID",
            "silero_model_id",
            "silero_model_id",
            "silero.model_id",
            about="the model that has the speaker",
            default="v3_1_ru",
        ),
        Setting(
            "path",
            "SILERO_MODEL_PATH",
            request="silero_model_path",
            status="silero.model_path",
            about="the engine's own store",
            default="/app/models/tts/silero",
        ),
        Setting(
            "sample_rate",
            "SILERO_SAMPLE_RATE",
            request="tts_config.sample_rate",
            status="silero.sample_rate",
            kind="integer",
            about="samples per second",
            choices=("8000", "24000", "48000"),
            default="8000",
        ),
        Setting(
            "direct_mulaw",
            "SILERO_DIRECT_MULAW",
            kind="flag",
            about="telephone sound without a detour",
            default="1",
        ),
    ),
    model="speaker",
)

_MATCHA = Backend(
    "matcha",
    role="tts",
    capability="matcha",
    build_arg="INCLUDE_SHERPA",
    # No status tells anything of this engine but whether it is loaded.
    settings=(
        Setting("path", "MATCHA_MODEL_PATH", "matcha_model_path", "matcha_model_path", kind="path"),
        Setting(
            "vocoder",
            "MATCHA_VOCODER_PATH",
            "matcha_vocoder_path",
            "matcha_vocoder_path",
            kind="path",
            about="the model that makes it audible",
            required=True,
        ),
        Setting(
            "speed",
            "MATCHA_SPEED",
            kind="number",
            about="how fast",
            least=0.25,
            most=4,
            default="1.0",
        ),
        Setting(
            "sid",
            "MATCHA_SID",
            kind="integer",
            about="number of the speaker",
            least=0,
            most=9999,
            default="0",
        ),
    ),
    files="matcha",
    parts="matcha",
    package="sherpa_onnx",
    distribution="sherpa-onnx~=1.12",
    installed=("tts/matcha-icefall-*/*model*.onnx",),
)

SPEAKING = (_PIPER, _KOKORO, _MELOTTS, _SILERO, _MATCHA)

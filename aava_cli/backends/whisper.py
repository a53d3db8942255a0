"""The engines that listen with Whisper."""

from __future__ import annotations

from aava_cli.backends.record import Backend
from aava_cli.backends.segments import SEGMENTS
from aava_cli.backends.setting import Setting

_PATH = "models.stt.path"
_DEVICES = ("cpu", "cuda", "auto")
_COMPUTE_TYPES = (
    *("int8", "int8_float32", "int8_float16", "int8_bfloat16", "int16"),
    *("float16", "bfloat16", "float32", "auto", "default"),
)
# What Whisper was trained on, by its own names.
_LANGUAGES = (
    *("en", "de", "es", "fr", "it", "nl", "pt", "ru", "zh", "ja", "ko", "ar"),
    *("hi", "tr", "pl", "sv", "uk", "af", "am", "as", "az", "ba", "be", "bg"),
    *("bn", "bo", "br", "bs", "ca", "cs", "cy", "da", "el", "et", "eu", "fa"),
    *("fi", "fo", "gl", "gu", "ha", "haw", "he", "hr", "ht", "hu", "hy", "id"),
    *("is", "jw", "ka", "kk", "km", "kn", "la", "lb", "ln", "lo", "lt", "lv"),
    *("mg", "mi", "mk", "ml", "mn", "mr", "ms", "mt", "my", "ne", "nn", "no"),
    *("oc", "pa", "ps", "ro", "sa", "sd", "si", "sk", "sl", "sn", "so", "sq"),
    *("sr", "su", "sw", "ta", "te", "tg", "th", "tk", "tl", "tt", "ur", "uz"),
    *("vi", "yi", "yo", "yue"),
)


def _language(key: str, *more: str) -> Setting:
    return Setting(
        "language",
        key.upper(),
        key,
        key,
        "models.stt.language",
        about="what is spoken",
        choices=(*more, *_LANGUAGES),
        default="en",
    )


_FASTER_WHISPER = Backend(
    "faster_whisper",
    role="stt",
    capability="faster_whisper",
    build_arg="INCLUDE_FASTER_WHISPER",
    settings=(
        Setting(
            "model",
            "FASTER_WHISPER_MODEL",
            "stt_model",
            "stt_config.model",
            _PATH,
            about="a name such as `small`, or a folder",
            default="base",
        ),
        # Of these two the status tells what the engine fell back to, not what was asked for.
        Setting(
            "device",
            "FASTER_WHISPER_DEVICE",
            request="stt_config.device",
            about="where it computes",
            choices=_DEVICES,
            default="cpu",
        ),
        Setting(
            "compute_type",
            "FASTER_WHISPER_COMPUTE_TYPE",
            request="stt_config.compute_type",
            about="the numbers it computes with",
            choices=_COMPUTE_TYPES,
            default="int8",
        ),
        _language("faster_whisper_language"),
        *SEGMENTS,
    ),
    model="model",
    files="ctranslate2",
    package="faster_whisper",
    distribution="faster-whisper",
    holds="stt/*/model.bin",
)

_WHISPER_CPP = Backend(
    "whisper_cpp",
    role="stt",
    capability="whisper_cpp",
    build_arg="INCLUDE_WHISPER_CPP",
    settings=(
        Setting(
            "path",
            "WHISPER_CPP_MODEL_PATH",
            "whisper_cpp_model_path",
            "stt_model_path",
            _PATH,
            kind="path",
        ),
        _language("whisper_cpp_language", "auto"),
        *SEGMENTS,
    ),
    files="ggml",
    installed=("stt/ggml-*.bin", "stt/*whisper*.bin"),
    package="pywhispercpp",
    distribution="pywhispercpp",
)

WHISPER = (_FASTER_WHISPER, _WHISPER_CPP)

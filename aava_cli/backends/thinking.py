"""The engine that thinks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aava_cli.backends.record import Backend
from aava_cli.backends.setting import Setting

if TYPE_CHECKING:
    from aava_cli.backends.setting import Kind

# What the language model is told, unless `.env` says something else.
SYSTEM_PROMPT = "You are a voice assistant on a phone call. Answer briefly."

# The engine loads with any other name as well, and then answers nonsense.
_CHAT_FORMATS = (
    *("auto", "chatml", "llama-2", "llama-3", "gemma", "mistral-instruct", "mistrallite"),
    *("functionary", "functionary-v1", "functionary-v2", "chatml-function-calling", "chatglm3"),
    *("alpaca", "baichuan", "baichuan-2", "intel", "oasst_llama", "open-orca", "openbuddy"),
    *("openchat", "phind", "pygmalion", "qwen", "redpajama-incite", "saiga", "snoozy", "vicuna"),
    "zephyr",
)


def _number(  # noqa: PLR0913 - a row of the table below
    option: str,
    about: str,
    least: float,
    most: float,
    default: str | None,
    *,
    kind: Kind = "integer",
    status: str | None = None,
) -> Setting:
    return Setting(
        option,
        f"LOCAL_LLM_{option.upper()}",
        request=f"llm_config.{option}",
        status=f"models.llm.config.{status or option}",
        kind=kind,
        about=about,
        least=least,
        most=most,
        default=default,
    )


_LLAMA = Backend(
    "llama",
    role="llm",
    capability="llama",
    build_arg="INCLUDE_LLAMA",
    settings=(
        Setting(
            "path",
            "LOCAL_LLM_MODEL_PATH",
            request="llm_model_path",
            status="models.llm.path",
            kind="path",
        ),
        Setting(
            "chat_format",
            "LOCAL_LLM_CHAT_FORMAT",
            request="llm_config.chat_format",
            about="how the model is spoken to; `auto` is as it says itself",
            choices=_CHAT_FORMATS,
            reset="auto",
        ),
        # A context of nothing loads and answers nothing, as does one beyond any model's.
        _number("context", "tokens that it sees at once", 16, 1 << 24, None),
        _number("batch", "tokens that it reads at a time", 1, 16_384, "128"),
        _number("threads", "processor cores", 1, 1024, None),
        _number("max_tokens", "longest answer", 1, 32_768, "64"),
        _number("temperature", "how freely it answers", 0, 2, "0.4", kind="number"),
        _number("top_p", "how much of the likely words counts", 0, 1, "0.85", kind="number"),
        _number("repeat_penalty", "against repetition", 0, 2, "1.05", kind="number"),
        # `gpu_layers` itself is what -1 came to.
        _number(
            "gpu_layers",
            "layers on the GPU; -1 is as many as fit",
            -1,
            9999,
            "0",
            status="gpu_layers_configured",
        ),
        Setting(
            "use_mlock",
            "LOCAL_LLM_USE_MLOCK",
            request="llm_config.use_mlock",
            kind="flag",
            about="keep it in memory",
            default="0",
        ),
        Setting(
            "filler_audio",
            "LOCAL_ENABLE_FILLER_AUDIO",
            request="runtime_config.enable_filler_audio",
            status="config.enable_filler_audio",
            kind="flag",
            about="say something while it thinks",
            default="0",
        ),
        Setting(
            "overlap",
            "LOCAL_LLM_STREAMING_TTS_OVERLAP",
            request="runtime_config.llm_streaming_tts_overlap",
            status="config.llm_streaming_tts_overlap",
            kind="flag",
            about="speak while it still thinks",
            default="1",
        ),
        # What is sent with a request changes the prompt of that one connection only.
        Setting("system_prompt", "LOCAL_LLM_SYSTEM_PROMPT", about="what it is told to be"),
        Setting("voice_preamble", "LOCAL_LLM_VOICE_PREAMBLE", about="how it is told to speak"),
        Setting(
            "stop_tokens",
            "LOCAL_LLM_STOP_TOKENS",
            about="what ends an answer, between commas",
            default="<|user|>,<|assistant|>,<|end|>",
        ),
        Setting(
            "infer_timeout",
            "LOCAL_LLM_INFER_TIMEOUT_SEC",
            kind="integer",
            about="seconds for an answer",
            least=1,
            most=600,
            default="20",
        ),
    ),
    files="gguf",
    installed=("llm/*.gguf",),
    package="xllamacpp",
    distribution="xllamacpp",
)

THINKING = (_LLAMA,)

"""The engines that listen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aava_cli.backends.record import Backend
from aava_cli.backends.segments import SEGMENTS
from aava_cli.backends.setting import Setting
from aava_cli.backends.whisper import WHISPER

if TYPE_CHECKING:
    from aava_cli.backends.setting import Values

_PATH = "models.stt.path"
_EMBEDDED, _CLOUD = ("embedded", "1"), ("embedded", "0")
_OFFLINE = ("type", "offline")
_BEAM = ("decoder", "beam_search")
_KROKO_FOLDER = "/app/models/kroko/"
_KROKO_SUFFIXES = (".onnx", ".data")
_VAD = "/app/models/vad/silero_vad.onnx"


def _embedded_or_cloud(values: Values) -> Values:
    """Say whether Kroko runs here: with a model file of its own it does, with a URL it does not."""
    path = values.get("path", "")
    if "embedded" in values:
        return values
    if path.startswith(_KROKO_FOLDER) or path.endswith(_KROKO_SUFFIXES):
        return {**values, "embedded": "1"}
    return {**values, "embedded": "0"} if "url" in values else values


def _with_type(values: Values) -> Values:
    """Say how the model was trained: the daemon dies of a model of the other type."""
    kind = values.get("type", "online")
    # Without one the daemon would download a detector, unchecked.
    vad = {"vad": _VAD} if kind == "offline" else {}
    return {**vad, **values, "type": kind}


_VOSK = Backend(
    "vosk",
    role="stt",
    capability="vosk",
    build_arg="INCLUDE_VOSK",
    settings=(
        Setting("path", "LOCAL_STT_MODEL_PATH", "stt_model", "stt_model_path", _PATH, kind="path"),
        *SEGMENTS,
    ),
    files="vosk",
    installed=("stt/vosk-model*/",),
    package="vosk",
    distribution="vosk",
)

_SHERPA = Backend(
    "sherpa",
    role="stt",
    capability="sherpa",
    build_arg="INCLUDE_SHERPA",
    settings=(
        Setting(
            "path",
            "SHERPA_MODEL_PATH",
            "sherpa_model_path",
            "sherpa_model_path",
            _PATH,
            kind="path",
        ),
        Setting(
            "type",
            "SHERPA_MODEL_TYPE",
            "sherpa_model_type",
            "sherpa_model_type",
            "models.stt.sherpa_model_type",
            about="as the model was trained",
            choices=("online", "offline"),
            default="online",
        ),
        Setting(
            "vad",
            "SHERPA_VAD_MODEL_PATH",
            "sherpa_vad_model_path",
            "sherpa_vad_model_path",
            kind="path",
            about="model that tells speech from silence",
            when=_OFFLINE,
        ),
        Setting(
            "vad_threshold",
            "SHERPA_VAD_THRESHOLD",
            kind="number",
            about="how sure it must be of speech",
            least=0,
            most=1,
            default="0.35",
            when=_OFFLINE,
        ),
        *SEGMENTS,
    ),
    files="sherpa",
    parts="sherpa",
    package="sherpa_onnx",
    distribution="sherpa-onnx~=1.12",
    installed=("stt/*sherpa*/",),
    completed=_with_type,
)

_KROKO = Backend(
    "kroko",
    role="stt",
    capability="kroko_embedded",
    build_arg="INCLUDE_KROKO_EMBEDDED",
    # The vendor publishes its server without a version.
    build_needs=("KROKO_SERVER_SHA256",),
    processors=("x86_64",),
    settings=(
        Setting(
            "path",
            "KROKO_MODEL_PATH",
            "kroko_model_path",
            "kroko_model_path",
            "kroko.model_path",
            kind="path",
            when=_EMBEDDED,
            required=True,
        ),
        Setting(
            "embedded",
            "KROKO_EMBEDDED",
            request="kroko_embedded",
            status="kroko.embedded",
            kind="flag",
            about="run it in the daemon, not in the cloud",
            default="0",
        ),
        Setting(
            "language",
            "KROKO_LANGUAGE",
            "kroko_language",
            "kroko_language",
            "kroko.language",
            kind="language",
            about="what is spoken",
            default="en-US",
        ),
        # While Kroko is embedded, `status` has the address of the daemon's own here.
        Setting(
            "url",
            "KROKO_URL",
            request="kroko_url",
            status="kroko.url",
            kind="url",
            about="the service that listens",
            default="wss://app.kroko.ai/api/v1/transcripts/streaming",
            when=_CLOUD,
        ),
        Setting(
            "port",
            "KROKO_PORT",
            request="kroko_port",
            status="kroko.port",
            kind="integer",
            about="where the embedded one listens",
            least=1,
            most=65_535,
            default="6006",
            when=_EMBEDDED,
        ),
        *SEGMENTS,
    ),
    parts="kroko",
    installed=("kroko/*.onnx", "kroko/*.data", "stt/*kroko*/*.onnx", "stt/*kroko*/*.data"),
    elsewhere=_CLOUD,
    completed=_embedded_or_cloud,
)

_TONE = Backend(
    "tone",
    role="stt",
    capability="tone",
    build_arg="INCLUDE_TONE",
    settings=(
        Setting(
            "path", "TONE_MODEL_PATH", "tone_model_path", "tone_model_path", _PATH, kind="path"
        ),
        Setting(
            "decoder",
            "TONE_DECODER_TYPE",
            "tone_decoder_type",
            "tone_decoder_type",
            "models.stt.tone_decoder_type",
            about="with a language model, or without",
            choices=("beam_search", "greedy"),
            default="beam_search",
        ),
        Setting(
            "kenlm",
            "TONE_KENLM_PATH",
            "tone_kenlm_path",
            "tone_kenlm_path",
            kind="path",
            about="the language model, if not beside the model",
            when=_BEAM,
        ),
        *SEGMENTS,
    ),
    files="tone",
    parts="tone",
    installed=("stt/t-one*/", "stt/tone/"),
)

HEARING = (_VOSK, _SHERPA, _KROKO, *WHISPER, _TONE)

"""One frozen record per engine: the only place that knows an engine.

A record lists the engine's settings, each with its place in `.env`, in the YAML overlay, in
a `switch_model` request and in a `status` reply. Everything that is written, sent, expected
or undone is derived from these records. Keys were read from AAVA's `local_ai_server`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from aava_cli.errors import NotFound

if TYPE_CHECKING:
    from aava_cli.roles import Role

Values: TypeAlias = Mapping[str, str]

_YAML_FOLDER = ("providers", "local")


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of a backend and the four places where it is named.

    *request* and *status* are dotted paths into the JSON messages. A setting without a
    *request* takes effect only when the daemon is started again. *reset* is the value that
    undoes what an earlier model asked for.
    """

    option: str
    env: str
    yaml: str | None = None
    request: str | None = None
    status: str | None = None
    kind: Literal["text", "integer", "flag"] = "text"
    reset: str | None = None


@dataclass(frozen=True, slots=True)
class Backend:
    """What the program knows of one engine.

    *model* is the option that names the model; *files* says which check its files must pass;
    *installed* are the patterns, under the models folder, of files that it can load;
    *package* is what the native daemon imports to run it, None where it has no engine for it,
    and *distribution* is what pip installs for that.
    """

    name: str
    role: Role
    capability: str
    build_arg: str
    settings: tuple[Setting, ...]
    model: str = "path"
    files: str | None = None
    installed: tuple[str, ...] = ()
    package: str | None = None
    distribution: str | None = None

    @property
    def key(self) -> str | None:
        """The field that names the backend in requests, replies and YAML."""
        # The daemon has one language engine, so nothing says which.
        return None if self.role == "llm" else f"{self.role}_backend"

    @property
    def env_key(self) -> str | None:
        """The key that names the backend in `.env`."""
        return f"LOCAL_{self.key.upper()}" if self.key else None

    def setting(self, option: str) -> Setting:
        """Return the setting named *option*.

        Raises:
            NotFound: this backend has no such option; the nearest are named.
        """
        for setting in self.settings:
            if setting.option == option:
                return setting
        known = [setting.option for setting in self.settings]
        raise NotFound.named(f"{self.name} option", option, known, listing="aava switch --help")


@dataclass(frozen=True, slots=True)
class Selection:
    """A backend with the values that it should run with; paths are container paths."""

    backend: Backend
    values: Values

    @property
    def model(self) -> str:
        """The value that names the model."""
        return self.values.get(self.backend.model, "")

    def __str__(self) -> str:
        return f"{self.backend.name}:{self.model.rsplit('/', 1)[-1]}"

    def env(self) -> dict[str, str]:
        """Return what `.env` must say."""
        chosen = {setting.env: value for setting, value in self._items()}
        if self.backend.env_key:
            chosen[self.backend.env_key] = self.backend.name
        return chosen

    def yaml(self) -> dict[tuple[str, ...], str]:
        """Return what the YAML overlay must say, by path of keys."""
        chosen = {setting.yaml: value for setting, value in self._items() if setting.yaml}
        return {(*_YAML_FOLDER, key): value for key, value in (self._named() | chosen).items()}

    def request(self) -> dict[str, Any]:
        """Return the fields of the `switch_model` request that brings this selection about."""
        message: dict[str, Any] = dict(self._named())
        for setting, value in self._items():
            if setting.request:
                _put(message, setting.request, _typed(setting, value))
        return message

    def expected(self) -> dict[str, Any]:
        """Return what a fresh `status` must say once this selection runs, by dotted path."""
        message: dict[str, Any] = dict(self._named())
        for setting, value in self._items():
            if setting.status:
                message[setting.status] = _typed(setting, value)
        return message

    def _named(self) -> dict[str, str]:
        return {self.backend.key: self.backend.name} if self.backend.key else {}

    def _items(self) -> list[tuple[Setting, str]]:
        return [(self.backend.setting(option), value) for option, value in self.values.items()]


def selected_in(backend: Backend, env: Mapping[str, str]) -> Selection:
    """Return what *env*, the values of `.env`, selects for *backend*."""
    values = {
        setting.option: env[setting.env] for setting in backend.settings if env.get(setting.env)
    }
    return Selection(backend, values)


def running_in(backend: Backend, status: Mapping[str, Any]) -> Selection:
    """Return what a `status` reply says *backend* runs with."""
    values: dict[str, str] = {}
    for setting in backend.settings:
        value = lookup(status, setting.status) if setting.status else None
        if value not in (None, ""):
            values[setting.option] = _text(setting, value)
    return Selection(backend, values)


def lookup(message: Mapping[str, Any], dotted: str) -> Any:  # noqa: ANN401 - any JSON value
    """Return the value at the *dotted* path of *message*, or None where the path ends early."""
    value: Any = message
    for key in dotted.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def backend_in_env(role: Role, env: Mapping[str, str]) -> Backend | None:
    """Return the backend that `.env` selects for *role*, if we know it."""
    only = _only_backend(role)
    return only or BACKENDS.get(env.get(f"LOCAL_{role.upper()}_BACKEND", ""))


def backend_in_status(role: Role, status: Mapping[str, Any]) -> Backend | None:
    """Return the backend that a `status` reply names for *role*, if we know it."""
    return _only_backend(role) or BACKENDS.get(str(status.get(f"{role}_backend")))


def _only_backend(role: Role) -> Backend | None:
    """Return the backend of a role that has but one: nothing in the files or replies names it."""
    backends = [each for each in BACKENDS.values() if each.role == role]
    return backends[0] if len(backends) == 1 else None


def backend_named(name: str, *, role: Role | None = None) -> Backend:
    """Return the record of the backend *name*; `-` and `_` are the same.

    Raises:
        NotFound: no backend (of that *role*) has that name; the nearest are named.
    """
    known = {each.name: each for each in BACKENDS.values() if role in (None, each.role)}
    found = known.get(name.replace("-", "_").lower())
    if found is None:
        kind = f"{role} backend" if role else "backend"
        raise NotFound.named(kind, name, known, listing="aava models list")
    return found


def _typed(setting: Setting, value: str) -> str | int | bool:
    match setting.kind:
        case "integer":
            return int(value)
        case "flag":
            return value == "1"
        case "text":
            return value


def _text(setting: Setting, value: Any) -> str:  # noqa: ANN401 - any JSON value
    return str(int(value)) if setting.kind == "flag" else str(value)


def _put(message: dict[str, Any], dotted: str, value: str | int | bool) -> None:  # noqa: FBT001
    *folders, last = dotted.split(".")
    for folder in folders:
        message = message.setdefault(folder, {})
    message[last] = value


def _plain(option: str, key: str, status: str | None = None) -> Setting:
    """Return a setting that has the same name everywhere but for its case."""
    return Setting(option, key.upper(), yaml=key, request=key, status=status)


_STT_PATH = "models.stt.path"
_TTS_PATH = "models.tts.path"

_RECORDS = (
    Backend(
        "vosk",
        role="stt",
        capability="vosk",
        build_arg="INCLUDE_VOSK",
        settings=(
            Setting("path", "LOCAL_STT_MODEL_PATH", "stt_model", "stt_model_path", _STT_PATH),
        ),
        files="vosk",
        installed=("stt/vosk-model*/",),
        package="vosk",
        distribution="vosk",
    ),
    Backend(
        "sherpa",
        role="stt",
        capability="sherpa",
        build_arg="INCLUDE_SHERPA",
        settings=(
            _plain("path", "sherpa_model_path", _STT_PATH),
            _plain("type", "sherpa_model_type", "models.stt.sherpa_model_type"),
            _plain("vad", "sherpa_vad_model_path"),
        ),
        files="sherpa",
        installed=("stt/*sherpa*/",),
        package="sherpa_onnx",
        distribution="sherpa-onnx~=1.12",
    ),
    Backend(
        "kroko",
        role="stt",
        capability="kroko_embedded",
        build_arg="INCLUDE_KROKO_EMBEDDED",
        settings=(
            _plain("path", "kroko_model_path", "kroko.model_path"),
            Setting(
                "embedded",
                "KROKO_EMBEDDED",
                request="kroko_embedded",
                status="kroko.embedded",
                kind="flag",
            ),
            _plain("language", "kroko_language", "kroko.language"),
            Setting("url", "KROKO_URL", request="kroko_url"),
            Setting("port", "KROKO_PORT", request="kroko_port", kind="integer"),
        ),
        installed=("kroko/*.onnx", "kroko/*.data"),
    ),
    Backend(
        "faster_whisper",
        role="stt",
        capability="faster_whisper",
        build_arg="INCLUDE_FASTER_WHISPER",
        settings=(
            Setting("model", "FASTER_WHISPER_MODEL", "stt_model", "stt_config.model", _STT_PATH),
            Setting("device", "FASTER_WHISPER_DEVICE", request="stt_config.device"),
            Setting("compute_type", "FASTER_WHISPER_COMPUTE_TYPE", None, "stt_config.compute_type"),
            _plain("language", "faster_whisper_language", "models.stt.language"),
        ),
        model="model",
        files="ctranslate2",
        package="faster_whisper",
        distribution="faster-whisper",
    ),
    Backend(
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
                _STT_PATH,
            ),
            _plain("language", "whisper_cpp_language", "models.stt.language"),
        ),
        files="ggml",
        installed=("stt/*.bin",),
        package="pywhispercpp",
        distribution="pywhispercpp",
    ),
    Backend(
        "tone",
        role="stt",
        capability="tone",
        build_arg="INCLUDE_TONE",
        settings=(
            _plain("path", "tone_model_path", _STT_PATH),
            _plain("decoder", "tone_decoder_type", "models.stt.tone_decoder_type"),
            _plain("kenlm", "tone_kenlm_path"),
        ),
        installed=("stt/t-one*/",),
    ),
    Backend(
        "piper",
        role="tts",
        capability="piper",
        build_arg="INCLUDE_PIPER",
        settings=(
            Setting("path", "LOCAL_TTS_MODEL_PATH", "tts_voice", "tts_model_path", _TTS_PATH),
        ),
        files="piper",
        installed=("tts/*.onnx",),
        package="piper",
        distribution="piper-tts",
    ),
    Backend(
        "kokoro",
        role="tts",
        capability="kokoro",
        build_arg="INCLUDE_KOKORO",
        settings=(
            Setting("mode", "KOKORO_MODE", None, "kokoro_mode", "kokoro.mode"),
            _plain("voice", "kokoro_voice", "kokoro.voice"),
            _plain("path", "kokoro_model_path", "kokoro.model_path"),
        ),
        installed=("tts/kokoro/",),
        package="sherpa_onnx",
        distribution="sherpa-onnx~=1.12",
    ),
    Backend(
        "melotts",
        role="tts",
        capability="melotts",
        build_arg="INCLUDE_MELOTTS",
        settings=(Setting("voice", "MELOTTS_VOICE", "tts_voice", "tts_config.voice", _TTS_PATH),),
        model="voice",
    ),
    Backend(
        "silero",
        role="tts",
        capability="silero",
        build_arg="INCLUDE_SILERO",
        settings=(
            _plain("speaker", "silero_speaker", "silero.speaker"),
            _plain("language", "silero_language", "silero.language"),
            _plain("model_id", "silero_model_id", "silero.model_id"),
        ),
        model="speaker",
    ),
    Backend(
        "matcha",
        role="tts",
        capability="matcha",
        build_arg="INCLUDE_SHERPA",
        settings=(
            _plain("path", "matcha_model_path"),
            _plain("vocoder", "matcha_vocoder_path"),
        ),
        installed=("tts/matcha-icefall-*/*model*.onnx",),
        package="sherpa_onnx",
        distribution="sherpa-onnx~=1.12",
    ),
    Backend(
        "llama",
        role="llm",
        capability="llama",
        build_arg="INCLUDE_LLAMA",
        settings=(
            Setting("path", "LOCAL_LLM_MODEL_PATH", None, "llm_model_path", "models.llm.path"),
            Setting(
                "chat_format", "LOCAL_LLM_CHAT_FORMAT", None, "llm_config.chat_format", reset="auto"
            ),
            Setting(
                "context",
                "LOCAL_LLM_CONTEXT",
                None,
                "llm_config.context",
                "models.llm.config.context",
                kind="integer",
            ),
        ),
        files="gguf",
        installed=("llm/*.gguf",),
        package="xllamacpp",
        distribution="xllamacpp",
    ),
)

BACKENDS: Mapping[str, Backend] = {record.name: record for record in _RECORDS}

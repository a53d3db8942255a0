"""What a `switch_model` request asks for: its fields, as keys and values of `.env`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from aava_cli.backends import BACKENDS, Backend, Values, lookup
from aava_cli.serve.engines import EngineError
from aava_cli.serve.values import backend_of, check_values

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from aava_cli.settings import Settings

_BACKENDS = {"stt_backend": "LOCAL_STT_BACKEND", "tts_backend": "LOCAL_TTS_BACKEND"}

_RUNTIME = {
    f"{prefix}{option}": key
    for prefix in ("", "runtime_config.")
    for option, key in (
        ("enable_filler_audio", "LOCAL_ENABLE_FILLER_AUDIO"),
        ("llm_streaming_tts_overlap", "LOCAL_LLM_STREAMING_TTS_OVERLAP"),
    )
}


@dataclass(frozen=True, slots=True)
class Changes:
    """The keys of `.env` that a request names, those that differ, and how a reply says so."""

    named: frozenset[str]
    values: Values
    described: tuple[str, ...]


def changes_in(message: Mapping[str, Any], values: Values) -> Changes:
    """Return what *message* changes in *values*; fields that nobody knows count for nothing.

    Raises:
        EngineError: a value has the wrong type, or names what does not exist.
    """
    backends = [
        (field, key, name.strip().lower()) for field, key, name in _asked(message, _BACKENDS)
    ]
    chosen = {**values, **{key: name for _, key, name in backends}}
    for field, _, _ in backends:
        backend_of("stt" if field == "stt_backend" else "tts", chosen)
    asked = [*backends, *_asked(message, _fields(chosen))]
    for field, key, value in asked:
        if key in _MODEL_KEYS and not value:
            raise EngineError(f"`{field}` must name a model")
    updated = {**chosen, **{key: value for _, key, value in asked}}
    check_values(updated)
    differing = {key: value for key, value in updated.items() if values.get(key) != value}
    named = frozenset(key for _, key, _ in asked)
    return Changes(named, differing, tuple(_describe(asked, differing)))


def check_paths(
    message: Mapping[str, Any], settings: Settings, *, trusted: Collection[str]
) -> None:
    """Refuse paths outside the models folder and the project, unless they are among *trusted*.

    Whoever may ask for a switch may not read every file of this host for that.

    Raises:
        EngineError: a path leads elsewhere; its field is named.
    """
    for field in _PATH_FIELDS:
        value = lookup(message, field)
        if isinstance(value, str) and value not in trusted and not _is_inside(value, settings):
            problem = f"`{field}` leads out of the models folder and the project: `{value}`"
            raise EngineError(problem)


def _is_inside(value: str, settings: Settings) -> bool:
    path = settings.host_path(value)
    # What `..` leads to depends on links; a path inside needs none.
    if ".." in PurePosixPath(value).parts:
        return False
    return path.is_relative_to(settings.models_dir) or path.is_relative_to(settings.project)


def _asked(message: Mapping[str, Any], fields: Mapping[str, str]) -> list[tuple[str, str, str]]:
    found = ((field, key, lookup(message, field)) for field, key in fields.items())
    return [(field, key, _text(field, value)) for field, key, value in found if value is not None]


def _describe(asked: list[tuple[str, str, str]], differing: Values) -> Iterator[str]:
    for field, key, value in asked:
        if key in differing:
            yield f"{field.rpartition('.')[2]}={PurePosixPath(value).name}"


def _text(field: str, value: Any) -> str:  # noqa: ANN401 - any JSON value
    match value:
        case bool():
            return str(int(value))
        case int() | float():
            return str(value)
        case str() if _is_one_line(value):
            return value
        case _:
            raise EngineError(f"`{field}` must be text, a number or a flag")


def _is_one_line(text: str) -> bool:
    """Whether *text* could be a value of `.env`: no path has half a character either."""
    return not any(each in "\n\0" or "\ud800" <= each <= "\udfff" for each in text)


def _fields(values: Values) -> dict[str, str]:
    """Return every field that can be sent, with the key it sets while *values* are chosen."""
    fields: dict[str, str] = {}
    for backend in BACKENDS.values():
        fields |= _own_fields_of(backend)
    for key in _BACKENDS.values():
        # What `.env` calls the backend in use may not exist.
        if values[key] in BACKENDS:
            fields |= _fields_of(BACKENDS[values[key]])
    return fields | _fields_of(BACKENDS["llama"]) | _RUNTIME


def _own_fields_of(backend: Backend) -> dict[str, str]:
    """Return the fields that are called as in `.env`."""
    keys = {setting.env.lower(): setting.env for setting in backend.settings}
    return keys | {f"{backend.role}_config.{name}": key for name, key in keys.items()}


def _fields_of(backend: Backend) -> dict[str, str]:
    """Return the fields that mean *backend* because it is the one in use."""
    model = backend.setting(backend.model).env
    fields = {
        f"{backend.role}_model_path": model,
        f"{backend.role}_config.model_path": model,
    }
    for setting in backend.settings:
        fields[f"{backend.role}_config.{setting.option}"] = setting.env
        if setting.request:
            fields[setting.request] = setting.env
    return fields


def _path_fields() -> Iterator[str]:
    """Yield every field that may hold a path, whichever backends are in use."""
    for backend in BACKENDS.values():
        model = backend.setting(backend.model).env
        fields = _own_fields_of(backend) | _fields_of(backend)
        yield from (field for field, key in fields.items() if key == model or key.endswith("_PATH"))


_PATH_FIELDS = frozenset(_path_fields())
_MODEL_KEYS = frozenset(each.setting(each.model).env for each in BACKENDS.values())

"""What `.env` means to the daemon: the model each role wants, and how it may answer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from aava_cli.backends import BACKENDS, Backend, Values
from aava_cli.roles import ROLES, Role
from aava_cli.serve.defaults import DEFAULTS, MODES, RANGES
from aava_cli.serve.engines import EngineError, Prompt, is_available
from aava_cli.serve.process import Wanted

if TYPE_CHECKING:
    from aava_cli.settings import Settings

_LLM_OPTIONS = ("context", "batch", "threads", "gpu_layers", "chat_format")
_SHOWN = 40  # so much of a value that is wrong


def with_defaults(env: Values) -> dict[str, str]:
    """Return *env* over the defaults; an empty value means the default."""
    return {**DEFAULTS, **{key: value for key, value in env.items() if value}}


def check_values(values: Values) -> None:
    """Refuse values that the daemon could not work with: numbers out of their range, above all.

    Raises:
        EngineError: the key, its value and its range are named.
    """
    for key, numbers in RANGES.items():
        value = values.get(key, "")
        # Of what the daemon does not need itself, no value leaves the engine its own.
        if value not in numbers and (value or key in DEFAULTS):
            raise EngineError(f"`{key}` must be {numbers}, not `{_shown(value)}`")
    if values["LOCAL_AI_MODE"] not in MODES:
        known = " or ".join(f"`{each}`" for each in MODES)
        raise EngineError(f"`LOCAL_AI_MODE` must be {known}, not `{values['LOCAL_AI_MODE']}`")


def _shown(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def is_on(values: Values, key: str) -> bool:
    """Whether the flag *key* is set."""
    return values.get(key, "").strip().lower() in {"1", "true", "yes", "on"}


def backend_of(role: Role, values: Values) -> Backend:
    """Return the backend that *values* select for *role*.

    Raises:
        EngineError: there is no such backend; the ones there are get named.
    """
    if role == "llm":
        return BACKENDS["llama"]
    name = values[f"LOCAL_{role.upper()}_BACKEND"].strip().lower()
    known = [each.name for each in BACKENDS.values() if each.role == role]
    if name not in known:
        names = ", ".join(f"`{each}`" for each in known)
        raise EngineError(f"no {role} backend named `{name}`; there are {names}")
    return BACKENDS[name]


def model_of(backend: Backend, values: Values) -> str:
    """Return what *values* call the model of *backend*."""
    return values.get(backend.setting(backend.model).env, "")


def selected_roles(env: Values) -> tuple[Role, ...]:
    """Return the roles for which *env* itself, without the defaults, names a model."""
    values = with_defaults(env)
    return tuple(role for role in ROLES if _is_selected(role, env, values))


def _is_selected(role: Role, env: Values, values: Values) -> bool:
    if role == "llm" and values["LOCAL_AI_MODE"] == "minimal":
        return False
    try:
        backend = backend_of(role, values)
    except EngineError:
        return True  # so that loading it says what is wrong
    keys = (backend.env_key, backend.setting(backend.model).env)
    return any(env.get(key) for key in keys if key)


def wanted_model(role: Role, values: Values, settings: Settings) -> Wanted:
    """Return what *values* ask to be loaded for *role*; no file is looked at.

    Raises:
        EngineError: there is no such backend.
    """
    backend = backend_of(role, values)
    if role == "llm":
        options = {name: values[f"LOCAL_LLM_{name.upper()}"] for name in _LLM_OPTIONS}
    else:
        others = (each for each in backend.settings if each.option != backend.model)
        options = {each.option: _for_engine(each.env, values, settings) for each in others}
    return Wanted(backend.name, _model_path(backend, values, settings), options)


def _model_path(backend: Backend, values: Values, settings: Settings) -> Path:
    model = model_of(backend, values)
    # Where the model need not be a file, what does not begin like a path is a name.
    is_name = backend.model != "path" and not model.startswith(("/", "."))
    return Path(model) if is_name else settings.host_path(model)


def _for_engine(key: str, values: Values, settings: Settings) -> str:
    value = values.get(key, "")
    return str(settings.host_path(value)) if value and key.endswith("_PATH") else value


def load_keys(role: Role, values: Values) -> frozenset[str]:
    """Return the keys of `.env` that decide what is loaded for *role*.

    Raises:
        EngineError: there is no such backend.
    """
    backend = backend_of(role, values)
    if role == "llm":
        return frozenset(f"LOCAL_LLM_{name.upper()}" for name in ("model_path", *_LLM_OPTIONS))
    return frozenset([backend.env_key or "", *(each.env for each in backend.settings)])


def check_wanted(wanted: Wanted) -> None:
    """Refuse what cannot be loaded, before a process is started for it.

    Raises:
        EngineError: the engine is not installed, or there is no such file.
    """
    if not is_available(wanted.engine):
        raise EngineError(f"the engine `{wanted.engine}` is not installed here")
    if wanted.path.is_absolute():
        _look_at(wanted.path)


def _look_at(path: Path) -> None:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise EngineError(f"no model at `{path}`") from error
    except OSError as error:
        raise EngineError(f"cannot look at the model `{path}`: {error.strerror}") from error


def prompt_for(text: str, values: Values, *, system: str | None = None) -> Prompt:
    """Return the prompt for *text* under the current settings."""
    return Prompt(
        text,
        system=values["LOCAL_LLM_SYSTEM_PROMPT"] if system is None else system,
        max_tokens=int(values["LOCAL_LLM_MAX_TOKENS"]),
        temperature=float(values["LOCAL_LLM_TEMPERATURE"]),
        top_p=float(values["LOCAL_LLM_TOP_P"]),
        repeat_penalty=float(values["LOCAL_LLM_REPEAT_PENALTY"]),
    )

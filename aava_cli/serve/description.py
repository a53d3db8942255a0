"""Which model runs where, as the HTTP model server's clients read it."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from aava_cli.serve.engines import EngineError
from aava_cli.serve.values import backend_of, model_of

if TYPE_CHECKING:
    from aava_cli.roles import Role
    from aava_cli.serve.message import Reply
    from aava_cli.serve.models import Models
    from aava_cli.serve.state import State


def health_of(models: Models, state: State) -> Reply:
    """Return the reply to `/health`; it says what runs, which may be nothing yet."""
    return {
        "status": state,
        "models": {
            "llm": {
                "name": model_name("llm", models),
                "device": device_of("llm", models),
                "loading_strategy": strategy_of(models),
                "max_new_tokens": int(models.values["LOCAL_LLM_MAX_TOKENS"]),
                **_loaded("llm", models),
            },
            "stt": _speech("stt", models),
            "tts": _speech("tts", models),
        },
    }


def _speech(role: Role, models: Models) -> Reply:
    return {
        "name": model_name(role, models),
        "device": device_of(role, models),
        "type": models.values[f"LOCAL_{role.upper()}_BACKEND"],
        **_loaded(role, models),
    }


def _loaded(role: Role, models: Models) -> Reply:
    slot = models.slots[role]
    return {"loaded": slot.loaded} | ({"error": slot.problem} if slot.problem else {})


def model_name(role: Role, models: Models) -> str:
    """Return the name of the model that is selected for *role*: that of its file or folder."""
    try:
        backend = backend_of(role, models.values)
    except EngineError:
        return ""
    return PurePosixPath(model_of(backend, models.values)).name


def device_of(role: Role, models: Models) -> str | None:
    """Return where the model of *role* computes, in the engine's own words; None where it is not.

    An engine that has no choice computes on the processor.
    """
    slot = models.slots[role]
    if not slot.loaded:
        return None
    on_gpu = int(slot.effective.get("gpu_layers", 0)) > 0
    return slot.effective.get("device") or ("cuda" if on_gpu else "cpu")


def strategy_of(models: Models) -> str:
    """Return how the language model is loaded: what the engine did, not what it was asked."""
    slot = models.slots["llm"]
    if not slot.loaded:
        return "loading" if slot.loading else "not loaded"
    layers = int(slot.effective.get("gpu_layers", 0))
    return f"GGUF by llama.cpp, {layers} layers on the GPU" if layers else "GGUF by llama.cpp, CPU"

"""What the daemon says about itself, field for field as the daemon it stands in for."""

from __future__ import annotations

import os
import time
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from aava_cli import __version__
from aava_cli.backends import BACKENDS, Backend, Values
from aava_cli.roles import ROLES, Role
from aava_cli.serve.engines import is_available
from aava_cli.serve.values import is_on, model_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aava_cli.serve.message import Reply
    from aava_cli.serve.models import Models
    from aava_cli.serve.slot import Slot

# The registry and the capabilities call the same engines by different names.
_REGISTRY_NAMES = {"llama": "llama_cpp"}
_TYPES: Mapping[str, str] = {"integer": "integer", "number": "number", "flag": "boolean"}


def status_reply(models: Models, *, started_at_s: float, active_sessions: int) -> Reply:
    """Return the reply to `status`."""
    values = models.values
    return {
        "type": "status_response",
        "status": "ok",
        "stt_backend": values["LOCAL_STT_BACKEND"],
        "tts_backend": values["LOCAL_TTS_BACKEND"],
        "models": {
            "stt": _stt(models.slots["stt"], values),
            "llm": _llm(models.slots["llm"], values),
            "tts": _model(models.slots["tts"], values, "LOCAL_TTS_BACKEND"),
        },
        **_engines(values),
        "gpu": _gpu(models),
        "config": _config(models, values),
        "version": __version__,
        "pid": os.getpid(),
        "uptime_s": round(time.monotonic() - started_at_s, 3),
        "active_sessions": active_sessions,
        "loading": [role for role in ROLES if models.slots[role].loading],
    }


def _model(slot: Slot, values: Values, backend_key: str) -> Reply:
    name = values[backend_key]
    path = model_of(BACKENDS[name], values) if name in BACKENDS else ""
    return {
        "backend": name,
        "loaded": slot.loaded,
        "path": path,
        "display": PurePosixPath(path).name,
        "pid": slot.pid,
    }


def _stt(slot: Slot, values: Values) -> Reply:
    name = values["LOCAL_STT_BACKEND"]
    return _model(slot, values, "LOCAL_STT_BACKEND") | {
        "language": values.get(f"{name.upper()}_LANGUAGE"),
        # What runs, not what was asked for; an engine that has no choice says nothing.
        "device": slot.effective.get("device"),
        "compute_type": slot.effective.get("compute_type"),
        "sherpa_model_type": values["SHERPA_MODEL_TYPE"] if name == "sherpa" else None,
        "tone_decoder_type": values["TONE_DECODER_TYPE"] if name == "tone" else None,
    }


def _llm(slot: Slot, values: Values) -> Reply:
    path = values["LOCAL_LLM_MODEL_PATH"]
    display = PurePosixPath(path).name
    layers = int(values["LOCAL_LLM_GPU_LAYERS"])
    context = int(values["LOCAL_LLM_CONTEXT"])
    return {
        "loaded": slot.loaded,
        "path": path,
        "display": display,
        "pid": slot.pid,
        "config": {
            "context": context,
            "context_effective": int(slot.effective.get("context", 0)),
            "threads": int(values["LOCAL_LLM_THREADS"]),
            "threads_effective": int(slot.effective.get("threads", 0)),
            "batch": int(values["LOCAL_LLM_BATCH"]),
            "max_tokens": int(values["LOCAL_LLM_MAX_TOKENS"]),
            "temperature": float(values["LOCAL_LLM_TEMPERATURE"]),
            "top_p": float(values["LOCAL_LLM_TOP_P"]),
            "repeat_penalty": float(values["LOCAL_LLM_REPEAT_PENALTY"]),
            "gpu_layers": layers,
            "gpu_layers_configured": layers,
            "gpu_layers_effective": int(slot.effective.get("gpu_layers", 0)),
        },
        # Tokens are counted by the model alone, and asking it would hold up the status.
        "prompt_fit": {
            "system_prompt_chars": len(values["LOCAL_LLM_SYSTEM_PROMPT"]),
            "system_prompt_tokens": None,
            "safe_max_tokens": None,
        },
        "auto_context": {},
        "tool_capability": {
            "level": "none",
            "source": "native",
            "notes": "tools are not probed",
            "structured_mode": "none",
            "validated_at": int(slot.loaded_at_s * 1000) if slot.loaded_at_s else None,
            "model_fingerprint": f"{display}|ctx={context}|gpu={layers}",
        },
    }


def _engines(values: Values) -> Reply:
    """Return what is said of engines that need more than a path."""
    return {
        "kroko": {
            "embedded": is_on(values, "KROKO_EMBEDDED"),
            "port": int(values["KROKO_PORT"]),
            "language": values["KROKO_LANGUAGE"],
            "url": values["KROKO_URL"],
            "model_path": values["KROKO_MODEL_PATH"],
        },
        "kokoro": {
            "mode": values["KOKORO_MODE"],
            "voice": values["KOKORO_VOICE"],
            "model_path": values["KOKORO_MODEL_PATH"],
            "api_base_url": values["KOKORO_API_BASE_URL"],
            "api_key_set": bool(values["KOKORO_API_KEY"]),
        },
        "silero": {
            "language": values["SILERO_LANGUAGE"],
            "speaker": values["SILERO_SPEAKER"],
            "model_id": values["SILERO_MODEL_ID"],
            "model_path": values["SILERO_MODEL_PATH"],
            "sample_rate": int(values["SILERO_SAMPLE_RATE"]),
        },
    }


def _gpu(models: Models) -> Reply:
    """Say whether a driver is there, and whether an engine says that it uses it."""
    detected = Path("/dev/nvidiactl").exists()
    return {
        "host_preflight_detected": None,
        "host_preflight_raw": None,
        "runtime_detected": detected,
        "runtime_usable": any(map(_uses_gpu, models.slots.values())),
        "source": "device" if detected else "none",
        "name": None,
        "memory_gb": None,
        "error": None if detected else "no NVIDIA driver is loaded",
        "checked_at_epoch_ms": int(time.time() * 1000),
    }


def _uses_gpu(slot: Slot) -> bool:
    on_gpu = slot.effective.get("device") == "cuda"
    return on_gpu or int(slot.effective.get("gpu_layers", 0)) > 0


def _config(models: Models, values: Values) -> Reply:
    errors = {role: slot.problem for role, slot in models.slots.items() if slot.problem}
    fallbacks = {role: slot.effective.get("fallback") for role, slot in models.slots.items()}
    return {
        "log_level": values["LOCAL_LOG_LEVEL"],
        "debug_audio": False,
        "enable_filler_audio": is_on(values, "LOCAL_ENABLE_FILLER_AUDIO"),
        "llm_streaming_tts_overlap": is_on(values, "LOCAL_LLM_STREAMING_TTS_OVERLAP"),
        "mock_models": False,
        "runtime_mode": values["LOCAL_AI_MODE"],
        "tool_gateway_enabled": is_on(values, "LOCAL_TOOL_GATEWAY_ENABLED"),
        "degraded": bool(errors),
        "startup_errors": errors,
        "runtime_fallbacks": {role: reason for role, reason in fallbacks.items() if reason},
    }


def capabilities_reply() -> Reply:
    """Return the reply to `capabilities`: what has an engine here, and its package."""
    found = {backend.capability: is_available(name) for name, backend in BACKENDS.items()}
    return {"type": "capabilities_response", "capabilities": found}


def backends_reply() -> Reply:
    """Return the reply to `backends`."""
    return {"type": "backends_response", **{role: _registry(role) for role in ROLES}}


def _registry(role: Role) -> list[Reply]:
    return [
        {
            "name": _registry_name(backend),
            "available": is_available(backend.name),
            "schema": _schema(backend),
        }
        for backend in BACKENDS.values()
        if backend.role == role
    ]


def schema_reply(role: str, name: str) -> Reply:
    """Return the reply to `backend_schema`."""
    reply: Reply = {"type": "backend_schema_response"}
    if role not in ROLES:
        return reply | {"error": f"Unknown backend type: {role}"}
    known = {_registry_name(each): each for each in BACKENDS.values() if each.role == role}
    if name not in known:
        return reply | {"error": f"Unknown backend: {name}"}
    found = known[name]
    named = {"backend_type": role, "backend_name": name}
    return reply | named | {"schema": _schema(found), "available": is_available(found.name)}


def _registry_name(backend: Backend) -> str:
    return _REGISTRY_NAMES.get(backend.name, backend.name)


def _schema(backend: Backend) -> Reply:
    return {
        ("model_path" if each.option == backend.model else each.option): {
            "type": _TYPES.get(each.kind, "string"),
            "required": each.option == backend.model,
            "description": f"`{each.env}` in `.env`",
        }
        for each in backend.settings
    }

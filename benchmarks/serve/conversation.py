"""Every request of the original daemon's protocol: what a client expects, and what it gets."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from benchmarks.serve.setting import serving
from tests.serve.sounds import encoded, tone

if TYPE_CHECKING:
    from tests.daemon_fixture import Client

_SOUND = encoded(tone(1500))
_LONGEST = 60

# The request, what the reply must have, and what the original answers where that differs.
CASES: tuple[tuple[Any, dict[str, Any], str], ...] = (
    ({"type": "status"}, {"type": "status_response", "status": "ok"}, ""),
    ({"type": " Status "}, {"type": "status_response"}, ""),
    ({"type": "capabilities"}, {"type": "capabilities_response"}, ""),
    ({"type": "backends"}, {"type": "backends_response"}, ""),
    (
        {"type": "backend_schema", "backend_type": "stt", "backend_name": "vosk"},
        {"type": "backend_schema_response", "backend_type": "stt", "backend_name": "vosk"},
        "",
    ),
    (
        {"type": "backend_schema", "backend_type": "xxx", "backend_name": "vosk"},
        {"type": "backend_schema_response", "error": "Unknown backend type: xxx"},
        "",
    ),
    (
        {"type": "backend_schema", "backend_type": "stt", "backend_name": "nope"},
        {"type": "backend_schema_response", "error": "Unknown backend: nope"},
        "",
    ),
    ({"type": "auth", "auth_token": "x"}, {"type": "auth_response", "status": "ok"}, ""),
    ({"type": "set-mode", "mode": "stt"}, {"type": "mode_ready", "mode": "stt"}, ""),
    (
        {"type": "audio", "mode": "stt", "rate": 16_000, "data": _SOUND, "request_id": "r"},
        {"type": "stt_result", "text": "first", "is_final": True, "request_id": "r"},
        "",
    ),
    (
        {"type": "llm_request", "text": "hello", "request_id": 7},
        {"type": "llm_response", "text": "hi there", "request_id": 7},
        "",
    ),
    (
        {"type": "tts_request", "text": "hello", "request_id": "t"},
        {"type": "tts_response", "encoding": "mulaw", "sample_rate_hz": 8000, "request_id": "t"},
        "",
    ),
    (
        {"type": "tts_request", "text": "hello", "encoding": "linear16", "sample_rate_hz": 16_000},
        {"type": "tts_response", "encoding": "linear16", "sample_rate_hz": 16_000},
        "mulaw at 8 kHz, whatever is asked",
    ),
    (
        {"type": "barge_in", "call_id": "c", "request_id": "b"},
        {"type": "barge_in_ack", "status": "ok", "call_id": "c", "request_id": "b"},
        "",
    ),
    ({"type": "reload_models"}, {"type": "reload_response", "status": "success"}, ""),
    ({"type": "reload_llm"}, {"type": "reload_response", "status": "success"}, ""),
    (
        {"type": "reload_llm", "llm_model_path": "/app/models/llm/none.gguf"},
        {"type": "reload_response", "status": "error"},
        "success",
    ),
    (
        {"type": "switch_model", "tts_model_path": "/app/models/tts/second.onnx"},
        {"type": "switch_response", "status": "success", "request_id": None},
        "",
    ),
    (
        {"type": "switch_model", "request_id": "s", "stt_backend": "vosk", "stt_model_path": "/no"},
        {"type": "switch_response", "status": "error", "request_id": "s"},
        "success",
    ),
    (
        {"type": "switch_model", "stt_backend": "bogus"},
        {"type": "switch_response", "status": "error"},
        "no_change",
    ),
    ({"type": "switch_model"}, {"type": "switch_response", "status": "no_change"}, ""),
    ({"type": "switch_model", "nope": 1}, {"status": "no_change"}, ""),
    (
        {"type": "switch_model", "dry_run": True, "llm_model_path": "/app/models/llm/second.gguf"},
        {"type": "switch_response", "status": "success"},
        "success, and the configuration is changed",
    ),
    (
        {"type": "switch_model", "runtime_config": {"enable_filler_audio": True}},
        {"type": "switch_response", "status": "success"},
        "",
    ),
    ({"type": "sing"}, {"type": "error"}, "silence"),
    ("{", {"type": "error"}, "silence"),
    ("", {"type": "error"}, "silence"),
    ("[1]", {"type": "error"}, "closed without a word"),
    (
        {"type": "backend_schema", "backend_type": 1},
        {"type": "backend_schema_response"},
        "closed without a word",
    ),
)


def run() -> bool:
    """Print the table; return whether everything came as expected."""
    with serving() as daemon, daemon.connect() as client:
        wrong = sum(not _told(client, *case) for case in CASES)
        before, after = _dry_run(client)
    print(f"\n{len(CASES)} cases, {wrong} not as expected")
    print(f"a dry run changed nothing: {before == after}")
    return not wrong and before == after


def _told(client: Client, request: Any, expected: dict[str, Any], original: str) -> bool:  # noqa: ANN401 - any JSON
    got = client.ask(request)
    right = all(got.get(key, "missing") == value for key, value in expected.items())
    shown = request if isinstance(request, str) else json.dumps(request)
    found = {key: got.get(key) for key in expected}
    note = f" (the original: {original})" if original else ""
    print(f"{'ok   ' if right else 'WRONG'}  {_short(shown):{_LONGEST}}  {json.dumps(found)}{note}")
    return right


def _dry_run(client: Client) -> tuple[Any, Any]:
    before = client.ask({"type": "status"})["models"]
    client.ask({"type": "switch_model", "dry_run": True, "tts_model_path": "/app/models/tts/x"})
    return before, client.ask({"type": "status"})["models"]


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."

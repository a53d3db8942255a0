"""Logs of AAVA's engine and daemon, for the monitor."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aava_cli.audit.verdicts import Status, Verdict
from tests.audit.auditor import audit

if TYPE_CHECKING:
    from aava_cli.audit.profile import Profile

PASS, FAIL, WARN = Status.PASS, Status.FAIL, Status.WARN
NOT_TRIGGERED, UNDECIDABLE = Status.NOT_TRIGGERED, Status.UNDECIDABLE
CALL = "1783366240.102"


def engine(text: str, call: str = CALL) -> str:
    """Return a line of the engine's console."""
    return (
        f"2026-07-06T21:31:04.418653+02:00 [info     ] {text} [src.providers.local] "
        f"call_id={call} component=src.providers.local service=ai-engine"
    )


def engine_json(text: str, call: str = CALL) -> str:
    """Return a line of the engine's JSON log; the call stands in front of the text."""
    record = {"call_id": call, "component": "src.providers.local", "event": text, "level": "info"}
    return json.dumps(record)


def daemon(text: str) -> str:
    """Return a line of the daemon."""
    return f"INFO:root:{text}"


def heard(text: str, call: str = CALL) -> str:
    """Return what the daemon heard."""
    return daemon(
        f"📝 STT FINAL - Emitting transcript call_id={call} mode=full reason=recognizer-final "
        f"confidence=None preview={text}"
    )


def spoken(text: str, call: str = CALL) -> str:
    """Return what the daemon was asked to speak."""
    return daemon(f"📢 TTS request received call_id={call} text_preview={text[:50]}")


def answers(*milliseconds: float) -> tuple[str, ...]:
    """Return how long the language model took."""
    return tuple(
        daemon(f"🤖 LLM RESULT (chat) - Completed in {each:.2f} ms tokens=25")
        for each in milliseconds
    )


HELLO = "Hello, how may I help you today?"
LOADED = daemon("✅ LLM model loaded: /app/models/llm/phi-3.gguf (CPU only)")
STT_LOADED = daemon("✅ STT backend: Faster-Whisper initialized")
GATEWAY = engine("Local tool gateway result")
BLOCKED = daemon(
    "⚠️ LLM emitted hangup_call without end-of-call intent; retrying without tools "
    f"call_id={CALL} mode=full preview=how"
)
# Without the name of its call.
BLOCKED_UNNAMED = daemon("⚠️ LLM emitted hangup_call without end-of-call intent; blocked")
BEGUN, ENDED = "StasisStart event received", "Call cleanup completed"
DROPPED = engine("Dropping tool calls from local LLM (not allowlisted)")
CUDA = daemon(
    "⚠️ Faster-Whisper CUDA init failed (CUDA driver/runtime mismatch.). "
    "Attempting CPU fallback (compute=int8)."
)
RECOVERED = daemon(
    "✅ STT backend: Faster-Whisper recovered via CPU fallback (model=base, compute=int8)."
)
SWITCH = daemon("🔄 MODEL SWITCH REQUEST - Switching model configuration...")


@dataclass(frozen=True, slots=True)
class MonitorCase:
    """Lines that make *check* come out as *status*."""

    check: str
    status: Status
    why: str
    lines: tuple[str, ...]

    def verdict(self, profile: Profile) -> Verdict:
        """Return what the check says, of the call or of the run."""
        found = audit("".join(f"{line}\n" for line in self.lines).encode(), profile=profile)
        if self.check in found.run:
            return found.run[self.check]
        (verdicts,) = found.calls.values()
        return verdicts[self.check]

    def __str__(self) -> str:
        return f"{self.check} {self.status}: {self.why}"


MONITOR_CASES = (
    MonitorCase("hangups", PASS, "none", (heard("what is the time please"),)),
    MonitorCase("hangups", WARN, "held back", (BLOCKED,)),
    MonitorCase("hangups", UNDECIDABLE, "no daemon", (GATEWAY,)),
    MonitorCase("tools", PASS, "none dropped", (GATEWAY,)),
    MonitorCase("tools", PASS, "as JSON", (engine_json("Local tool gateway result"),)),
    MonitorCase("tools", WARN, "dropped", (GATEWAY, DROPPED)),
    MonitorCase("tools", FAIL, "failed", (engine("Local tool execution failed"),)),
    MonitorCase("tools", UNDECIDABLE, "no engine", (heard("what is the time please"),)),
    MonitorCase("echo", PASS, "the caller", (spoken(HELLO), heard("what is the time please"))),
    MonitorCase("echo", WARN, "once", (spoken(HELLO), heard("hello how may i help you today"))),
    MonitorCase("echo", WARN, "twice in a row", (spoken(HELLO), *(heard(HELLO),) * 2)),
    MonitorCase("echo", FAIL, "a loop", (spoken(HELLO), *(heard(HELLO),) * 3)),
    MonitorCase("echo", UNDECIDABLE, "no daemon", (GATEWAY,)),
    MonitorCase("loads", PASS, "all", (LOADED, STT_LOADED)),
    MonitorCase(
        "loads",
        FAIL,
        "not all",
        (LOADED, daemon("❌ Failed to initialize Whisper.cpp STT backend: gone")),
    ),
    MonitorCase(
        "loads",
        FAIL,
        "no language model",
        (STT_LOADED, daemon("❌ Failed to load LLM model: gone")),
    ),
    MonitorCase("loads", UNDECIDABLE, "not seen", (GATEWAY,)),
    MonitorCase("switches", PASS, "carried out", (SWITCH,)),
    MonitorCase("switches", FAIL, "failed", (SWITCH, daemon("❌ Model switch failed: gone"))),
    MonitorCase("switches", NOT_TRIGGERED, "none", (LOADED,)),
    MonitorCase("switches", UNDECIDABLE, "no daemon", (GATEWAY,)),
    MonitorCase("devices", PASS, "as asked", (LOADED,)),
    MonitorCase("devices", WARN, "fell back", (CUDA, RECOVERED)),
    MonitorCase("devices", UNDECIDABLE, "not seen", (GATEWAY,)),
    MonitorCase("latency", PASS, "fast", answers(*(900.0,) * 20)),
    MonitorCase("latency", UNDECIDABLE, "19 answers", answers(*(900.0,) * 19)),
    MonitorCase("latency", UNDECIDABLE, "no daemon", (GATEWAY,)),
    MonitorCase("latency", PASS, "a median of 2000 ms", answers(*(2000.0,) * 20)),
    MonitorCase("latency", WARN, "a median of 2001 ms", answers(*(2001.0,) * 20)),
    MonitorCase("latency", PASS, "a tail of 5000 ms", answers(*(900.0,) * 18, 5000.0, 5000.0)),
    MonitorCase("latency", FAIL, "a tail of 5001 ms", answers(*(900.0,) * 18, 5001.0, 5001.0)),
    MonitorCase(
        "latency",
        FAIL,
        "nobody waited",
        (
            *answers(*(900.0,) * 20),
            daemon(f"🧠 LLM TIMEOUT - Using fallback call_id={CALL} mode=full timeout=20.0s"),
        ),
    ),
)

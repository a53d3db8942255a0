"""Logs of calls, line by line as the pipeline prints them, for the tests and the benchmark.

O is printed always, P only with `DEBUG=1`, L by the logger. A call is a list of such lines; what
a collector does to them is in `wrapping.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Channel: TypeAlias = Literal["O", "P", "L"]
Line: TypeAlias = tuple[Channel, str]
Lines: TypeAlias = tuple[Line, ...]

LOGGED = "2025-12-14 23:12:05,123 [INFO] server.media_ws_ai: "


@dataclass(frozen=True, slots=True)
class Names:
    """The names of call number *number*."""

    number: int

    @property
    def call(self) -> str:
        """Twilio's name of the call."""
        return f"CA{self.number:08x}" + "0" * 24

    @property
    def stream(self) -> str:
        """Twilio's name of its sound."""
        return f"MZ{self.number:08x}" + "0" * 24

    @property
    def session(self) -> str:
        """The pipeline's own name."""
        return f"SES-{self.number:08x}"

    def response(self, turn: int) -> str:
        """Return the server's name of one response."""
        return f"resp_{self.number:06x}{turn:04x}XyZ9876543210"


def opening(names: Names) -> Lines:
    """Return how a call begins."""
    return (
        ("O", f"🎯 [REALTIME] START EVENT RECEIVED! session={names.session} (delay=12ms)"),
        (
            "P",
            (
                f"🎯 [T0=1765746725.1] WS_START sid={names.stream} call_sid={names.call} "
                "from=+972541234567 to=+97233763805 mode=AI"
            ),
        ),
        ("L", "[STT_GUARD] Accepted utterance: 900ms, rms=512"),
    )


def ending(
    names: Names, *, cleanup: bool = True, threads: bool = True, barge_ins: int = 1
) -> Lines:
    """Return how a call ends."""
    lines: list[Line] = [
        ("P", f"WS_STOP sid={names.stream} rx=1500 tx=1400"),
        ("L", call_metrics(barge_in_events=barge_ins)),
        ("P", f"📞 [{names.session}] CALL ENDED - duration=30.6s, turns=4"),
    ]
    if cleanup:
        lines += [("P", CLEANUP_BEGUN), ("P", CLEANUP_DONE)]
    if threads:
        lines += [
            ("P", "🧹 Waiting for 2 background threads..."),
            ("P", "✅ Background thread 1 completed"),
            ("P", "✅ All background threads cleanup complete"),
        ]
    return (
        *lines,
        ("O", f"[METRICS] REALTIME_TIMINGS: call_sid={names.call}, tx=1400, is_ghost=False"),
        ("P", f"WS_DONE sid={names.stream} rx=1500 tx=1400"),
    )


CLEANUP_BEGUN = "🧹 [CLEANUP] Resetting all state flags..."
CLEANUP_DONE = "✅ [CLEANUP] All state flags reset successfully"


def call_metrics(*, barge_in_events: int = 1, dropped: int = 0) -> str:
    """Return the summary that the logger prints when the telephone network hangs up."""
    return (
        "[CALL_METRICS] greeting_ms=412, first_user_utterance_ms=2100, avg_ai_turn_ms=3000, "
        f"avg_user_turn_ms=1200, barge_in_events={barge_in_events}, silences_10s=0, "
        "stt_hallucinations_dropped=0, stt_utterances_total=5, stt_empty=0, stt_short=1, "
        f"stt_filler_only=0, frames_in=1500, frames_forwarded=1500, frames_dropped={dropped}"
    )


def window(fps: float = 50, gap_ms: float = 22.1, *, frames: int = 50) -> Line:
    """Return one second of sound that was sent."""
    return "P", f"[TX_METRICS] fps={fps:.1f}, max_gap_ms={gap_ms:.1f}, frames={frames}, q=3/1000"


def created(names: Names, turn: int) -> Line:
    """Return that the server begins a response."""
    return (
        "O",
        (
            f"🎯 [RESPONSE.CREATED] id={names.response(turn)[:20]}... status=in_progress "
            "modalities=['audio', 'text'] output_format=g711_ulaw"
        ),
    )


def done(status: str = "completed", reason: str = "") -> Line:
    """Return that the server ends a response."""
    details = f"{{'type': '{status}', 'reason': '{reason}'}}" if reason else "None"
    return (
        "O",
        f"🔊 [REALTIME] response.done: status={status}, output_count=1, details={details}",
    )


def turn(names: Names, number: int, windows: tuple[Line, ...], *, duration_ms: int = 4000) -> Lines:
    """Return one response of the AI, from its beginning to its end."""
    response = names.response(number)[:20]
    return (
        created(names, number),
        (
            "P",
            f"🔊 [BARGE-IN] AI starting to speak - response_id={response}... is_ai_speaking=True",
        ),
        ("P", f"[TX_RESPONSE] start response_id={response}..., t=1765746726.123"),
        *windows,
        (
            "P",
            (
                f"[TX_RESPONSE] end response_id={response}..., frames_sent=200, "
                f"duration_ms={duration_ms}, avg_fps=50.0"
            ),
        ),
        done(),
    )


def candidate(frames: int = 8) -> Line:
    """Return that a voice was found while the AI spoke."""
    return (
        "L",
        (
            f"🔶 [LOCAL_VAD] CANDIDATE barge-in detected: {frames} voice_frames → enabling forward "
            "+ flush_preroll"
        ),
    )


def blocking(names: Names, turn_number: int, frames: int) -> Line:
    """Return that sound was held back."""
    return (
        "P",
        (
            "🎤 [HALF-DUPLEX] Blocking audio to OpenAI - AI speaking "
            f"(response_id={names.response(turn_number)[:15]}, vad_frames={frames})"
        ),
    )


def confirmed(text: str = "רגע רגע", reason: str = "word_count=2") -> Line:
    """Return that a barge-in was confirmed."""
    return "L", f"[BARGE-IN] ✅ CONFIRMED: {reason} text='{text}...'"


def not_confirmed(text: str = "אממ") -> Line:
    """Return that it was not."""
    return (
        "L",
        f"[BARGE-IN] ❌ NOT CONFIRMED: not_confirmed (wc=1, not_intent_aware) text='{text}'",
    )


def cancelled(names: Names, turn_number: int) -> Line:
    """Return that a response was cancelled."""
    return "L", f"[BARGE-IN] Cancelled AI response: {names.response(turn_number)[:20]}..."


def flush() -> Line:
    """Return that the queues were emptied."""
    return (
        "P",
        (
            "🧹 [BARGE-IN FLUSH] OpenAI queue: 0/12 frames | TX queue: 0/44 frames | "
            "reason=BARGE_IN_CONFIRMED"
        ),
    )


def barge_in(names: Names, turn_number: int) -> Lines:
    """Return a barge-in as it should be."""
    return (
        candidate(),
        confirmed(),
        cancelled(names, turn_number),
        ("L", "[BARGE-IN] ✅ CONFIRMED flush: 44 frames cleared"),
        flush(),
        (
            "P",
            (
                "🪓 [BARGE-IN] Dropping response.audio.delta for cancelled response "
                f"{names.response(turn_number)[:20]}..."
            ),
        ),
    )


def ai_said(text: str) -> Line:
    """Return what the AI said."""
    return "P", f"🤖 [REALTIME] AI said: {text}"


def only(channels: str, lines: Lines) -> Lines:
    """Return the lines that are printed through *channels*."""
    return tuple(line for line in lines if line[0] in channels)


def printed(lines: Lines) -> tuple[bytes, ...]:
    """Return *lines* as they reach a pipe; the logger puts its own beginning in front."""
    return tuple((LOGGED + text if channel == "L" else text).encode() for channel, text in lines)

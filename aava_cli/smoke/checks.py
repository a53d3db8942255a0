"""Whether what a model made is what a model makes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from aava_cli.audio import seconds_with_sound
from aava_cli.daemon.quoting import quoted
from aava_cli.smoke.line import LONGEST_SPEECH_S
from aava_cli.smoke.report import SmokeFailed
from aava_cli.smoke.words import words_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aava_cli.audio import Audio
    from aava_cli.roles import Role

# What the original daemon answers when it has no language model.
CANNED_REPLIES = ("I'm here to help you. How can I assist you today?",)

# What chat templates put around what somebody says.
_SPEAKERS = frozenset(
    {"user", "assistant", "system", "human", "bot", "ai", "inst", "sys", "im", "start", "end", "s"}
)
# Hours of speech; comparing takes the product of both lengths.
LONGEST_ANSWER = 20_000
# Shorter than any word; a voice that crackles once says nothing.
_SHORTEST_WORD_S = 0.02


def error_in(reply: Mapping[str, Any]) -> str | None:
    """Return what *reply* says went wrong, in the daemon's words."""
    error = reply.get("error")
    return quoted(reply.get("message") or error) if error else None


def words_in(role: Role, reply: object, name: str) -> str:
    """Return the text in the field *name* of *reply*, as it can be shown anywhere.

    Raises:
        SmokeFailed: there is no such field, or it is no text, or one without end.
    """
    said = reply.get(name) if isinstance(reply, Mapping) else None
    if not isinstance(said, str):
        raise SmokeFailed(role, f"its answer has no `{name}`")
    if len(said) > LONGEST_ANSWER:
        raise SmokeFailed(role, f"its answer has {len(said):,} characters")
    # JSON can hold half a character, which no terminal and no file can.
    return said.encode("utf-8", "replace").decode().strip()


def require_short(seconds: float) -> None:
    """Refuse audio that plays for *seconds* before it is decoded.

    Raises:
        SmokeFailed: nobody takes so long to say one sentence.
    """
    if seconds > LONGEST_SPEECH_S:
        raise SmokeFailed("tts", f"it answered with {seconds:,.0f} s of audio to one sentence")


def problem_with_audio(audio: Audio) -> str | None:
    """Return why nobody would take *audio* for speech."""
    heard_s = seconds_with_sound(audio)
    if heard_s == 0:
        return "the audio is silent"
    if heard_s < _SHORTEST_WORD_S:
        return "the audio is a click in silence"
    return None


def problem_with_reply(reply: str, prompt: str, instruction: str = "") -> str | None:
    """Return why *reply* is no model's answer to *prompt*, given beside *instruction*."""
    said = words_of(reply)
    if not said:
        return "the reply is empty"
    if said in map(words_of, CANNED_REPLIES):
        return "the reply is the one the daemon gives without a language model"
    if said == words_of(prompt):
        return "the reply is the prompt itself"
    if not _own_words(said, words_of(prompt), words_of(instruction)):
        return "the reply repeats what the model was told, and adds nothing"
    return None


def _own_words(said: Sequence[str], *told: Sequence[str]) -> Sequence[str]:
    """Return *said* without each part that was *told*, and without the names of who speaks."""
    left = list(said)
    for part in told:
        count = len(part)
        starts = [at for at in range(len(left)) if part and left[at : at + count] == list(part)]
        for at in reversed(starts):
            del left[at : at + count]
    return [word for word in left if word not in _SPEAKERS]

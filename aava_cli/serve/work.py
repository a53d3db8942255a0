"""The three things that the models do, for whoever asks: over a WebSocket or over HTTP."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from aava_cli.serve.engines import Speech, Unanswerable
from aava_cli.serve.process import REQUEST_TIMEOUT_S
from aava_cli.serve.segments import STT_RATE_HZ, duration_ms, in_pieces
from aava_cli.serve.values import prompt_for

if TYPE_CHECKING:
    from aava_cli.serve.engines import Prompt
    from aava_cli.serve.models import Models

_SHORTEST_MS = 20
# A large model on few processors takes longer than a recording plays.
_SLOWEST = 4
# On average, and in no language; most have half of it.
_LONGEST_TOKEN = 8
# Five minutes of speech: nobody listens to more, and the voice is busy until it has said it all.
LONGEST_TEXT = 5000


async def transcribe(models: Models, pcm16_16k: bytes) -> str:
    """Return what is said in *pcm16_16k*.

    A long recording is heard a piece at a time: others are heard in between, and the model is
    free soon after whoever waited for it has left.

    Raises:
        EngineError: the model did not do it.
    """
    heard = [await _transcribe(models, piece) for piece in in_pieces(pcm16_16k)]
    return " ".join(filter(None, heard))


async def _transcribe(models: Models, pcm16_16k: bytes) -> str:
    length_ms = duration_ms(pcm16_16k, STT_RATE_HZ)
    if length_ms < _SHORTEST_MS:
        # Nothing was said; engines fail on it, or make words up.
        return ""
    timeout_s = REQUEST_TIMEOUT_S + _SLOWEST * length_ms / 1000
    frame = await models.slots["stt"].request({}, pcm16_16k, timeout_s=timeout_s)
    return str(frame.fields["text"])


async def answer(
    models: Models, text: str, *, system: str | None = None, max_tokens: int | None = None
) -> str:
    """Return the answer to *text*; *system* and *max_tokens* count instead of `.env` for it.

    Raises:
        Unanswerable: it does not fit the model's context, or is no text.
        EngineError: the model did not answer.
        TimeoutError: it took longer than `LOCAL_LLM_INFER_TIMEOUT_SEC`.
    """
    values = models.values
    if max_tokens is not None:
        values = {**values, "LOCAL_LLM_MAX_TOKENS": str(max_tokens)}
    prompt = prompt_for(text, values, system=system)
    # What was asked for may be more than the model was trained for.
    asked = int(values["LOCAL_LLM_CONTEXT"])
    _check_prompt(prompt, min(asked, int(models.slots["llm"].effective.get("context", asked))))
    # The engine cannot be interrupted; it finishes for nobody.
    wait_s = float(values["LOCAL_LLM_INFER_TIMEOUT_SEC"])
    frame = await models.slots["llm"].request(asdict(prompt), wait_s=wait_s)
    return str(frame.fields["text"])


def _check_prompt(prompt: Prompt, context: int) -> None:
    """Refuse what no model takes for so few tokens: to count them keeps it busy for long."""
    given, most = len(prompt.text) + len(prompt.system), context * _LONGEST_TOKEN
    if given > most:
        raise Unanswerable(
            f"the prompt exceeds the available context size: {given:,} characters were given, "
            f"{context:,} tokens have {most:,} at most"
        )
    require_text(prompt.text, "text")
    require_text(prompt.system, "system_prompt")


async def speak(models: Models, text: str) -> Speech:
    """Return *text*, spoken at the voice's own rate.

    Raises:
        Unanswerable: it is too long, or no text.
        EngineError: the voice did not say it.
    """
    if len(text) > LONGEST_TEXT:
        given = f"{len(text):,} characters were given"
        raise Unanswerable(f"`text` may have {LONGEST_TEXT:,} characters; {given}")
    require_text(text, "text")
    frame = await models.slots["tts"].request({"text": text})
    return Speech(frame.payload, int(frame.fields["sample_rate_hz"]))


def require_text(text: str, name: str) -> None:
    """Refuse what no model can read as the text *name*.

    Raises:
        Unanswerable: it has a character that is none.
    """
    # JSON can hold half a character, and the end of what engines take for text.
    if "\0" in text or any("\ud800" <= each <= "\udfff" for each in text):
        raise Unanswerable(f"`{name}` has characters that are none")

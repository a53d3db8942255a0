"""The requests of a call: audio in, answers and speech out."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import logging
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from aava_cli.audio import mulaw_encode, resample
from aava_cli.serve import replies
from aava_cli.serve.engines import EngineError
from aava_cli.serve.limits import KIB
from aava_cli.serve.message import MODES, Message, Output, Reply
from aava_cli.serve.segments import STT_RATE_HZ, duration_ms
from aava_cli.serve.session import Owed
from aava_cli.serve.work import answer, speak, transcribe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aava_cli.serve.engines import Speech
    from aava_cli.serve.session import Session

_LOG = logging.getLogger(__name__)

_ENCODINGS = ("mulaw", "linear16", "pcm16")
_RATES_HZ = range(4000, 96_001)
# A piece of a stream is much shorter, a recording much longer.
_RECORDING_MS = 1000
_BASE64_PIECE = 256 * KIB
_PIECE_BYTES = 2 * STT_RATE_HZ * 10


async def hear_stream(session: Session, pcm16_16k: bytes) -> None:
    """Take a binary message: the next piece of the call's audio."""
    session.carry_call()
    for start in range(0, len(pcm16_16k), _PIECE_BYTES):
        session.hear(pcm16_16k[start : start + _PIECE_BYTES], _when_heard(session, session.mode))
        # Others get their turn while a whole recording is looked through.
        await asyncio.sleep(0)


async def audio(session: Session, message: Message) -> None:
    """Take a recording, which gets one answer, or the next piece of the call's audio."""
    session.join_call(message)
    rate_hz = message.integer("rate", STT_RATE_HZ, among=_RATES_HZ)
    mode = message.text("mode") or session.mode
    if mode not in MODES:
        raise EngineError(f"no mode named `{mode}`")
    longest_s = session.shared.limits.recording_s
    pcm16 = await asyncio.to_thread(_samples, message.text("data"), rate_hz, longest_s)
    named = message.request_id()
    if named or not pcm16 or duration_ms(pcm16, STT_RATE_HZ) >= _RECORDING_MS:
        session.listen(_understand(session, mode, named, pcm16), sound_bytes=len(pcm16))
    else:
        session.hear(pcm16, _when_heard(session, mode))


def _samples(encoded: str, rate_hz: int, longest_s: float) -> bytes:
    length_s = (len(encoded) // 4 * 3 - encoded[-2:].count("=")) / 2 / rate_hz
    if length_s > longest_s:
        problem = f"a recording may last {longest_s:g} s, this one {length_s:.0f} s"
        raise EngineError(problem)
    try:
        return resample(b"".join(_decoded(encoded)), rate_hz, STT_RATE_HZ)
    except ValueError as error:
        raise EngineError("`data` must be base64") from error


def _decoded(encoded: str) -> Iterator[bytes]:
    """Yield what *encoded* means, piece by piece: others get their turn in between."""
    for start in range(0, len(encoded), _BASE64_PIECE):
        piece = base64.b64decode(encoded[start : start + _BASE64_PIECE], validate=True)
        if len(piece) < _BASE64_PIECE // 4 * 3 and start + _BASE64_PIECE < len(encoded):
            raise ValueError("padding")
        yield piece


@contextlib.contextmanager
def _failures_are_told() -> Iterator[None]:
    """Turn what nobody thought of into an error that the reply can name: somebody waits for it."""
    try:
        yield
    except (EngineError, TimeoutError):
        raise
    except Exception as error:
        _LOG.exception("a request failed")
        raise EngineError(describe_failure(error)) from error


def describe_failure(error: Exception) -> str:
    """Return what a client reads of a failure that is the daemon's own."""
    return f"the daemon could not do this: {type(error).__name__}: {error}"


def _when_heard(session: Session, mode: str) -> Callable[[bytes], None]:
    def understand(utterance: bytes) -> None:
        work = _understand(session, mode, {}, utterance)
        session.listen(work, sound_bytes=len(utterance))

    return understand


async def _understand(session: Session, mode: str, named: Reply, pcm16: bytes) -> None:
    """Write down what was said, and answer it as far as *mode* goes."""
    text = await _transcribe(session, mode, named, pcm16)
    if text and mode in ("llm", "full"):
        owed = _owed(replies.answered(session, mode, named))
        session.answer(_converse(session, mode, named, text, owed), owed, follows=True)


def _owed(reply: Reply) -> Owed:
    """Return *reply* as owed; without an id nobody could tell what it is the reply to."""
    return Owed(reply if "request_id" in reply else None)


async def _converse(session: Session, mode: str, named: Reply, text: str, owed: Owed) -> None:
    # What was said first is answered first.
    async with session.turn:
        answer = await _answer(session, mode, named, text, owed)
        if answer and mode == "full":
            await _speak(session, mode, named, answer)


async def _transcribe(session: Session, mode: str, named: Reply, pcm16: bytes) -> str:
    reply = replies.heard(session, mode, named)
    try:
        with _failures_are_told():
            reply["text"] = await transcribe(session.models, pcm16)
    except EngineError as error:
        reply |= {"error": "stt_unavailable", "message": str(error)}
    await session.send(reply)
    return str(reply["text"])


async def llm_request(session: Session, message: Message) -> None:
    """Answer a text."""
    session.join_call(message)
    text, mode = message.text("text"), message.text("mode") or "llm"
    named = message.request_id()
    owed = _owed(replies.answered(session, mode, named))
    session.answer(_answer(session, mode, named, text, owed), owed)


async def _answer(session: Session, mode: str, named: Reply, text: str, owed: Owed) -> str:
    reply = replies.answered(session, mode, named)
    try:
        with _failures_are_told():
            reply["text"] = await answer(session.models, text, system=session.system_prompt)
    except TimeoutError:
        reply["error"] = "the model took longer than `LOCAL_LLM_INFER_TIMEOUT_SEC`"
    except EngineError as error:
        reply["error"] = str(error)
    await session.send(reply, owed=owed)
    return str(reply["text"])


async def tts_request(session: Session, message: Message) -> None:
    """Speak a text."""
    session.join_call(message)
    text = message.text("text")
    owed = _owed(replies.spoken(session, text, message.request_id()))
    session.answer(_say(session, message, text, owed), owed)


async def _say(session: Session, message: Message, text: str, owed: Owed) -> None:
    reply = replies.spoken(session, text, message.request_id())
    try:
        with _failures_are_told():
            output, data = await _speech(session, text, wanted_output(message, session.output))
            reply |= replies.silence(output, data)
    except EngineError as error:
        reply["error"] = str(error)
    await session.send(reply, owed=owed)


async def _speak(session: Session, mode: str, named: Reply, text: str) -> None:
    """Send *text* as one binary message, announced where somebody waits for it."""
    announcement = replies.announced(session, mode, named)
    try:
        with _failures_are_told():
            output, data = await _speech(session, text, session.output)
    except EngineError as error:
        empty = {**asdict(session.output), "byte_length": 0, "error": str(error)}
        await session.send(announcement | empty)
        return
    if named:
        await session.send(announcement | asdict(output) | {"byte_length": len(data)}, data)
    else:
        await session.send_payload(data)


async def _speech(session: Session, text: str, output: Output) -> tuple[Output, bytes]:
    """Return *text*, spoken, and what it is."""
    speech = await speak(session.models, text)
    output = replace(output, sample_rate_hz=output.sample_rate_hz or speech.sample_rate_hz)
    return output, await asyncio.to_thread(_converted, speech, output)


def _converted(speech: Speech, output: Output) -> bytes:
    resampled = resample(speech.pcm16, speech.sample_rate_hz, output.sample_rate_hz)
    return mulaw_encode(resampled) if output.encoding == "mulaw" else resampled


def wanted_output(message: Message, default: Output) -> Output:
    """Return how *message* wants speech: mu-law at 8 kHz, or samples at any rate.

    Raises:
        EngineError: nobody can send it like that.
    """
    encoding = message.text("output_encoding") or message.text("encoding") or default.encoding
    if encoding not in _ENCODINGS:
        known = ", ".join(f"`{each}`" for each in _ENCODINGS)
        raise EngineError(f"no encoding named `{encoding}`; there are {known}")
    usual_hz = default.sample_rate_hz if encoding == default.encoding else _usual_hz(encoding)
    names = ("output_sample_rate_hz", "sample_rate_hz")
    name = next((each for each in names if message.fields.get(each) is not None), "")
    rate_hz = message.integer(name, usual_hz, among=_RATES_HZ) if name else usual_hz
    return Output(encoding, rate_hz)


def _usual_hz(encoding: str) -> int:
    return 8000 if encoding == "mulaw" else 0

"""A trial over the WebSocket, as a call would send it."""

from __future__ import annotations

import base64
import contextlib
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from aava_cli.audio import SAMPLE_BYTES, Audio, mulaw_decode
from aava_cli.backends import SYSTEM_PROMPT, backend_in_status
from aava_cli.daemon.client import BUSY_HINT
from aava_cli.daemon.quoting import quoted
from aava_cli.daemon.status import is_native, loading_in, slots_of
from aava_cli.errors import DaemonUnreachable, NotPossible
from aava_cli.smoke.checks import error_in, require_short, words_in
from aava_cli.smoke.line import SPEECH_HZ, STAGE_TIMEOUT_S
from aava_cli.smoke.report import STATUS_HINT, DaemonSilent, SmokeFailed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aava_cli.roles import Role

# Engines that cut speech into utterances wait for silence before they answer.
PAUSE_S = 1.0

_MULAW = {"mulaw", "mu-law", "ulaw", "pcmu"}
_LINEAR = {"linear16", "pcm16", "pcm_s16le", "slin16"}
_RATES_HZ = range(1000, 384_001)
_COMPOSE_LOG = "`docker compose logs local_ai_server`"
_CALL = {"call_id": "aava-smoke", "request_id": "aava-smoke"}


class Answers(Protocol):
    """What answers requests: the daemon's client."""

    def request(
        self, message: Mapping[str, Any], *, reply: str, timeout_s: float = ...
    ) -> dict[str, Any]:
        """Send *message* and return the first answer of type *reply*."""
        ...


Dial: TypeAlias = Callable[[], AbstractContextManager[Answers]]


class WebSocketLine:
    """A daemon that is dialled anew for each stage.

    The original daemon does not listen on a connection on which it has just spoken.
    """

    def __init__(self, dial: Dial, instruction: str = SYSTEM_PROMPT) -> None:
        self._dial = dial
        self.instruction = instruction
        self._status: Mapping[str, Any] = {}

    def require_loaded(self, roles: Sequence[Role]) -> None:
        """Refuse *roles* whose models are not there: an empty slot looks alive otherwise.

        Raises:
            SmokeFailed: the first such role, with the daemon's reason.
            DaemonUnreachable: there is no daemon to begin with.
        """
        try:
            with self._dial() as daemon:
                self._status = daemon.request({"type": "status"}, reply="status_response")
        except NotPossible as error:
            # Every daemon knows this request.
            text = f"what listens is not a voice daemon: {error.message}"
            raise DaemonUnreachable(text, hint="name it with `--daemon URL`") from error
        slots = {slot.role: slot for slot in slots_of(self._status)}
        for role in roles:
            # The native daemon loads a model whose process died again when it is asked.
            is_revived = is_native(self._status) and slots[role].error
            if not slots[role].loaded and not is_revived:
                loading = role in loading_in(self._status)
                missing = "the model is still being loaded" if loading else "no model is loaded"
                raise SmokeFailed(role, slots[role].error or missing)

    def speak(self, text: str) -> Audio:
        """Return *text*, spoken."""
        message = {"text": text, "encoding": "linear16", "sample_rate_hz": SPEECH_HZ}
        with self._stage("tts") as daemon:
            reply = ask(daemon, "tts_request", message, reply="tts_response")
        audio = audio_in(reply).at(SPEECH_HZ)
        if not audio.pcm16:
            raise SmokeFailed("tts", error_in(reply) or "it answered without audio")
        return audio

    def hear(self, audio: Audio) -> str:
        """Return what is said in *audio*."""
        with self._stage("stt") as daemon:
            reply = final_transcript(daemon, audio)
        return _text_of("stt", reply)

    def answer(self, text: str) -> str:
        """Return the answer to *text*."""
        with self._stage("llm") as daemon:
            reply = ask(daemon, "llm_request", {"text": text}, reply="llm_response")
        return _text_of("llm", reply)

    @contextlib.contextmanager
    def _stage(self, role: Role) -> Iterator[Answers]:
        """Connect for one stage, and name it if the daemon goes away."""
        try:
            with self._dial() as daemon:
                yield daemon
        except DaemonUnreachable as error:
            raise DaemonSilent(role, error.message, hint=error.hint) from error
        except NotPossible as error:
            raise SmokeFailed(role, error.message) from error

    def advice_for(self, role: Role) -> str:
        """Return what to do about a model that failed on the daemon that was asked."""
        backend = backend_in_status(role, self._status)
        if role in loading_in(self._status):
            return "wait until `aava status` says that it is loaded, then try again"
        if backend is None:
            return STATUS_HINT
        log = "the log of `aava serve`" if is_native(self._status) else _COMPOSE_LOG
        return f"run `aava switch --{role} {backend.name}` to load it again, or see {log}"


def _text_of(role: Role, reply: Mapping[str, Any]) -> str:
    problem = error_in(reply)
    if problem:
        raise SmokeFailed(role, problem)
    return words_in(role, reply, "text")


def ask(
    daemon: Answers,
    kind: str,
    fields: Mapping[str, Any],
    *,
    reply: str,
    timeout_s: float = STAGE_TIMEOUT_S,
) -> dict[str, Any]:
    """Send a request of the one call that this is."""
    return daemon.request({"type": kind, **_CALL, **fields}, reply=reply, timeout_s=timeout_s)


def final_transcript(
    daemon: Answers, audio: Audio, *, timeout_s: float = STAGE_TIMEOUT_S
) -> dict[str, Any]:
    """Return the `stt_result` for *audio* that is not followed by a better one.

    Raises:
        DaemonUnreachable: none came in *timeout_s*.
    """
    deadline = time.monotonic() + timeout_s
    pause = bytes(int(PAUSE_S * audio.rate_hz) * SAMPLE_BYTES)
    sound = audio.pcm16 + pause
    while (left_s := deadline - time.monotonic()) > 0:
        data = base64.b64encode(sound).decode("ascii")
        fields = {"mode": "stt", "rate": audio.rate_hz, "format": "pcm16le", "data": data}
        reply = ask(daemon, "audio", fields, reply="stt_result", timeout_s=left_s)
        if reply.get("is_final", True):
            return reply
        # Nothing but more sound makes the daemon answer again.
        sound = pause
    text = f"the daemon did not come to the end of what it heard in {timeout_s:g} s"
    raise DaemonUnreachable(text, hint=BUSY_HINT)


def audio_in(reply: Mapping[str, Any]) -> Audio:
    """Return the speech of a `tts_response`; the original daemon knows mu-law at 8 kHz only.

    Raises:
        SmokeFailed: the audio cannot be read, or has no end.
    """
    encoding = str(reply.get("encoding") or "mulaw").lower()
    try:
        data = base64.b64decode(reply.get("audio_data") or "", validate=True)
        rate_hz = int(reply.get("sample_rate_hz") or 8000)
    except (TypeError, ValueError, OverflowError) as error:
        raise SmokeFailed("tts", f"its audio cannot be read: {error}") from error
    if encoding not in _MULAW | _LINEAR or rate_hz not in _RATES_HZ:
        raise SmokeFailed("tts", f"it answered with `{quoted(encoding)}` audio at {rate_hz} Hz")
    is_mulaw = encoding in _MULAW
    require_short(len(data) / (1 if is_mulaw else SAMPLE_BYTES) / rate_hz)
    return Audio(mulaw_decode(data) if is_mulaw else data, rate_hz)

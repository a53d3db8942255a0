"""A sentence goes through every model of the running daemon, as a call would send it."""

from __future__ import annotations

import base64
import contextlib
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from aava_cli.audio import SAMPLE_BYTES, Audio, is_silent, mulaw_decode, write_wav
from aava_cli.backends import backend_in_status
from aava_cli.daemon.status import is_native, slots_of
from aava_cli.errors import AavaError, DaemonUnreachable, NotPossible, UsageError
from aava_cli.files import private_folder
from aava_cli.output import Result
from aava_cli.roles import ROLES
from aava_cli.settings import STATE_FOLDER
from aava_cli.smoke.words import word_error_rate, words_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from aava_cli.roles import Role

SENTENCE = "Hello, can you tell me what a telephone is?"
MAX_WORD_ERROR_RATE = 0.5
SPEECH_HZ = 16_000

# Speech recognition on a busy host with two cores was seen to take 47 s.
STAGE_TIMEOUT_S = 120.0

# Engines that cut speech into utterances wait for silence before they answer.
PAUSE_S = 1.0

# What the original daemon answers when it has no language model.
CANNED_REPLIES = ("I'm here to help you. How can I assist you today?",)

_MULAW = {"mulaw", "mu-law", "ulaw", "pcmu"}
_LINEAR = {"linear16", "pcm16", "pcm_s16le", "slin16"}
_NO_AUDIO = Audio(b"", SPEECH_HZ)
_COMPOSE_LOG = "`docker compose logs local_ai_server`"
_STATUS_HINT = "run `aava status` to see what is loaded"
_CALL = {"call_id": "aava-smoke", "request_id": "aava-smoke"}


class Answers(Protocol):
    """What answers requests: the daemon's client."""

    def request(
        self, message: Mapping[str, Any], *, reply: str, timeout_s: float = ...
    ) -> dict[str, Any]:
        """Send *message* and return the first answer of type *reply*."""
        ...


Dial: TypeAlias = Callable[[], AbstractContextManager[Answers]]


class SmokeFailed(AavaError):
    """A model did not do its work."""

    code = "smoke-failed"

    def __init__(self, stage: Role, problem: str, *, hint: str = _STATUS_HINT) -> None:
        super().__init__(f"{stage}: {problem}", hint=hint)
        self.stage = stage
        self.problem = problem


@dataclass(frozen=True, slots=True)
class SmokePlan:
    """What is said, through which models, and how much of it may be misheard."""

    sentence: str
    roles: tuple[Role, ...]
    save: Path
    max_word_error_rate: float = MAX_WORD_ERROR_RATE


@dataclass(frozen=True, slots=True)
class Smoked(Result):
    """What each model made of the sentence; a stage that did not run left None."""

    sentence: str
    roles: tuple[Role, ...]
    audio_file: Path | None = None
    audio_s: float | None = None
    transcript: str | None = None
    word_error_rate: float | None = None
    reply: str | None = None
    latency_ms: Mapping[Role, int] = field(default_factory=dict)
    failed_stage: Role | None = None
    problem: str | None = None
    advice: str | None = None

    def text(self) -> Iterable[str]:
        """Yield a line per stage, with how long it took."""
        yield f"sentence    {self.sentence}"
        if self.audio_file is not None:
            yield f"audio       {self.audio_file}, {self.audio_s:.1f} s{self._took('tts')}"
        if self.transcript is not None:
            yield f"transcript  {self.transcript}{self._took('stt')}"
        if self.word_error_rate is not None:
            yield f"errors      {self.word_error_rate:.0%} of the words"
        if self.reply is not None:
            yield f"reply       {self.reply}{self._took('llm')}"
        if self.failed_stage is None:
            yield f"passed      {', '.join(self.roles)}"

    def failure(self) -> AavaError | None:
        """Return which stage failed, and why."""
        if self.failed_stage is None or self.problem is None:
            return None
        hint = self.advice or _STATUS_HINT
        return SmokeFailed(self.failed_stage, self.problem, hint=hint)

    def _took(self, role: Role) -> str:
        return f"  [{self.latency_ms[role]} ms]"


def run_smoke(plan: SmokePlan, dial: Dial) -> Smoked:
    """Take the sentence through the models in order; the first that fails is the last.

    Raises:
        DaemonUnreachable: there is no daemon to begin with.
        NotPossible: the audio cannot be kept.
    """
    trial = _Trial(plan, dial, Smoked(plan.sentence, plan.roles))
    try:
        trial.require_loaded()
        for role in plan.roles:
            STAGES[role](trial)
    except SmokeFailed as failed:
        advice = advice_for(failed.stage, trial.status)
        return replace(
            trial.smoked, failed_stage=failed.stage, problem=failed.problem, advice=advice
        )
    return trial.smoked


@dataclass(slots=True)
class _Trial:
    """One run, with what the stages found so far."""

    plan: SmokePlan
    dial: Dial
    smoked: Smoked
    audio: Audio = _NO_AUDIO
    status: Mapping[str, Any] = field(default_factory=dict)

    def require_loaded(self) -> None:
        with self.dial() as daemon:
            self.status = daemon.request({"type": "status"}, reply="status_response")
        slots = {slot.role: slot for slot in slots_of(self.status)}
        for role in self.plan.roles:
            # The native daemon loads a model whose process died again when it is asked.
            is_revived = is_native(self.status) and slots[role].error
            if not slots[role].loaded and not is_revived:
                loading = role in self.status.get("loading", ())
                missing = "the model is still being loaded" if loading else "no model is loaded"
                raise SmokeFailed(role, slots[role].error or missing)

    def speak(self) -> None:
        """Say the sentence, keep the audio, and refuse silence."""
        message = {"text": self.plan.sentence, "encoding": "linear16", "sample_rate_hz": SPEECH_HZ}
        with self._stage("tts") as daemon:
            reply = ask(daemon, "tts_request", message, reply="tts_response")
        self.audio = audio_in(reply).at(SPEECH_HZ)
        if not self.audio.pcm16:
            raise SmokeFailed("tts", error_in(reply) or "it answered without audio")
        keep(self.plan.save, self.audio)
        self.smoked = replace(
            self.smoked, audio_file=self.plan.save, audio_s=round(self.audio.duration_s, 2)
        )
        if is_silent(self.audio.pcm16):
            raise SmokeFailed("tts", "the audio is silent")

    def transcribe(self) -> None:
        """Send the audio back and compare the transcript with the sentence."""
        with self._stage("stt") as daemon:
            reply = final_transcript(daemon, self.audio)
        heard = str(reply.get("text") or "").strip()
        rate = round(word_error_rate(self.plan.sentence, heard), 3)
        self.smoked = replace(self.smoked, transcript=heard, word_error_rate=rate)
        problem = error_in(reply)
        if problem or not heard:
            raise SmokeFailed("stt", problem or "it heard nothing")
        if rate > self.plan.max_word_error_rate:
            allowed = self.plan.max_word_error_rate
            raise SmokeFailed("stt", f"{rate:.0%} of the words are wrong, {allowed:.0%} may be")

    def answer(self) -> None:
        """Ask for a reply to what was heard, and refuse one that no model made."""
        prompt = self.smoked.transcript or self.plan.sentence
        with self._stage("llm") as daemon:
            reply = ask(daemon, "llm_request", {"text": prompt}, reply="llm_response")
        answered = str(reply.get("text") or "").strip()
        self.smoked = replace(self.smoked, reply=answered)
        problem = error_in(reply) or problem_with_reply(answered, prompt)
        if problem:
            raise SmokeFailed("llm", problem)

    @contextlib.contextmanager
    def _stage(self, role: Role) -> Iterator[Answers]:
        """Connect for one stage, note how long it took, and name it if the daemon goes away."""
        start = time.monotonic()
        try:
            # The original daemon does not listen on a connection on which it has just spoken.
            with self.dial() as daemon:
                yield daemon
        except (DaemonUnreachable, NotPossible) as error:
            raise SmokeFailed(role, error.message) from error
        took_ms = round((time.monotonic() - start) * 1000)
        self.smoked = replace(self.smoked, latency_ms={**self.smoked.latency_ms, role: took_ms})


def advice_for(role: Role, status: Mapping[str, Any]) -> str:
    """Return what to do about a model that failed on the daemon that *status* describes."""
    backend = backend_in_status(role, status)
    if role in status.get("loading", ()):
        return "wait until `aava status` says that it is loaded, then try again"
    if backend is None:
        return _STATUS_HINT
    log = "the log of `aava serve`" if is_native(status) else _COMPOSE_LOG
    return f"run `aava switch --{role} {backend.name}` to load it again, or see {log}"


STAGES: Mapping[Role, Callable[[_Trial], None]] = {
    "tts": _Trial.speak,
    "stt": _Trial.transcribe,
    "llm": _Trial.answer,
}


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
    """Return the `stt_result` for *audio* that is not followed by a better one."""
    deadline = time.monotonic() + timeout_s
    pause = bytes(int(PAUSE_S * audio.rate_hz) * SAMPLE_BYTES)
    sound = audio.pcm16 + pause
    while True:
        data = base64.b64encode(sound).decode("ascii")
        fields = {"mode": "stt", "rate": audio.rate_hz, "format": "pcm16le", "data": data}
        left_s = deadline - time.monotonic()
        reply = ask(daemon, "audio", fields, reply="stt_result", timeout_s=left_s)
        if reply.get("is_final", True):
            return reply
        # Nothing but more sound makes the daemon answer again.
        sound = pause


def audio_in(reply: Mapping[str, Any]) -> Audio:
    """Return the speech of a `tts_response`; the original daemon knows mu-law at 8 kHz only.

    Raises:
        SmokeFailed: the audio cannot be read.
    """
    encoding = str(reply.get("encoding") or "mulaw").lower()
    try:
        data = base64.b64decode(reply.get("audio_data") or "", validate=True)
        rate_hz = int(reply.get("sample_rate_hz") or 8000)
    except (TypeError, ValueError) as error:
        raise SmokeFailed("tts", f"its audio cannot be read: {error}") from error
    if encoding not in _MULAW | _LINEAR or rate_hz <= 0:
        raise SmokeFailed("tts", f"it answered with `{encoding}` audio at {rate_hz} Hz")
    return Audio(mulaw_decode(data) if encoding in _MULAW else data, rate_hz)


def error_in(reply: Mapping[str, Any]) -> str | None:
    """Return what *reply* says went wrong, in the daemon's words."""
    error = reply.get("error")
    return str(reply.get("message") or error) if error else None


def keep(path: Path, audio: Audio) -> None:
    """Write *audio* to *path* for people to listen to.

    Raises:
        NotPossible: the file cannot be written.
    """
    try:
        if path.parent.name == STATE_FOLDER:
            private_folder(path.parent)
        write_wav(path, audio)
    except OSError as error:
        message = f"the audio cannot be written to `{path}`: {error.strerror}"
        raise NotPossible(message, hint="name another file with `--save`") from error


def problem_with_reply(reply: str, prompt: str) -> str | None:
    """Return why *reply* is no model's answer to *prompt*."""
    said = words_of(reply)
    if not said:
        return "the reply is empty"
    if said in map(words_of, CANNED_REPLIES):
        return "the reply is the one the daemon gives without a language model"
    if said == words_of(prompt):
        return "the reply is the prompt itself"
    return None


def parse_roles(names: str) -> tuple[Role, ...]:
    """Return the roles that *names*, separated by commas, stand for, in the order they work.

    Raises:
        UsageError: a name is no role, or there is none.
    """
    named = {name.strip().lower() for name in names.split(",")} - {""}
    if not named or named - set(ROLES):
        message = f"`--roles {names}` must name some of {', '.join(STAGES)}"
        raise UsageError(message, hint="try `--roles tts,stt`")
    return tuple(role for role in STAGES if role in named)


def plan_smoke(
    sentence: str,
    roles: tuple[Role, ...],
    *,
    save: Path,
    max_word_error_rate: float = MAX_WORD_ERROR_RATE,
) -> SmokePlan:
    """Decide what to say and to whom.

    Raises:
        UsageError: there is no word to say, or nothing makes the audio to transcribe.
    """
    if not words_of(sentence):
        raise UsageError("`--text` has no word to say", hint="try `--text 'Good morning'`")
    if "stt" in roles and "tts" not in roles:
        raise UsageError("`stt` hears what `tts` says", hint="try `--roles tts,stt`")
    return SmokePlan(sentence, roles, save, max_word_error_rate)

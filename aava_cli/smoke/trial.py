"""A sentence goes through every model of the running daemon, as often as it is to."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from aava_cli.audio import Audio, write_wav
from aava_cli.errors import NotPossible
from aava_cli.files import private_folder
from aava_cli.settings import STATE_FOLDER
from aava_cli.smoke.checks import problem_with_audio, problem_with_reply
from aava_cli.smoke.line import SPEECH_HZ
from aava_cli.smoke.report import TOTAL, DaemonSilent, Smoked, SmokeFailed, Spread
from aava_cli.smoke.websocket import WebSocketLine
from aava_cli.smoke.words import word_error_rate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from aava_cli.roles import Role
    from aava_cli.smoke.line import Line
    from aava_cli.smoke.plan import SmokePlan
    from aava_cli.smoke.websocket import Dial


def run_smoke(plan: SmokePlan, dial: Dial) -> Smoked:
    """Take the sentence through the models of the daemon that *dial* connects to.

    Raises:
        DaemonUnreachable: there is no daemon to begin with.
        NotPossible: the audio cannot be kept.
    """
    return run_trial(plan, WebSocketLine(dial))


def run_trial(plan: SmokePlan, line: Line) -> Smoked:
    """Take the sentence through the models in order, round by round; the first failure is the end.

    Raises:
        DaemonUnreachable: there is no daemon to begin with.
        NotPossible: the audio cannot be kept.
    """
    trial = _Trial(plan, line, Smoked(plan.sentence, plan.roles))
    try:
        line.require_loaded(plan.roles)
        for _ in range(plan.repeat):
            trial.go_round()
    except SmokeFailed as failed:
        is_silent = isinstance(failed, DaemonSilent)
        return replace(
            trial.smoked,
            failed_stage=failed.stage,
            problem=failed.problem,
            advice=failed.hint if is_silent else line.advice_for(failed.stage),
            unreachable=is_silent,
        )
    return trial.smoked


@dataclass(slots=True)
class _Trial:
    """One run, with what the stages found so far."""

    plan: SmokePlan
    line: Line
    smoked: Smoked
    audio: Audio = field(default_factory=lambda: Audio(b"", SPEECH_HZ))
    took_ms: dict[str, list[int]] = field(default_factory=dict)

    def go_round(self) -> None:
        """Do every stage once."""
        for role in self.plan.roles:
            _STAGES[role](self)
        self.took_ms.setdefault(TOTAL, []).append(self.smoked.total_ms)
        spread = {name: Spread.of(took) for name, took in self.took_ms.items()}
        self.smoked = replace(self.smoked, rounds=self.smoked.rounds + 1, spread_ms=spread)

    def speak(self) -> None:
        """Say the sentence, keep the audio, and refuse silence."""
        with self._timed("tts"):
            self.audio = self.line.speak(self.plan.sentence)
        if not self.audio.pcm16:
            raise SmokeFailed("tts", "it answered without audio")
        keep(self.plan.save, self.audio)
        self.smoked = replace(
            self.smoked, audio_file=self.plan.save, audio_s=round(self.audio.duration_s, 2)
        )
        problem = problem_with_audio(self.audio)
        if problem:
            raise SmokeFailed("tts", problem)

    def transcribe(self) -> None:
        """Send the audio back and compare the transcript with the sentence."""
        with self._timed("stt"):
            heard = self.line.hear(self.audio)
        rate = round(word_error_rate(self.plan.sentence, heard), 3)
        self.smoked = replace(self.smoked, transcript=heard, word_error_rate=rate)
        if not heard:
            raise SmokeFailed("stt", "it heard nothing")
        if rate > self.plan.max_word_error_rate:
            allowed = self.plan.max_word_error_rate
            raise SmokeFailed("stt", f"{rate:.0%} of the words are wrong, {allowed:.0%} may be")

    def answer(self) -> None:
        """Ask for a reply to what was heard, and refuse one that no model made."""
        prompt = self.smoked.transcript or self.plan.sentence
        with self._timed("llm"):
            answered = self.line.answer(prompt)
        self.smoked = replace(self.smoked, reply=answered)
        problem = problem_with_reply(answered, prompt, self.line.instruction)
        if problem:
            raise SmokeFailed("llm", problem)

    @contextlib.contextmanager
    def _timed(self, role: Role) -> Iterator[None]:
        """Note how long the block took; a stage that failed took no time worth knowing."""
        start = time.monotonic()
        yield
        took_ms = round((time.monotonic() - start) * 1000)
        self.took_ms.setdefault(role, []).append(took_ms)
        self.smoked = replace(self.smoked, latency_ms={**self.smoked.latency_ms, role: took_ms})


_STAGES: Mapping[Role, Callable[[_Trial], None]] = {
    "tts": _Trial.speak,
    "stt": _Trial.transcribe,
    "llm": _Trial.answer,
}


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

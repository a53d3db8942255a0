"""What each model made of the sentence, and how long it took."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aava_cli.daemon.quoting import quoted
from aava_cli.errors import AavaError, DaemonUnreachable
from aava_cli.output import Result, Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from aava_cli.roles import Role

STATUS_HINT = "run `aava status` to see what is loaded"
TOTAL = "total"


class SmokeFailed(AavaError):
    """A model did not do its work."""

    code = "smoke-failed"

    def __init__(self, stage: Role, problem: str, *, hint: str = STATUS_HINT) -> None:
        super().__init__(f"{stage}: {problem}", hint=hint)
        self.stage = stage
        self.problem = problem


class DaemonSilent(SmokeFailed):
    """The daemon went away, or did not answer in time, while a model was to do its work."""

    exit_code = DaemonUnreachable.exit_code
    code = DaemonUnreachable.code
    retryable = DaemonUnreachable.retryable


@dataclass(frozen=True, slots=True)
class Spread:
    """How long something took, over all rounds: half took no longer than *p50_ms*."""

    p50_ms: int
    p95_ms: int

    @classmethod
    def of(cls, took_ms: Sequence[int]) -> Spread:
        """Return the spread of *took_ms*: each figure is one that was measured."""
        ordered = sorted(took_ms)
        return cls(_rank(ordered, 50), _rank(ordered, 95))


def _rank(ordered: Sequence[int], percent: int) -> int:
    """Return the smallest value that *percent* of all do not exceed."""
    return ordered[-(-len(ordered) * percent // 100) - 1]


@dataclass(frozen=True, slots=True)
class Smoked(Result):
    """What each model made of the sentence; a stage that did not run left None.

    All but *spread_ms* is of the last round; *spread_ms* has the stages and their `total`.
    *unreachable* says that the daemon went silent, whatever its models can do.
    """

    sentence: str
    roles: tuple[Role, ...]
    audio_file: Path | None = None
    audio_s: float | None = None
    transcript: str | None = None
    word_error_rate: float | None = None
    reply: str | None = None
    latency_ms: Mapping[Role, int] = field(default_factory=dict)
    rounds: int = 0
    spread_ms: Mapping[str, Spread] = field(default_factory=dict)
    failed_stage: Role | None = None
    problem: str | None = None
    advice: str | None = None
    unreachable: bool = False

    @property
    def total_ms(self) -> int:
        """How long all stages of the last round took."""
        return sum(self.latency_ms.values())

    def text(self) -> Iterable[str | Table]:
        """Yield a line per stage, with how long it took."""
        yield f"sentence    {self.sentence}"
        if self.audio_file is not None:
            yield f"audio       {self.audio_file}, {self.audio_s:.1f} s{self._took('tts')}"
        if self.transcript is not None:
            yield f"transcript  {quoted(self.transcript)}{self._took('stt')}"
        if self.word_error_rate is not None:
            yield f"errors      {self.word_error_rate:.0%} of the words"
        if self.reply is not None:
            yield f"reply       {quoted(self.reply)}{self._took('llm')}"
        if self.rounds > 1:
            yield self._table()
        if self.failed_stage is None:
            yield f"passed      {', '.join(self.roles)}"

    def _table(self) -> Table:
        rows = tuple(
            (name, str(each.p50_ms), str(each.p95_ms)) for name, each in self.spread_ms.items()
        )
        return Table((f"{self.rounds} rounds", "p50 ms", "p95 ms"), rows)

    def failure(self) -> AavaError | None:
        """Return which stage failed, and why."""
        if self.failed_stage is None or self.problem is None:
            return None
        kind = DaemonSilent if self.unreachable else SmokeFailed
        return kind(self.failed_stage, self.problem, hint=self.advice or STATUS_HINT)

    def _took(self, role: Role) -> str:
        return f"  [{self.latency_ms[role]} ms]"

"""The answer as data: what is shown, stored and judged by exit code."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aava_cli.audit.problems import Damaged
from aava_cli.audit.report.terminal import answer_lines
from aava_cli.audit.verdicts import DECIDED, Status
from aava_cli.errors import EXIT_CHECK_FAILED, AavaError, NotFound, UsageError
from aava_cli.output import Result

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aava_cli.audit.gate import Scenario
    from aava_cli.audit.timeline import Drawn
    from aava_cli.audit.verdicts import Figure
    from aava_cli.output import Table


class AuditFailed(AavaError):
    """A requirement is broken in a call that was audited."""

    code = "audit-failed"


class NotShown(AavaError):
    """Nothing failed, and still the log does not show that the pipeline is fit."""

    exit_code = EXIT_CHECK_FAILED
    code = "not-shown"


@dataclass(frozen=True, slots=True)
class Sighting:
    """One line that a verdict rests on."""

    source: str
    line: int
    offset: int
    time: str | None
    text: str


@dataclass(frozen=True, slots=True)
class Context:
    """Lines around, as they follow each other; the first is number *line*.

    Records of a collector have *numbers* of their own.
    """

    source: str
    line: int
    lines: tuple[str, ...]
    numbers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckReport:
    """One verdict; *times* is how often what is *seen* was seen in all."""

    check: str
    title: str
    status: Status
    reason: str
    figures: Mapping[str, Figure]
    times: int = 0
    seen: tuple[Sighting, ...] = ()
    contexts: tuple[Context, ...] = ()


@dataclass(frozen=True, slots=True)
class CallReport:
    """One call: its names, what of it the log has, its verdicts, and the gravest of them."""

    call: str
    status: Status
    ids: Mapping[str, tuple[str, ...]]
    source: str
    is_whole: bool
    is_ghost: bool
    scenario: str | None
    notes: tuple[str, ...]
    checks: tuple[CheckReport, ...]

    def of(self, status: Status) -> tuple[CheckReport, ...]:
        """Return the verdicts that are *status*."""
        return tuple(each for each in self.checks if each.status is status)


# What is open counts more than what passed: a call is green only where all of it was decided.
_GRAVITY = (Status.FAIL, Status.WARN, Status.UNDECIDABLE, Status.PASS, Status.NOT_TRIGGERED)


def gravest(statuses: Iterable[Status]) -> Status:
    """Return the status that stands for all of *statuses*."""
    found = set(statuses)
    return next((each for each in _GRAVITY if each in found), Status.MANUAL)


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much could be decided, and what is missing for the rest.

    *alarms* are how many lines, by what they say, tell that a call failed and not which. *unheard*
    are the calls that the operator spoke of and no line is of; an empty one is any.
    """

    calls: int
    checks: int
    decided: int
    undecidable: int
    absent: tuple[str, ...]
    alarms: Mapping[str, int] = field(default_factory=dict)
    unheard: tuple[str, ...] = ()

    def line(self) -> str:
        """Return it as the first line of every report."""
        head = (
            f"coverage: {self.calls} call{'s' * (self.calls != 1)}, "
            f"{self.decided} of {self.checks} checks decided, {self.undecidable} undecidable"
        )
        return "; ".join(filter(None, (head, self.alarm(), *self.absent, *self.missing())))

    def alarm(self) -> str:
        """Return what the alarms are, or nothing."""
        count = sum(self.alarms.values())
        if not count:
            return ""
        lines = "a line says" if count == 1 else f"{count} lines say"
        which = f"({', '.join(self.alarms)})"
        return f"ALARM: {lines} that something went wrong, and not in which call {which}"

    def missing(self) -> tuple[str, ...]:
        """Return what is to be said of each call that was spoken of in vain."""
        return tuple(
            f"no call is `{each}`" if each else "there is no call to draw" for each in self.unheard
        )


@dataclass(frozen=True, slots=True)
class Audited(Result):
    """The whole answer. Only so many *calls* are told, failed ones first; all are counted."""

    profile: str
    sources: tuple[str, ...]
    lines: int
    size_bytes: int
    events: int
    coverage: Coverage
    counts: Mapping[str, int]
    calls: tuple[CallReport, ...]
    calls_left_out: int
    run: tuple[CheckReport, ...]
    unattributed: Mapping[str, int]
    alarms: tuple[CheckReport, ...]
    gate: tuple[Scenario, ...] | None
    drawn: Drawn | None = None
    problems: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()
    strict: bool = False

    def text(self) -> Iterable[str | Table]:
        """Yield the answer for people."""
        return answer_lines(self)

    def failure(self) -> AavaError | None:
        """Return what keeps this from being a release, the gravest first."""
        if self.problems:
            return Damaged("; ".join(self.problems), hint="; ".join(self.advice))
        if self.counts[Status.FAIL]:
            return AuditFailed(self._failed(), hint="see the lines around with `--json`")
        if not self.coverage.calls and not self.run:
            message = f"no calls found in {self.lines} lines"
            hint = "choose another `--profile`, or log more: see `docs/audit.md`"
            return NotFound(message, hint=hint)
        return self._not_shown() or self._not_heard()

    @property
    def is_alarmed(self) -> bool:
        """Whether something that went wrong in some call keeps all of them from being fit."""
        return bool(self.alarms) and (self.strict or self.gate is not None)

    def _failed(self) -> str:
        names = [each.call for each in self.calls if each.status is Status.FAIL]
        where = ", ".join(f"`{name}`" for name in names[:3]) or "the run"
        return f"{self.counts[Status.FAIL]} checks failed: {where}"

    def _not_shown(self) -> AavaError | None:
        if self.gate is not None and any(each.call is None for each in self.gate):
            missing = ", ".join(each.title for each in self.gate if each.call is None)
            return NotShown(f"the gate is not met: {missing}", hint="place these calls")
        if self.is_alarmed:
            hint = "look at them, and place the calls again, one after the other"
            return NotShown(self.coverage.alarm(), hint=hint)
        if not any(self.counts[status] for status in DECIDED):
            return NotShown("nothing could be decided", hint=self._remedy())
        if self.strict and self.counts[Status.UNDECIDABLE]:
            message = f"{self.counts[Status.UNDECIDABLE]} checks are undecidable"
            return NotShown(message, hint=self._remedy())
        return None

    def _not_heard(self) -> AavaError | None:
        """Return what was spoken of in vain: it takes no verdict away."""
        if not self.coverage.unheard:
            return None
        hint = "`--scenario` and `--timeline` take the beginning of a name that the report shows"
        return UsageError("; ".join(self.coverage.missing()), hint=hint)

    def _remedy(self) -> str:
        return next(iter(self.coverage.absent), "see `docs/audit.md` for how to collect logs")

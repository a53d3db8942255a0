"""Build the answer while calls come in, and hold no more of them than it will show."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from aava_cli.audit.checks import CHECKS
from aava_cli.audit.gate import NEEDED, Gate
from aava_cli.audit.redaction import answers_to
from aava_cli.audit.report.reporting import Kept, Reporter
from aava_cli.audit.report.results import CallReport, CheckReport, Coverage, gravest
from aava_cli.audit.report.showing import Showing, text_of
from aava_cli.audit.verdicts import DECIDED, Status, undecidable
from aava_cli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import TypeAlias

    from aava_cli.audit.calls import Call
    from aava_cli.audit.gate import Scenario
    from aava_cli.audit.judging import Judged
    from aava_cli.audit.places import Sightings
    from aava_cli.audit.plan import AuditPlan
    from aava_cli.audit.profile import Profile
    from aava_cli.audit.timeline import Drawn
    from aava_cli.audit.verdicts import Verdict

    Tell: TypeAlias = Callable[[str, Status, tuple[str, ...]], None]

_MOST_CALLS = 200
_MOST_NAMES = 8
_MIXED = "another call began at the same time: their names may be exchanged"
_NO_START = "its beginning is not in the log"
_NO_END = "its end is not in the log"
_GHOST = "a ghost session: nothing was sent"


class Builder:
    """Takes calls as they end; counts all, and keeps some, failed ones before others."""

    def __init__(self, plan: AuditPlan, profile: Profile, tell: Tell) -> None:
        self._plan = plan
        self._profile = profile
        self._shown = Showing(redact=plan.redact)
        self._tell = tell
        self._gate = self._new_gate()
        self._kept: list[Kept] = []
        self._reporter = Reporter(self._shown)
        self._absent: Counter[str] = Counter()
        self._unnamed = 0
        self._unheard = dict.fromkeys(plan.scenarios)
        self.counts: Counter[str] = Counter({str(status): 0 for status in Status})
        self.calls = 0
        self.drawn: Drawn | None = None

    def _new_gate(self) -> Gate | None:
        if not self._plan.gate:
            return None
        if not set(self._profile.checks) >= NEEDED:
            message = f"the marker pack `{self._profile.name}` has no gate"
            raise UsageError(message, hint="leave `--gate` out, or choose another `--profile`")
        return Gate(self._profile.limits)

    def take(self, call: Call, judged: Judged) -> None:
        """Count one call, and keep it while there is room."""
        self.calls += 1
        name = self._name(call)
        self._hear(call)
        self._count(judged.verdicts)
        for channel in self._profile.channels:
            self._absent[channel] += channel not in call.channels
        if self._gate is not None and not call.is_ghost:
            self._gate.see(name, judged)
        self._draw(call, name)
        self._reporter.settle()
        if self._has_room(self._told(call, name, judged)):
            report = self._call_report(call, name, judged)
            self._kept.append(self._reporter.keep(report, judged.verdicts))

    def preview(self, call: Call, judged: Judged) -> None:
        """Tell how a call came out that is over, though a line of it may still come."""
        if call.ids:
            self._told(call, self._name(call), judged)

    def _told(self, call: Call, name: str, judged: Judged) -> Status:
        """Return what stands for all verdicts, and tell it unless it was told before."""
        status = gravest(each.status for each in judged.verdicts.values())
        if call.told is not status:
            self._tell(name, status, _checks_of(status, judged.verdicts))
            call.told = status
        return status

    def _has_room(self, status: Status) -> bool:
        """Return whether a call is kept; a failed one takes the place of one that is not."""
        if len(self._kept) < _MOST_CALLS:
            return True
        if status is not Status.FAIL:
            return False
        spare = next((each for each in self._kept if each.report.status is not Status.FAIL), None)
        if spare is None:
            return False
        self._kept.remove(spare)
        return True

    def _call_report(self, call: Call, name: str, judged: Judged) -> CallReport:
        return CallReport(
            call=name,
            status=gravest(each.status for each in judged.verdicts.values()),
            ids=self._told_ids(call),
            source=self._shown.name(call.source),
            is_whole=call.started and call.ended,
            is_ghost=call.is_ghost,
            scenario=judged.scenario,
            notes=tuple(_notes(call)),
            checks=self._reporter.reports(judged.verdicts),
        )

    def run(self, verdicts: Mapping[str, Verdict]) -> tuple[CheckReport, ...]:
        """Return the verdicts on the whole run as they are shown, and count them."""
        self._count(verdicts)
        return self._reporter.whole_reports(verdicts)

    def _count(self, verdicts: Mapping[str, Verdict]) -> None:
        for verdict in verdicts.values():
            self.counts[verdict.status] += 1

    def alarms(self, seen: Mapping[str, Sightings]) -> tuple[CheckReport, ...]:
        """Return what went wrong in a call that cannot be told; it fails none."""
        title = "went wrong in one of the calls"
        reason = "nothing tells of which, or whether it counts"
        return tuple(
            self._reporter.report(kind, title, undecidable(reason, seen=each))
            for kind, each in seen.items()
        )

    def coverage(self, alarms: Iterable[CheckReport] = ()) -> Coverage:
        """Return how much could be decided, beside the *alarms*."""
        return Coverage(
            calls=self.calls,
            checks=sum(self.counts.values()),
            decided=sum(self.counts[status] for status in DECIDED),
            undecidable=self.counts[Status.UNDECIDABLE],
            absent=tuple(filter(None, map(self._told_absent, self._profile.channels))),
            alarms={each.check: each.times for each in alarms},
            unheard=tuple(map(self._shown.name, self._unheard | self._undrawn())),
        )

    def _undrawn(self) -> dict[str, None]:
        wanted = self._plan.timeline
        return {} if wanted is None or self.drawn is not None else {wanted: None}

    def kept(self) -> tuple[CallReport, ...]:
        """Return the calls that are shown, in their order."""
        self._reporter.settle(at_end=True)
        return tuple(each.report for each in self._kept)

    def gate(self) -> tuple[Scenario, ...] | None:
        """Return how the gate stands, if it was asked for."""
        return None if self._gate is None else self._gate.result()

    def _name(self, call: Call) -> str:
        name = call.name(self._profile.names_first)
        if call.ids:
            return self._shown.name(name)
        self._unnamed += 1
        return f"{name}-{self._unnamed}"

    def _hear(self, call: Call) -> None:
        """Note which calls that the operator speaks of are in the log."""
        names = _names(call)
        for wanted in [each for each in self._unheard if _is_meant(each, names)]:
            del self._unheard[wanted]

    def _told_ids(self, call: Call) -> dict[str, tuple[str, ...]]:
        return {
            kind: tuple(self._shown.name(text_of(value)) for value in values[:_MOST_NAMES])
            for kind, values in call.ids.items()
        }

    def _told_absent(self, channel: str) -> str | None:
        if not self._absent[channel]:
            return None
        checks = sum(channel in CHECKS[name].needs for name in self._profile.checks)
        found = self._profile.channels[channel]
        where = "" if self._absent[channel] == self.calls else f" in {self._absent[channel]} calls"
        return f"{found.title} absent{where}, needed by {checks} checks: {found.remedy}"

    def _draw(self, call: Call, name: str) -> None:
        wanted = self._plan.timeline
        if wanted is None or call.timeline is None or self.drawn is not None:
            return
        if _is_meant(wanted, (name, *_names(call))):
            self.drawn = call.timeline.drawn(name)


def _names(call: Call) -> tuple[str, ...]:
    return tuple(text_of(value) for values in call.ids.values() for value in values)


def _is_meant(wanted: str, names: Iterable[str]) -> bool:
    return any(answers_to(each, wanted) for each in names)


def _notes(call: Call) -> list[str]:
    told = (
        (not call.started, _NO_START),
        (not call.ended, _NO_END),
        (call.is_mixed, _MIXED),
        (call.is_ghost, _GHOST),
    )
    return [note for holds, note in told if holds]


def _checks_of(status: Status, verdicts: Mapping[str, Verdict]) -> tuple[str, ...]:
    return tuple(name for name, each in verdicts.items() if each.status is status)

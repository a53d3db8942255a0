"""Which marker pack a log is of: lines of several may be in it, and only calls tell."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from aava_cli.audit.auditing import Auditor
from aava_cli.audit.report.building import Builder

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aava_cli.audit.blocks import Block
    from aava_cli.audit.collectors import Collector
    from aava_cli.audit.plan import AuditPlan
    from aava_cli.audit.profile import Profile
    from aava_cli.audit.report.building import Tell
    from aava_cli.audit.verdicts import Status

# What is said by so many lines is no accident: by about five calls. Of a log that grows they come
# in many blocks, and of one that is whole in one.
_TRIED_EVENTS = 500
# Only calls that no line names can be more, before it is known which pack they are of.
_MOST_TOLD = 1000


class Candidate:
    """One marker pack with what it makes of the log; what it tells is kept until it is asked."""

    def __init__(self, plan: AuditPlan, profile: Profile) -> None:
        self.builder = Builder(plan, profile, self._keep)
        self.auditor = Auditor(
            profile,
            plan.context_lines,
            plan.scenarios,
            self.builder.take,
            self.builder.preview,
        )
        if len({each.group for each in plan.sources}) > 1:
            self.auditor.join_groups()
        if plan.timeline is not None:
            self.auditor.keep_timelines()
        self._told: deque[tuple[str, Status, tuple[str, ...]]] = deque(maxlen=_MOST_TOLD)

    @property
    def weight(self) -> tuple[bool, int]:
        """What says that the log is of this pack: calls before any number of lines."""
        return self.auditor.has_calls, self.auditor.events

    def _keep(self, name: str, status: Status, checks: tuple[str, ...]) -> None:
        self._told.append((name, status, checks))

    def tell(self, tell: Tell) -> None:
        """Tell what was kept."""
        while self._told:
            tell(*self._told.popleft())


class Choice:
    """Follows the log by every pack in question, until calls show which it is of."""

    def __init__(self, plan: AuditPlan, profiles: Iterable[Profile], tell: Tell) -> None:
        self._candidates = [Candidate(plan, profile) for profile in profiles]
        self._tell = tell

    def likeliest(self) -> Candidate:
        """Return the pack that saw a call begin; of several, or of none, the one of most lines."""
        return max(self._candidates, key=lambda each: each.weight)

    def feed(self, source: str, group: str, collector: Collector, block: Block) -> None:
        """Take the lines of one block."""
        for each in self._candidates:
            each.auditor.feed(source, group, collector, block)
        likeliest = self.likeliest()
        if likeliest.auditor.has_calls and likeliest.auditor.events >= _TRIED_EVENTS:
            self._candidates = [likeliest]
        self._report()

    def pause(self) -> None:
        """Nothing comes just now: calls that are over are told."""
        for each in self._candidates:
            each.auditor.pause()
        self._report()

    def _report(self) -> None:
        """Tell what the likeliest pack has to tell, once it has calls or is the only one."""
        likeliest = self.likeliest()
        if likeliest.auditor.has_calls or len(self._candidates) == 1:
            likeliest.tell(self._tell)

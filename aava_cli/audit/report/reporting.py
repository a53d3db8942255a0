"""Verdicts with the places that they rest on, as they may be shown."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from aava_cli.audit.checks import CHECKS
from aava_cli.audit.excerpts import excerpts
from aava_cli.audit.report.results import CheckReport, Context, Sighting
from aava_cli.audit.verdicts import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from aava_cli.audit.places import Place
    from aava_cli.audit.report.results import CallReport
    from aava_cli.audit.report.showing import Showing
    from aava_cli.audit.verdicts import Verdict

_MOST_CONTEXTS = 100
# As a document it takes several times that, before it is written.
_MOST_BYTES = 5 << 20


class Kept:
    """A call that is shown; lines behind what failed in it come with the blocks that follow."""

    __slots__ = ("_failed", "report")

    def __init__(self, report: CallReport, failed: Mapping[str, tuple[Place, ...]]) -> None:
        self.report = report
        self._failed = failed

    @property
    def is_growing(self) -> bool:
        """Whether lines behind what failed may come."""
        return any(each.is_growing for some in self._failed.values() for each in some)

    def settle(self, around: Callable[[Iterable[Place]], tuple[Context, ...]]) -> None:
        """Take the lines *around* as they are."""
        contexts = {name: around(places) for name, places in self._failed.items()}
        checks = (replace(x, contexts=contexts.get(x.check, ())) for x in self.report.checks)
        self.report = replace(self.report, checks=tuple(checks))
        # Whoever holds a place holds the lines around it as well.
        self._failed = {}


class Reporter:
    """Makes reports of verdicts; of the first ones that failed, with the lines around."""

    def __init__(self, showing: Showing) -> None:
        self._showing = showing
        self._contexts = self._bytes = 0
        self._growing: list[Kept] = []

    def keep(self, report: CallReport, verdicts: Mapping[str, Verdict]) -> Kept:
        """Return what keeps *report*, which gets the lines around what failed."""
        failed = {name: each for name in verdicts if (each := self._failed(verdicts[name]))}
        kept = Kept(report, failed)
        if failed:
            self._growing.append(kept)
        return kept

    def settle(self, *, at_end: bool = False) -> None:
        """Take the lines around what failed where all are there, or *at_end*."""
        growing = [each for each in self._growing if each.is_growing and not at_end]
        for each in self._growing:
            if each not in growing:
                each.settle(self._around)
        self._growing = growing

    def reports(self, verdicts: Mapping[str, Verdict]) -> tuple[CheckReport, ...]:
        """Return what each check says."""
        return tuple(self.report(name, CHECKS[name].title, each) for name, each in verdicts.items())

    def whole_reports(self, verdicts: Mapping[str, Verdict]) -> tuple[CheckReport, ...]:
        """Return what each check says at the end, with the lines around what failed."""
        return tuple(
            replace(each, contexts=self._around(self._failed(verdicts[each.check])))
            for each in self.reports(verdicts)
        )

    def report(self, name: str, title: str, verdict: Verdict) -> CheckReport:
        """Return what the check *name* says."""
        seen = verdict.seen
        places = seen.places if seen is not None else []
        return CheckReport(
            check=name,
            title=title,
            status=verdict.status,
            reason=verdict.reason,
            figures=self._showing.figures(verdict.figures),
            times=seen.count if seen is not None else 0,
            seen=tuple(self._sighting(place) for place in places),
        )

    def _sighting(self, place: Place) -> Sighting:
        source, text = self._showing.name(place.source), self._showing.line(place.text)
        return Sighting(source, place.line, place.offset, place.time, text)

    def _failed(self, verdict: Verdict) -> tuple[Place, ...]:
        """Return where a *verdict* failed, if the lines around are to be shown."""
        is_full = self._contexts >= _MOST_CONTEXTS or self._bytes >= _MOST_BYTES
        if verdict.status is not Status.FAIL or is_full:
            return ()
        self._contexts += 1
        return () if verdict.seen is None else tuple(verdict.seen.places)

    def _around(self, places: Iterable[Place]) -> tuple[Context, ...]:
        found = excerpts(places)
        self._bytes += sum(len(line) for each in found for line in each.lines)
        name, line = self._showing.name, self._showing.line
        return tuple(
            Context(name(each.source), each.line, tuple(map(line, each.lines)), each.numbers)
            for each in found
        )

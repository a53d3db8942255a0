"""Verdicts with the places that they rest on, as they may be shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aava_cli.audit.checks import CHECKS
from aava_cli.audit.excerpts import excerpts
from aava_cli.audit.report.results import CheckReport, Context, Sighting
from aava_cli.audit.verdicts import Status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aava_cli.audit.places import Place
    from aava_cli.audit.report.showing import Showing
    from aava_cli.audit.verdicts import Verdict

_MOST_CONTEXTS = 100


class Reporter:
    """Makes reports of verdicts; of the first ones that failed, with the lines around."""

    def __init__(self, showing: Showing) -> None:
        self._showing = showing
        self._contexts = 0

    def reports(self, verdicts: Mapping[str, Verdict]) -> tuple[CheckReport, ...]:
        """Return what each check says."""
        return tuple(self.report(name, CHECKS[name].title, each) for name, each in verdicts.items())

    def report(self, name: str, title: str, verdict: Verdict) -> CheckReport:
        """Return what the check *name* says, with the lines around if it failed."""
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
            contexts=self._around(places) if verdict.status is Status.FAIL else (),
        )

    def _sighting(self, place: Place) -> Sighting:
        source, text = self._showing.name(place.source), self._showing.line(place.text)
        return Sighting(source, place.line, place.offset, place.time, text)

    def _around(self, places: list[Place]) -> tuple[Context, ...]:
        if self._contexts >= _MOST_CONTEXTS:
            return ()
        self._contexts += 1
        return tuple(
            Context(
                self._showing.name(each.source),
                each.line,
                tuple(map(self._showing.line, each.lines)),
                each.numbers,
            )
            for each in excerpts(places)
        )

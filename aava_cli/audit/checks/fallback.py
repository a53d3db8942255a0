"""D5: where booking fails, the caller's wish is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aava_cli.audit.checks.registry import check
from aava_cli.audit.places import KEPT_PLACES, Place, Sightings
from aava_cli.audit.verdicts import failed, not_triggered, passed, undecidable

if TYPE_CHECKING:
    from aava_cli.audit.markers import Event
    from aava_cli.audit.places import Here
    from aava_cli.audit.profile import Limits
    from aava_cli.audit.verdicts import Known, Verdict


@check("D5", "a failed booking leaves a lead", needs=("logger",))
class Fallback:
    """Every booking that fails leaves a lead of its own.

    The logger and a debug print tell of the same failure.
    """

    __slots__ = ("_exceptions", "_fallbacks", "_lost", "_printed", "_saved", "_waiting")

    def __init__(self, limits: Limits) -> None:
        del limits
        self._exceptions = self._printed = self._fallbacks = self._saved = 0
        self._waiting: list[Place] = []
        self._lost = Sightings()

    def on_tool_exception(self, event: Event, here: Here) -> None:
        """Expect a lead."""
        del event
        self._exceptions += 1
        self._wait(here)

    def on_book_tool_failed(self, event: Event, here: Here) -> None:
        """Expect a lead, unless the logger told of this failure."""
        del event
        self._printed += 1
        if self._printed > self._exceptions:
            self._wait(here)

    def _wait(self, here: Here) -> None:
        if len(self._waiting) < KEPT_PLACES:
            self._waiting.append(here.place())

    def on_fallback(self, event: Event, here: Here) -> None:
        """Count the ways around."""
        del event, here
        self._fallbacks += 1
        if self._waiting:
            self._waiting.pop()

    def on_lead_saved(self, event: Event, here: Here) -> None:
        """Count leads."""
        del event, here
        self._saved += 1

    def on_lead_unverified(self, event: Event, here: Here) -> None:
        """Note a lead of which nobody knows whether it is kept."""
        del event
        self._lost.add(here)

    def verdict(self, known: Known) -> Verdict:
        """Return whether every failed booking left a lead."""
        failures = max(self._exceptions, self._printed)
        figures = {"failures": failures, "fallbacks": self._fallbacks, "leads": self._saved}
        if self._lost.count:
            return failed("a lead could not be verified", self._lost, figures)
        if failures > self._fallbacks:
            if not known.ended:
                return undecidable("the log ends before the lead would come", figures)
            reason = "booking failed, and no lead was made"
            seen = Sightings().with_places(self._waiting)
            return failed(reason, seen, figures, by_absence=True)
        if self._saved < self._fallbacks:
            return undecidable("whether the lead was kept is not in the log", figures)
        if self._saved:
            return passed("a lead was kept", figures)
        return not_triggered("no booking failed", figures)

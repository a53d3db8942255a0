"""B1: who interrupts is heard out: confirmed, cancelled, emptied."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import TYPE_CHECKING

from aava_cli.audit.checks.registry import check
from aava_cli.audit.places import Place, Sightings
from aava_cli.audit.verdicts import failed, not_triggered, passed, undecidable, warned

if TYPE_CHECKING:
    from aava_cli.audit.markers import Event
    from aava_cli.audit.places import Here
    from aava_cli.audit.profile import Limits
    from aava_cli.audit.verdicts import Figures, Known, Verdict

# Confirmations without a cancellation so far, and responses whose turn is known.
_MOST_WAITING = 5
_MOST_RESPONSES = 8


@check("B1", "a barge-in cancels the response and empties the queues", needs=("logger",))
class BargeIn:
    """Each confirmation is followed by a cancellation, and each cancellation was confirmed.

    What was confirmed in two responses was cancelled twice; what is said on in a turn that was
    cancelled finds nothing to cancel. Confirmations and cancellations keep their order; the
    beginning of a response comes over another pipe, a little before or after.
    """

    __slots__ = (
        "_cancelled",
        "_candidates",
        "_confirmed",
        "_counted",
        "_cut",
        "_failed",
        "_flushed",
        "_flushes",
        "_turn",
        "_turns",
        "_uncancelled",
        "_unconfirmed",
        "_waiting",
    )

    def __init__(self, limits: Limits) -> None:
        del limits
        self._candidates = self._confirmed = self._cancelled = 0
        self._flushed = self._flushes = self._turn = 0
        self._counted: float | None = None
        self._turns: OrderedDict[bytes, int] = OrderedDict()
        # The first confirmation of each turn that nothing was cancelled for.
        self._waiting: dict[int, Place] = {}
        # Turns that were cut off: their response is cancelled, whatever is confirmed again.
        self._cut: deque[int] = deque(maxlen=_MOST_RESPONSES)
        self._uncancelled, self._unconfirmed = Sightings(), Sightings()
        self._failed = Sightings()

    def on_candidate(self, event: Event, here: Here) -> None:
        """Count what a confirmation comes from."""
        del event, here
        self._candidates += 1

    on_server_candidate = on_candidate

    def on_response_created(self, event: Event, here: Here) -> None:
        """Begin another turn."""
        del here
        self._turn += 1
        if event.response is not None:
            self._turns[event.response] = self._turn
            if len(self._turns) > _MOST_RESPONSES:
                self._turns.popitem(last=False)

    def on_confirmed(self, event: Event, here: Here) -> None:
        """Expect a cancellation; a second confirmation in the same turn changes nothing."""
        del event
        self._confirmed += 1
        if self._turn not in self._waiting and self._turn not in self._cut:
            if len(self._waiting) >= _MOST_WAITING:
                self._uncancelled.add_place(self._waiting.pop(min(self._waiting)))
            self._waiting[self._turn] = here.place()

    def on_cancelled(self, event: Event, here: Here) -> None:
        """Take it for what was confirmed in the response's turn, or else for the last."""
        turn = self._turns.get(event.response or b"", 0)
        if turn in self._cut and turn not in self._waiting and event.response in self._turns:
            # It is told again of the same response.
            return
        self._cancelled += 1
        if not self._waiting:
            self._unconfirmed.add(here)
            return
        confirmed = turn if turn in self._waiting else max(self._waiting)
        del self._waiting[confirmed]
        self._cut.append(confirmed)

    def on_cancel_failed(self, event: Event, here: Here) -> None:
        """Note that the response went on."""
        del event
        self._failed.add(here)
        self._waiting.clear()

    def on_flush(self, event: Event, here: Here) -> None:
        """Count emptied queues, as they are printed."""
        del event, here
        self._flushes += 1

    def on_flushed(self, event: Event, here: Here) -> None:
        """Count emptied queues, as the logger says."""
        del event, here
        self._flushed += 1

    def on_call_metrics(self, event: Event, here: Here) -> None:
        """Take note of the pipeline's own count."""
        del here
        self._counted = event.number("barge_in_events")

    def verdict(self, known: Known) -> Verdict:
        """Return whether every link of the chain is there."""
        figures = {
            "candidates": self._candidates,
            "confirmed": self._confirmed,
            "cancelled": self._cancelled,
            "flushed": max(self._flushed, self._flushes),
        }
        if self._failed.count:
            return failed("a response could not be cancelled", self._failed, figures)
        if self._unconfirmed.count:
            if not known.started:
                return undecidable("the log begins after what may have confirmed it", figures)
            return failed(
                "cancelled without being confirmed", self._unconfirmed, figures, by_absence=True
            )
        if self._uncancelled.count or self._waiting:
            return self._not_cancelled(known, figures)
        if not self._confirmed:
            return not_triggered("no barge-in was confirmed", figures)
        return self._whole(figures)

    def _not_cancelled(self, known: Known, figures: Figures) -> Verdict:
        if not known.ended and not self._uncancelled.count:
            return undecidable("the log ends before what it would lead to", figures)
        seen = self._uncancelled.with_places(self._waiting.values() if known.ended else ())
        return failed("confirmed, and nothing was cancelled", seen, figures, by_absence=True)

    def _whole(self, figures: Figures) -> Verdict:
        if max(self._flushed, self._flushes) < self._cancelled:
            reason = "cancelled, and not every time a queue was emptied"
            return warned(reason, None, figures, by_absence=True)
        if not self._candidates:
            return warned("confirmed without a candidate", None, figures, by_absence=True)
        if self._counted == 0:
            # It counts the candidates of the server alone; one found here keeps it from counting.
            reason = "a barge-in that the pipeline did not count"
            return warned(reason, None, {**figures, "counted": 0}, by_absence=True)
        return passed("confirmed, cancelled, emptied", figures)

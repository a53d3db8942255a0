"""B: a caller who interrupts is let through, and one who only murmurs is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aava_cli.audit.checks.registry import check
from aava_cli.audit.places import Place, Sightings
from aava_cli.audit.verdicts import failed, not_triggered, passed, undecidable, warned

if TYPE_CHECKING:
    from aava_cli.audit.markers import Event
    from aava_cli.audit.places import Here
    from aava_cli.audit.profile import Limits
    from aava_cli.audit.verdicts import Known, Verdict

# Cancellations that were seen without a confirmation, kept until one explains them.
_MOST_WAITING = 5


@check("B1", "a barge-in cancels the response and empties the queues", needs=("logger",))
class BargeIn:
    """Each confirmation is followed by a cancellation, and each cancellation was confirmed."""

    __slots__ = (
        "_cancelled",
        "_confirmed",
        "_counted",
        "_failed",
        "_flushed",
        "_unconfirmed",
        "_waiting",
    )

    def __init__(self, limits: Limits) -> None:
        del limits
        self._confirmed = self._cancelled = self._flushed = 0
        self._counted: float | None = None
        self._waiting: Place | None = None
        self._unconfirmed, self._failed = Sightings(), Sightings()

    def on_confirmed(self, event: Event, here: Here) -> None:
        """Expect a cancellation; a second confirmation of the same barge-in changes nothing."""
        del event
        self._confirmed += 1
        self._waiting = here.place()

    def on_cancelled(self, event: Event, here: Here) -> None:
        """Take it for what a confirmation asked for."""
        del event
        self._cancelled += 1
        if self._waiting is None:
            self._unconfirmed.add(here)
        self._waiting = None

    def on_cancel_failed(self, event: Event, here: Here) -> None:
        """Note that the response went on."""
        del event
        self._failed.add(here)
        self._waiting = None

    def on_flush(self, event: Event, here: Here) -> None:
        """Count emptied queues."""
        del event, here
        self._flushed += 1

    on_flushed = on_flush

    def on_call_metrics(self, event: Event, here: Here) -> None:
        """Take note of the pipeline's own count."""
        del here
        self._counted = event.number("barge_in_events")

    def verdict(self, known: Known) -> Verdict:
        """Return whether every link of the chain is there."""
        figures = {
            "confirmed": self._confirmed,
            "cancelled": self._cancelled,
            "flushed": self._flushed,
        }
        if self._failed.count:
            return failed("a response could not be cancelled", self._failed, figures)
        if self._unconfirmed.count:
            if not known.started:
                return undecidable("the log begins after what may have confirmed it", figures)
            return failed(
                "cancelled without being confirmed", self._unconfirmed, figures, by_absence=True
            )
        if self._waiting is not None:
            return self._uncancelled(known, figures)
        if not self._confirmed:
            return not_triggered("no barge-in was confirmed", figures)
        return self._whole(figures)

    def _uncancelled(self, known: Known, figures: dict[str, int]) -> Verdict:
        if not known.ended or self._waiting is None:
            return undecidable("the log ends before what it would lead to", figures)
        seen = Sightings()
        seen.add_place(self._waiting)
        return failed("confirmed, and nothing was cancelled", seen, figures, by_absence=True)

    def _whole(self, figures: dict[str, int]) -> Verdict:
        if not self._flushed:
            return warned("cancelled, and no queue was emptied", None, figures, by_absence=True)
        if self._counted == 0:
            # It counts the candidates of the server alone; one found here keeps it from counting.
            return warned("a barge-in that the pipeline did not count", None, figures)
        return passed("confirmed, cancelled, emptied", figures)


@check("B1+", "a barge-in in the first moment of a turn", needs=("prints", "logger"))
class EarlyBargeIn:
    """A voice is let through from the first moment on that the AI speaks."""

    __slots__ = ("_blocked", "_earliest_ms", "_early_ms", "_held", "_most", "_vad_frames")

    def __init__(self, limits: Limits) -> None:
        self._early_ms = limits.numbers["early_ms"]
        self._vad_frames = limits.numbers["vad_frames"]
        self._most = limits.numbers["blocked_lines"]
        self._earliest_ms = float("inf")
        self._blocked: list[Place] = []
        self._held = Sightings()

    def on_since_ai_start(self, event: Event, here: Here) -> None:
        """Note how early a candidate came."""
        del here
        self._earliest_ms = min(self._earliest_ms, float(event.fields["ms"]))
        self._blocked = []

    def on_candidate(self, event: Event, here: Here) -> None:
        """Forget what was held back before a voice was let through."""
        del event, here
        self._blocked = []

    def on_blocking(self, event: Event, here: Here) -> None:
        """Note a voice that is held back, line after line."""
        if event.fields["vad_frames"] < self._vad_frames:
            return
        if len(self._blocked) < self._most:
            self._blocked.append(here.place())
        if len(self._blocked) >= self._most:
            self._held.add_place(self._blocked[-1])

    def on_response_created(self, event: Event, here: Here) -> None:
        """Begin another turn."""
        del event, here
        self._blocked = []

    on_ai_starts = on_response_created

    def verdict(self, known: Known) -> Verdict:
        """Return whether an early voice was let through, or one held back for long."""
        del known
        if self._held.count:
            return failed("a voice was held back for a whole turn", self._held, by_absence=True)
        if self._earliest_ms < self._early_ms:
            return passed("a voice was let through at once", {"earliest_ms": self._earliest_ms})
        return not_triggered("nobody spoke in the first moment of a turn")


@check("B2", "a murmur cancels nothing", needs=("logger",))
class Murmur:
    """What is no word is not confirmed, and the AI speaks on."""

    __slots__ = ("_cut", "_fillers", "_is_open", "_murmurs")

    def __init__(self, limits: Limits) -> None:
        self._fillers = limits.words.get("fillers", frozenset())
        self._murmurs, self._is_open = 0, False
        self._cut = Sightings()

    def on_not_confirmed(self, event: Event, here: Here) -> None:
        """Expect that nothing happens."""
        del event, here
        self._murmurs += 1
        self._is_open = True

    on_filler_drop = on_not_confirmed

    def on_confirmed(self, event: Event, here: Here) -> None:
        """Note what should not have been confirmed."""
        self._is_open = False
        if event.text("text").removesuffix("...").strip(" .,!?") in self._fillers:
            self._murmurs += 1
            self._cut.add(here)

    def on_cancelled(self, event: Event, here: Here) -> None:
        """Note that a murmur cancelled the response."""
        del event
        if self._is_open:
            self._cut.add(here)
        self._is_open = False

    def on_response_created(self, event: Event, here: Here) -> None:
        """Begin another turn: what is cancelled now is another matter."""
        del event, here
        self._is_open = False

    def verdict(self, known: Known) -> Verdict:
        """Return whether a murmur had an effect."""
        del known
        figures = {"murmurs": self._murmurs}
        if self._cut.count:
            return failed("a murmur cut the AI off", self._cut, figures, by_absence=True)
        if self._murmurs:
            return passed("murmurs were ignored", {"murmurs": self._murmurs})
        return not_triggered("nobody murmured")


@check("B3", "the server never cancels by itself", needs=("stdout",))
class ServerCancels:
    """A response that the server cancelled was cancelled by a confirmed barge-in first.

    The pipeline's own complaint is not believed after a confirmation: it never learns of one.
    """

    __slots__ = ("_by_server", "_confirmed", "_done", "_excused", "_violations", "_waiting")

    def __init__(self, limits: Limits) -> None:
        del limits
        self._done = self._by_server = self._excused = 0
        self._confirmed = False
        self._waiting: list[Place] = []
        self._violations = Sightings()

    def on_response_created(self, event: Event, here: Here) -> None:
        """Begin another response, which nobody has interrupted."""
        del event, here
        self._settle()
        self._confirmed = False

    def on_confirmed(self, event: Event, here: Here) -> None:
        """Excuse what is cancelled in this response, also where that was printed first."""
        del event, here
        self._confirmed = True
        self._excused += len(self._waiting)
        self._waiting = []

    def on_response_done(self, event: Event, here: Here) -> None:
        """Count a response; note one that the server cancelled."""
        self._done += 1
        if event.text("reason") == "turn_detected":
            self._by_server += 1
            self._suspect(here)

    def on_b3_violation(self, event: Event, here: Here) -> None:
        """Note the pipeline's own complaint."""
        del event
        self._suspect(here)

    def _suspect(self, here: Here) -> None:
        if self._confirmed:
            self._excused += 1
        elif len(self._waiting) < _MOST_WAITING:
            self._waiting.append(here.place())

    def _settle(self) -> None:
        for place in self._waiting:
            self._violations.add_place(place)
        self._waiting = []

    def verdict(self, known: Known) -> Verdict:
        """Return whether the server cancelled without a confirmation."""
        self._settle()
        figures = {"responses": self._done, "by_server": self._by_server, "excused": self._excused}
        if self._violations.count:
            is_logged = "logger" in known.channels
            reason = "" if is_logged else "; the logger, which would confirm it, is absent"
            reason = f"the server cancelled a response{reason}"
            return failed(reason, self._violations, figures, by_absence=True)
        if not self._done:
            return undecidable("the end of no response is in the log", figures)
        return passed("the server cancelled nothing by itself", figures)

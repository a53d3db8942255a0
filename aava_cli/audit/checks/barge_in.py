"""B: a caller who interrupts early is let through, and one who only murmurs is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aava_cli.audit.checks.registry import check
from aava_cli.audit.checks.wording import bare
from aava_cli.audit.places import Place, Sightings
from aava_cli.audit.verdicts import failed, not_triggered, passed, undecidable

if TYPE_CHECKING:
    from aava_cli.audit.markers import Event
    from aava_cli.audit.places import Here
    from aava_cli.audit.profile import Limits
    from aava_cli.audit.verdicts import Known, Verdict

# Cancellations that were seen without a confirmation, kept until one explains them.
_MOST_WAITING = 5


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
            return failed("a voice was held back again and again", self._held, by_absence=True)
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
        if bare(event.text("text")) in self._fillers:
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
    That there was none can only be told where the logger is, which would print it.
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
        for place in self._waiting:
            self._violations.add_place(place)
        self._waiting = []
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

    def verdict(self, known: Known) -> Verdict:
        """Return whether the server cancelled without a confirmation."""
        violations = self._violations.with_places(self._waiting)
        figures = {"responses": self._done, "by_server": self._by_server, "excused": self._excused}
        if violations.count:
            reason = "the server cancelled a response"
            if "logger" not in known.channels:
                reason += "; the logger, which would confirm it, is absent"
                return undecidable(reason, figures, violations)
            if not known.started or not (known.ended or self._violations.count):
                return undecidable("the log is cut where it may be confirmed", figures, violations)
            return failed(reason, violations, figures, by_absence=True)
        if not self._done:
            return undecidable("the end of no response is in the log", figures)
        return passed("the server cancelled nothing by itself", figures)

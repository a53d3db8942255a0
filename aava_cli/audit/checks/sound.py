"""A: sound goes out steadily, and the caller can come between."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aava_cli.audit.checks.registry import check
from aava_cli.audit.places import Place, Sightings
from aava_cli.audit.quoting import is_quoted
from aava_cli.audit.verdicts import (
    failed,
    not_triggered,
    passed,
    undecidable,
    warned,
)

if TYPE_CHECKING:
    from aava_cli.audit.markers import Event
    from aava_cli.audit.places import Here
    from aava_cli.audit.profile import Limits
    from aava_cli.audit.verdicts import Known, Verdict

_NO_GAP_MS = -1.0
# So many seconds alone are what a verdict may rest on.
_FEW = 3


@check("A1+", "no gap within a long turn of the AI", needs=("prints",), verdict="long_turns")
@check("A1", "sound goes out steadily", needs=("prints",))
class SteadySound:
    """Every steady second has enough frames, no long gap, and loses nothing.

    A second across the bounds of a response is not steady: nothing was to be sent in a part of
    it, and the clock of the gap runs on while nothing is sent.
    """

    __slots__ = (
        "_bad",
        "_blocked_frames",
        "_fps_least",
        "_fps_most",
        "_gap_below_ms",
        "_highest_fps",
        "_is_crossing",
        "_long_turn_ms",
        "_longest_gap_ms",
        "_longest_row",
        "_lost",
        "_lowest_fps",
        "_skipped",
        "_spike_fail_ms",
        "_spike_ms",
        "_spike_place",
        "_spike_warn_ms",
        "_turns",
        "_windows",
        "_windows_to_bad",
        "_worst",
        "_worst_ms",
    )

    def __init__(self, limits: Limits) -> None:
        numbers = limits.numbers
        self._fps_least = numbers["fps_least"]
        self._fps_most = numbers["fps_most"]
        self._gap_below_ms = numbers["gap_below_ms"]
        self._is_crossing = True
        self._windows = self._windows_to_bad = self._skipped = self._longest_row = 0
        self._lowest_fps, self._highest_fps, self._longest_gap_ms = float("inf"), 0.0, 0.0
        self._bad, self._lost = Sightings(), Sightings()
        self._blocked_frames = 0.0
        self._spike_warn_ms, self._spike_fail_ms = (
            numbers["spike_warn_ms"],
            numbers["spike_fail_ms"],
        )
        self._long_turn_ms = numbers["long_turn_ms"]
        # The longest gap of this turn, none before its first steady second; where it was.
        self._spike_ms = _NO_GAP_MS
        self._spike_place: Place | None = None
        self._turns, self._worst_ms = 0, 0.0
        self._worst = Sightings()

    def on_tx_metrics(self, event: Event, here: Here) -> None:
        """Judge one second."""
        fields = event.fields
        fps, gap_ms = fields["fps"], fields["max_gap_ms"]
        is_good = self._fps_least <= fps <= self._fps_most and gap_ms < self._gap_below_ms
        # To look at the line takes long: only where much depends on it.
        if self._is_crossing or not is_good or fields["drops"] or self._windows < _FEW:
            if is_quoted(here.head()):
                return
            if fields["drops"]:
                self._lost.add(here)
            if self._is_crossing:
                self._is_crossing = False
                self._skipped += 1
                return
            if not is_good:
                self._longest_row = self._good_in_a_row()
                self._windows_to_bad = self._windows + 1
                self._bad.add(here)
        self._windows += 1
        # These are the most of all lines, and calls of `min` and `max` would take half of the time.
        if fps < self._lowest_fps:  # noqa: PLR1730
            self._lowest_fps = fps
        if fps > self._highest_fps:  # noqa: PLR1730
            self._highest_fps = fps
        if gap_ms > self._spike_ms:
            self._spike_ms = gap_ms
            self._spike_place = here.place() if gap_ms >= self._spike_warn_ms else None
            if gap_ms > self._longest_gap_ms:  # noqa: PLR1730
                self._longest_gap_ms = gap_ms

    def _good_in_a_row(self) -> int:
        return max(self._longest_row, self._windows - self._windows_to_bad)

    def _cross(self, event: Event, here: Here) -> None:
        del event, here
        self._is_crossing = True

    def on_tx_start(self, event: Event, here: Here) -> None:
        """Begin a turn."""
        del event, here
        self._is_crossing = True
        self._spike_ms, self._spike_place = _NO_GAP_MS, None

    def on_tx_end(self, event: Event, here: Here) -> None:
        """Judge the turn, if it was long."""
        gap_ms, place = self._spike_ms, self._spike_place
        if gap_ms > _NO_GAP_MS and (event.number("duration_ms") or 0.0) >= self._long_turn_ms:
            self._turns += 1
            self._worst_ms = max(self._worst_ms, gap_ms)
            if place is not None:
                self._worst.add_place(place)
        self.on_tx_start(event, here)

    on_flush = on_flushed = on_cancelled = _cross
    on_response_created = on_response_done = on_ai_starts = _cross

    def on_call_metrics(self, event: Event, here: Here) -> None:
        """Take note of frames that were lost in a queue, and of those that were held back."""
        if event.number("frames_dropped_queue"):
            self._lost.add(here)
        dropped = event.number("frames_dropped") or event.number("frames_dropped_total") or 0.0
        self._blocked_frames = max(self._blocked_frames, dropped)

    def on_simple_mode_violation(self, event: Event, here: Here) -> None:
        """Take note of frames that were held back."""
        del here
        self._blocked_frames = max(self._blocked_frames, event.number("frames") or 0.0)

    def verdict(self, known: Known) -> Verdict:
        """Return whether all of it was steady."""
        del known
        if not self._windows and not self._lost.count:
            return undecidable("no steady second is in the log", {"crossing": self._skipped})
        figures: dict[str, float] = {
            "seconds": self._windows,
            "good_in_a_row": self._good_in_a_row(),
            "fps_least": self._lowest_fps,
            "fps_most": self._highest_fps,
            "gap_most_ms": self._longest_gap_ms,
            "crossing": self._skipped,
        }
        if self._bad.count:
            return failed(
                f"{self._bad.count} unsteady seconds", self._bad, figures, by_absence=True
            )
        if self._lost.count:
            return failed("frames were lost", self._lost, figures)
        if self._blocked_frames:
            # It counts what the caller said during the greeting and while the AI spoke, which
            # is held back on purpose.
            reason = "steady; the count of frames held back is not zero"
            figures["frames_dropped"] = self._blocked_frames
            return warned(reason, None, figures, by_absence=True)
        return passed(f"{self._windows} steady seconds", figures)

    def long_turns(self, known: Known) -> Verdict:
        """Return how bad the worst gap of all long turns is."""
        del known
        if not self._turns:
            return not_triggered("no turn of the AI was long")
        figures = {"turns": self._turns, "gap_most_ms": self._worst_ms}
        if self._worst_ms > self._spike_fail_ms:
            return failed("a gap that is heard", self._worst, figures, by_absence=True)
        if self._worst_ms >= self._spike_warn_ms:
            return warned("a gap that may be heard", self._worst, figures)
        return passed("no gap in a long turn", figures)

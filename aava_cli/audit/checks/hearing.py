"""A2, A3, C3: the caller is heard while the AI speaks, and what was cut off stays silent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aava_cli.audit.checks.registry import check
from aava_cli.audit.places import Place, Sightings
from aava_cli.audit.verdicts import failed, not_triggered, passed

if TYPE_CHECKING:
    from aava_cli.audit.markers import Event
    from aava_cli.audit.places import Here
    from aava_cli.audit.profile import Limits
    from aava_cli.audit.verdicts import Known, Verdict

_BOTH = ("prints", "logger")


@check("C3", "half duplex holds back noise, not a voice", needs=_BOTH, verdict="half_duplex")
@check("A2", "a voice becomes a candidate while the AI speaks", needs=_BOTH)
class CallerIsHeard:
    """Sound with a voice in it is never held back while the AI speaks."""

    __slots__ = ("_blocked", "_candidates", "_ignored", "_most_frames", "_vad_frames")

    def __init__(self, limits: Limits) -> None:
        self._vad_frames = limits.numbers["vad_frames"]
        self._candidates = self._blocked = 0
        self._most_frames = 0.0
        self._ignored = Sightings()

    def on_candidate(self, event: Event, here: Here) -> None:
        """Count a voice that was taken for a barge-in."""
        del event, here
        self._candidates += 1

    def on_blocking(self, event: Event, here: Here) -> None:
        """Count sound that was held back; a voice of that length must not be."""
        frames = event.fields["vad_frames"]
        self._blocked += 1
        if frames > self._most_frames:  # noqa: PLR1730 - as in `sound.py`
            self._most_frames = frames
        if frames >= self._vad_frames:
            self._ignored.add(here)

    def verdict(self, known: Known) -> Verdict:
        """Return whether every voice became a candidate."""
        del known
        figures = self._figures()
        if self._ignored.count:
            return failed("a voice was held back", self._ignored, figures)
        if self._candidates:
            # The pipeline measures the loudness of bytes that it has not decoded.
            return passed("a voice, or faint noise, became a candidate", figures)
        return not_triggered("nobody spoke while the AI did", figures)

    def half_duplex(self, known: Known) -> Verdict:
        """Return whether noise was held back and a voice let through."""
        del known
        figures = self._figures()
        if self._ignored.count:
            return failed("a voice was held back", self._ignored, figures)
        if self._candidates and self._blocked:
            return passed("noise was held back, and a voice let through", figures)
        return not_triggered("only one of the two was needed", figures)

    def _figures(self) -> dict[str, float]:
        return {
            "candidates": self._candidates,
            "blocked": self._blocked,
            "vad_frames_most": self._most_frames,
        }


@check("A3", "what was cancelled stays silent", needs=_BOTH)
class CancelledIsSilent:
    """Between a cancelled response and the next one, no sound of it comes."""

    __slots__ = ("_cancelled", "_early", "_is_flushed", "_is_watching", "_late", "_reordered")

    def __init__(self, limits: Limits) -> None:
        self._reordered = limits.numbers["reordered_lines"]
        self._cancelled = 0
        self._is_watching = self._is_flushed = False
        self._early: list[Place] = []
        self._late = Sightings()

    def on_cancelled(self, event: Event, here: Here) -> None:
        """Begin to watch."""
        del event, here
        self._settle()
        self._cancelled += 1
        self._is_watching, self._is_flushed = True, False

    def on_flush(self, event: Event, here: Here) -> None:
        """Forgive what overtook the flush: prints and the logger come over different pipes."""
        del event, here
        self._is_watching, self._is_flushed = True, True
        if len(self._early) <= self._reordered:
            self._early = []

    def on_audio_delta(self, event: Event, here: Here) -> None:
        """Note sound that should not come."""
        del event
        if self._is_watching and self._is_flushed:
            self._late.add(here)
        elif self._is_watching and len(self._early) <= self._reordered:
            self._early.append(here.place())

    def on_response_created(self, event: Event, here: Here) -> None:
        """Stop watching: what comes now is of the next response."""
        del event, here
        self._settle()
        self._is_watching = False

    def _settle(self) -> None:
        for place in self._early:
            self._late.add_place(place)
        self._early = []

    def verdict(self, known: Known) -> Verdict:
        """Return whether sound came late."""
        del known
        late = self._late.with_places(self._early)
        figures = {"cancelled": self._cancelled}
        if late.count:
            return failed("sound of a cancelled response", late, figures, by_absence=True)
        if self._cancelled:
            return passed("no sound of a cancelled response", figures)
        return not_triggered("no response was cancelled")

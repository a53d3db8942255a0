"""D1 to D3: appointments are made with the right tools, and never only in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aava_cli.audit.checks.registry import check
from aava_cli.audit.checks.wording import Claims, spoken
from aava_cli.audit.places import Sightings
from aava_cli.audit.verdicts import failed, manual, not_triggered, passed, undecidable, warned

if TYPE_CHECKING:
    from aava_cli.audit.markers import Event
    from aava_cli.audit.places import Here
    from aava_cli.audit.profile import Limits
    from aava_cli.audit.verdicts import Known, Verdict


@check("D1", "tools are on exactly where appointments are", needs=("prints", "logger"))
class Tools:
    """Both tools for an appointment with scheduling on, and none otherwise."""

    __slots__ = ("_is_disabled", "_is_enabled", "_lines", "_tools", "_used", "_wrong")

    def __init__(self, limits: Limits) -> None:
        self._tools = limits.numbers["tools"]
        self._is_enabled = self._is_disabled = False
        self._lines = 0
        self._wrong, self._used = Sightings(), Sightings()

    def on_tools_enabled(self, event: Event, here: Here) -> None:
        """Compare with the goal of the call."""
        self._lines += 1
        self._is_enabled, self._is_disabled = True, False
        if event.number("tools_count") != self._tools or self._is_wanted(event) is False:
            self._wrong.add(here)

    def on_tools_disabled(self, event: Event, here: Here) -> None:
        """Compare with the goal of the call."""
        self._lines += 1
        self._is_disabled = True
        if event.number("tools_count") or self._is_wanted(event) is True:
            self._wrong.add(here)

    def on_book_request(self, event: Event, here: Here) -> None:
        """Note a tool that is used although it is off."""
        del event
        if self._is_disabled:
            self._used.add(here)

    on_check_request = on_book_request

    @staticmethod
    def _is_wanted(event: Event) -> bool | None:
        goal, scheduling = (
            event.text(each).strip("'\"") for each in ("call_goal", "enable_calendar_scheduling")
        )
        if not goal or not scheduling:
            return None
        return goal == "appointment" and scheduling == "True"

    def verdict(self, known: Known) -> Verdict:
        """Return whether the tools fit the call."""
        del known
        figures = {"lines": self._lines, "enabled": int(self._is_enabled)}
        if self._wrong.count:
            return failed("the tools do not fit the call", self._wrong, figures)
        if self._used.count:
            # They may have been turned on again.
            return failed("a tool was used that was off", self._used, figures, by_absence=True)
        if not self._lines:
            return undecidable("which tools were on is not in the log")
        return passed("the tools fit the call", figures)


@check("D2", "nothing is booked before a free slot was found", needs=("prints",))
class BookingOrder:
    """A booking is asked for only after a free slot was found."""

    __slots__ = ("_booked", "_early", "_found", "_requests")

    def __init__(self, limits: Limits) -> None:
        del limits
        self._found = self._requests = self._booked = 0
        self._early = Sightings()

    def on_check_found(self, event: Event, here: Here) -> None:
        """Count free slots."""
        del here
        if event.number("slots"):
            self._found += 1

    def on_book_request(self, event: Event, here: Here) -> None:
        """Note a booking out of turn."""
        del event
        self._requests += 1
        if not self._found:
            self._early.add(here)

    def on_book_success(self, event: Event, here: Here) -> None:
        """Count appointments."""
        del event, here
        self._booked += 1

    def verdict(self, known: Known) -> Verdict:
        """Return whether a booking came out of turn."""
        figures = {"found": self._found, "requests": self._requests, "booked": self._booked}
        if self._early.count:
            if not known.started:
                return undecidable("the log begins after what may have been found", figures)
            reason = "booked before a free slot was found"
            return failed(reason, self._early, figures, by_absence=True)
        if self._requests:
            return passed("booked what was found", figures)
        return not_triggered("nothing was to be booked", figures)


@check("D2+", "no appointment is claimed that was not made", needs=("prints",))
class BookingClaims:
    """The AI says that an appointment is made only when one is."""

    __slots__ = ("_booked", "_claims", "_doubtful", "_failures", "_has_failed", "_wording")

    def __init__(self, limits: Limits) -> None:
        self._wording = Claims(limits.words)
        self._booked = self._failures = 0
        # Whether the last booking failed, and what was claimed since.
        self._has_failed = False
        self._claims, self._doubtful = Sightings(), Sightings()

    def on_book_success(self, event: Event, here: Here) -> None:
        """Count appointments."""
        del event, here
        self._booked += 1
        self._has_failed = False

    on_book_already = on_book_success

    def on_check_none(self, event: Event, here: Here) -> None:
        """Count what cannot be booked."""
        del event, here
        self._failures += 1

    on_check_failed = on_check_none

    def on_book_failed(self, event: Event, here: Here) -> None:
        """Count a booking that failed."""
        self.on_check_none(event, here)
        self._has_failed = True

    on_book_tool_failed = on_book_failed

    def on_ai_said(self, event: Event, here: Here) -> None:
        """Note a claim; the appointment may have been made already, or be printed late."""
        if self._wording.are_in(spoken(event.text("text"))):
            self._claims.add(here)
            if self._has_failed:
                self._doubtful.add(here)

    def verdict(self, known: Known) -> Verdict:
        """Return whether a claim has nothing behind it."""
        figures = {
            "claims": self._claims.count,
            "booked": self._booked,
            "failures": self._failures,
        }
        if self._claims.count and not self._booked:
            if not (known.started and known.ended):
                return undecidable("the log lacks where it may have been booked", figures)
            reason = "an appointment was claimed and not made"
            return failed(reason, self._claims, figures, by_absence=True)
        if self._doubtful.count:
            reason = "claimed behind a booking that failed; another was made"
            return warned(reason, self._doubtful, figures)
        if self._failures:
            return passed("a failure was not called a success", figures)
        return not_triggered("nothing failed", figures)


@check("D3", "the AI speaks on after a tool", needs=())
class SpeaksAfterTool:
    """What is sent to the server is not in the log; a person has to look."""

    __slots__ = ("_is_waiting", "_tools", "_with_response")

    def __init__(self, limits: Limits) -> None:
        del limits
        self._tools = self._with_response = 0
        self._is_waiting = False

    def _use(self, event: Event, here: Here) -> None:
        del event, here
        self._tools += 1
        self._is_waiting = True

    on_book_request = on_check_request = _use

    def on_response_created(self, event: Event, here: Here) -> None:
        """Count tools behind which a response came."""
        del event, here
        self._with_response += self._is_waiting
        self._is_waiting = False

    def verdict(self, known: Known) -> Verdict:
        """Return what hints at it."""
        del known
        reason = "what the tool answered is not logged: listen to the call"
        return manual(reason, {"tools": self._tools, "followed_by_response": self._with_response})

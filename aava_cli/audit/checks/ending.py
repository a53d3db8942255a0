"""F, End: a call ends politely, and leaves nothing behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aava_cli.audit.checks.registry import check
from aava_cli.audit.checks.wording import spoken
from aava_cli.audit.places import KEPT_PLACES, Place, Sightings
from aava_cli.audit.verdicts import failed, not_triggered, passed, undecidable

if TYPE_CHECKING:
    from aava_cli.audit.markers import Event
    from aava_cli.audit.places import Here
    from aava_cli.audit.profile import Limits
    from aava_cli.audit.verdicts import Known, Verdict

_NO_END = "the end of the call is not in the log"


@check("F1", "state is reset", needs=("prints",))
class Reset:
    """What began to be reset was reset. That the flags are right, no log says."""

    __slots__ = ("_begun", "_done", "_open")

    def __init__(self, limits: Limits) -> None:
        del limits
        self._begun = self._done = 0
        self._open: list[Place] = []

    def on_cleanup_begun(self, event: Event, here: Here) -> None:
        """Expect the end of it."""
        del event
        self._begun += 1
        if len(self._open) < KEPT_PLACES:
            self._open.append(here.place())

    def on_cleanup_done(self, event: Event, here: Here) -> None:
        """Count what was reset."""
        del event, here
        self._done += 1
        if self._open:
            self._open.pop()

    def verdict(self, known: Known) -> Verdict:
        """Return whether every reset came to its end."""
        figures = {"begun": self._begun, "done": self._done}
        if self._begun > self._done:
            if not known.done:
                return undecidable("the log ends before the reset would", figures)
            seen = Sightings().with_places(self._open)
            return failed("a reset did not end", seen, figures, by_absence=True)
        if self._done:
            return passed("state was reset", figures)
        return undecidable("no reset is in the log", figures)


@check("F2", "threads end", needs=("prints", "logger"))
class Threads:
    """Every background thread ends; a complaint counts more than the claim of success."""

    __slots__ = ("_complete", "_stuck")

    def __init__(self, limits: Limits) -> None:
        del limits
        self._complete = 0
        self._stuck = Sightings()

    def on_threads_done(self, event: Event, here: Here) -> None:
        """Count the claims of success."""
        del event, here
        self._complete += 1

    def on_thread_stuck(self, event: Event, here: Here) -> None:
        """Note a thread that did not end."""
        del event
        self._stuck.add(here)

    on_f2_violation = on_thread_stuck

    def verdict(self, known: Known) -> Verdict:
        """Return whether all threads ended."""
        del known
        if self._stuck.count:
            return failed("a thread did not end", self._stuck, {"complete": self._complete})
        if self._complete:
            return passed("all threads ended", {"complete": self._complete})
        return undecidable("the end of the threads is not in the log")


@check("F3", "the connection is closed once", needs=("stdout", "logger"))
class ConnectionCloses:
    """Closing the connection raises nothing; that it worked is seldom printed.

    Silence counts only where both channels are there that an error comes through.
    """

    __slots__ = ("_closed", "_errors")

    def __init__(self, limits: Limits) -> None:
        del limits
        self._closed = 0
        self._errors = Sightings()

    def on_ws_closed(self, event: Event, here: Here) -> None:
        """Count the connections that say so."""
        del event, here
        self._closed += 1

    def on_ws_close_error(self, event: Event, here: Here) -> None:
        """Note what was raised."""
        del event
        self._errors.add(here)

    on_asgi_error = on_no_close = on_ws_close_error

    def verdict(self, known: Known) -> Verdict:
        """Return whether closing raised anything."""
        if self._errors.count:
            return failed("closing the connection raised an error", self._errors)
        if self._closed:
            return passed("the connection was closed", {"closed": self._closed})
        if not known.ended:
            return undecidable(_NO_END)
        return passed("nothing was raised", {"closed": 0})


@check("End", "a goodbye ends the call", needs=("prints",))
class Goodbye:
    """After a goodbye the AI asks nothing more, and the call is allowed to end."""

    __slots__ = ("_blocked", "_goodbyes", "_hangups", "_questions")

    def __init__(self, limits: Limits) -> None:
        del limits
        self._goodbyes = self._hangups = 0
        self._questions, self._blocked = Sightings(), Sightings()

    def on_user_goodbye(self, event: Event, here: Here) -> None:
        """Expect the end of the call."""
        del event, here
        self._goodbyes += 1

    on_user_goodbye_170 = on_user_goodbye

    def on_will_hangup(self, event: Event, here: Here) -> None:
        """Count what leads to the end."""
        del here
        self._hangups += event.text("value") == "True"

    def on_hangup(self, event: Event, here: Here) -> None:
        """Count the end."""
        del event, here
        self._hangups += 1

    on_hangup_smart = on_hangup_auto = on_hangup

    def on_hangup_blocked(self, event: Event, here: Here) -> None:
        """Note that the end was refused."""
        del event
        if self._goodbyes:
            self._blocked.add(here)

    def on_ai_said(self, event: Event, here: Here) -> None:
        """Note a question behind the goodbye."""
        if self._goodbyes and spoken(event.text("text")).rstrip(" \"'").endswith("?"):
            self._questions.add(here)

    def verdict(self, known: Known) -> Verdict:
        """Return whether the call ended as the caller wished."""
        figures = {"goodbyes": self._goodbyes, "hangups": self._hangups}
        if self._blocked.count:
            return failed("hanging up was refused after a goodbye", self._blocked, figures)
        if self._questions.count:
            return failed("the AI asked on after a goodbye", self._questions, figures)
        if not self._goodbyes:
            return not_triggered("nobody said goodbye")
        if not known.ended:
            return undecidable(_NO_END, figures)
        return passed("the call ended after the goodbye", figures)

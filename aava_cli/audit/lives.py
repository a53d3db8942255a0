"""The calls of a stream by how far they are, up to where nothing more of them can come.

When a call is over is decided by the log alone, so that the pauses in which it was read change
nothing.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from aava_cli.audit.calls import Call
from aava_cli.audit.names import Names
from aava_cli.audit.responses import Responses
from aava_cli.audit.tails import OVERTAKEN, Tails

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aava_cli.audit.profile import Profile

_MOST_LIVE = 64
# A call that others overtook is taken to be over, as its end is lost. So many more, and it is
# sure; until then those calls are not final.
_MOST_HELD = 32


class Lives:
    """What goes on, what is closing, and what seems lost; *finish* gets each call in the end."""

    def __init__(self, source: str, profile: Profile, finish: Callable[[Call], None]) -> None:
        self._source = source
        self._finish = finish
        self._clock = count(1)
        self.open: list[Call] = []
        self.closing: list[Call] = []
        # Calls whose end seems lost, and those that ended since, which depend on it.
        self.lost: list[Call] = []
        self._held: list[Call] = []
        self.tails = Tails(profile)
        self.names = Names(profile.full_ids)
        self.responses = Responses()
        # The one call that a line without a name belongs to, by the line's phase.
        self.only: dict[str, Call | None] = {"live": None, "end": None}

    def begin(self, *, started: bool) -> Call:
        """Return a new call; of too many the one makes room that is most likely over."""
        if len(self.open) + len(self.closing) + len(self.lost) >= _MOST_LIVE:
            self.drop((self.closing or self.lost or self.open)[0])
        call = Call(self._source, next(self._clock), started=started)
        if started:
            self.tails.begin()
        else:
            self.tails.find(call)
        self.open.append(call)
        self.settle()
        return call

    def replace(self, call: Call, later: Call) -> None:
        """Close *call*, whose caller was connected anew as *later*."""
        if call in self.open:
            self.open.remove(call)
            self.closing.append(call)
            # The new session may have been printed before the name that tells whose it is.
            call.closed = later.opened - 1
            self.settle()

    def close(self, call: Call) -> None:
        """Note that *call* has ended, and what that says of those before it."""
        call.ended = True
        if call not in self.open:
            return
        call.closed = next(self._clock)
        self.tails.end(call)
        over = [each for each in self.closing if self.tails.is_final(each, call)]
        self.open.remove(call)
        self.closing.append(call)
        for each in over:
            self.drop(each)
        for each in [each for each in self.open if each.opened < call.opened]:
            each.overtaken += 1
            if each.overtaken >= OVERTAKEN:
                self.open.remove(each)
                self.lost.append(each)
                self.responses.set_aside(each)
        self.settle()

    def find(self) -> Call:
        """Return a call that is named, and whose beginning is lost: others had its lines."""
        others = (*self.open, *self.closing)
        call = self.begin(started=False)
        for each in others:
            each.is_shared = call.is_shared = True
        return call

    def find_again(self, call: Call) -> None:
        """Go on with a *call* that seemed lost; whose a line without a name was is not known."""
        self.lost.remove(call)
        self.open.append(call)
        self.responses.take_back(call)
        for each in (*self._held, *self.closing, *self.open):
            each.is_shared = True
        self._release_if_sure()
        self.settle()

    def drop(self, call: Call) -> None:
        """Take *call* for over; it is final once no other's lines may be its own."""
        for calls in [each for each in (self.open, self.closing, self.lost) if call in each]:
            calls.remove(call)
        self.names.forget(call)
        self.responses.forget(call)
        self.tails.forget(call)
        self.settle()
        self._held.append(call)
        if len(self._held) > _MOST_HELD and self.lost:
            self.drop(self.lost[0])
        self._release_if_sure()

    def finish(self) -> None:
        """End every call: nothing more comes."""
        lost, self.lost = self.lost, []
        self._release()
        for call in (*lost, *self.closing, *self.open):
            self.drop(call)

    def over(self, *, is_silent: bool) -> Iterator[Call]:
        """Yield the calls that seem over and may still change; all of them in a long silence."""
        yield from (*self._held, *self.closing, *self.lost, *(self.open if is_silent else ()))

    @property
    def are_done(self) -> bool:
        """Whether there are calls, and the last line of each has come."""
        return (
            not self.open
            and bool(self.closing)
            and all(each.done and not each.is_mixed for each in self.closing)
        )

    def live(self) -> list[Call]:
        """Return the calls that an unnamed line of a call that goes on may be of."""
        # Of calls whose names may be exchanged, one that has ended may be another that goes on.
        mixed = [each for each in self.closing if each.is_mixed]
        return self.open + mixed if self.open else self.closing

    def settle(self) -> None:
        """Find out anew whether there is only one call."""
        # With calls of both kinds, whose a late line is changes from line to line.
        live, both = self.live(), (*self.open, *self.closing)
        # What comes while none goes on may be of one whose beginning is lost: it is noted.
        self.only["live"] = live[0] if len(live) == 1 and self.open else None
        self.only["end"] = both[0] if len(both) == 1 else None

    def _release_if_sure(self) -> None:
        if not self.lost and self.tails.are_sure:
            self._release()

    def _release(self) -> None:
        self.tails.release()
        held, self._held = self._held, []
        for call in held:
            self._finish(call)

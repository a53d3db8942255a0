"""Which call a line belongs to.

A line that names its call is believed. One that names a response belongs to the call that the
response is known of. Any other belongs to the only call that it can belong to; where there are
several it is nobody's, and none of them can pass or fail by what it would have said.

When a call is over is decided by the log alone, so that the pauses in which it was read change
nothing.
"""

from __future__ import annotations

from collections import Counter
from itertools import count
from typing import TYPE_CHECKING

from aava_cli.audit.calls import Call, ended
from aava_cli.audit.names import Names
from aava_cli.audit.responses import Responses
from aava_cli.audit.tails import OVERTAKEN, Tails

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from aava_cli.audit.markers import Event, Marker
    from aava_cli.audit.profile import Profile

_MOST_LIVE = 64
# A call that others overtook is taken to be over, as its end is lost. So many more, and it is
# sure; until then those calls are not final.
_MOST_HELD = 32


class Stream:
    """The calls of one process that prints: no line of it belongs to another's calls."""

    def __init__(self, source: str, profile: Profile, finish: Callable[[Call], None]) -> None:
        self._source = source
        self._tails = Tails(profile)
        self._finish = finish
        self._open: list[Call] = []
        self._closing: list[Call] = []
        # Calls whose end seems lost, and those that ended since, which depend on it.
        self._lost: list[Call] = []
        self._held: list[Call] = []
        self._names = Names(profile.full_ids)
        self.responses = Responses()
        self._clock = count(1)
        self.unattributed: Counter[str] = Counter()
        # The one call that a line without a name belongs to, by the line's phase.
        self.only: dict[str, Call | None] = {"live": None, "end": None}

    def route(self, event: Event, response: bytes | None) -> Call | None:
        """Return the call that *event* belongs to, and follow what it says of that call's life."""
        marker = event.marker
        if event.ids:
            call = self._named(event)
        elif response is not None:
            call = self.responses.get(response) or self._of_response(event, response)
        else:
            call = self.only[marker.phase] or self._guess(event)
        if marker.role is not None and call is not None and event.ids:
            call = self._live_on(call, event)
        return call

    def doubt(self, event: Event) -> None:
        """Count *event* as one that may be of any call, or of none."""
        self.unattributed[event.marker.kind] += 1
        for call in self._candidates(event.marker):
            call.ambiguous[event.marker.kind] += 1
        self._note(event.marker, None)

    def _note(self, marker: Marker, owner: Call | None) -> None:
        if marker.phase == "end":
            self._tails.note(marker, owner, self._closing, self._open)

    def finish(self) -> None:
        """End every call: nothing more comes."""
        lost, self._lost = self._lost, []
        self._release()
        for call in (*lost, *self._closing, *self._open):
            self._drop(call)

    def over(self, *, is_silent: bool) -> Iterator[Call]:
        """Yield the calls that seem over and may still change; all of them in a long silence."""
        yield from (*self._held, *self._closing, *self._lost, *(self._open if is_silent else ()))

    def _candidates(self, marker: Marker) -> Sequence[Call]:
        """Return the calls that an unnamed line may belong to."""
        if marker.phase == "live":
            return self._live()
        return self._tails.owners(marker, self._closing, self._open)

    def _live(self) -> list[Call]:
        # Of calls whose names may be exchanged, one that has ended may be another that goes on.
        mixed = [each for each in self._closing if each.is_mixed]
        return self._open + mixed if self._open else self._closing

    def _guess(self, event: Event) -> Call | None:
        candidates = self._candidates(event.marker)
        if len(candidates) == 1:
            self._note(event.marker, candidates[0])
            return candidates[0]
        if candidates or event.marker.phase == "end":
            self.doubt(event)
            return None
        # The log begins in the middle of a call.
        return self._begin(started=False)

    def _named(self, event: Event) -> Call | None:
        call = None
        for kind, value in event.ids:
            call = call or self._of_id(kind, value, event)
        if call is not None:
            if event.marker.role == "open" and (
                call in self._closing or self._names.is_new_to(call, event.ids)
            ):
                call = self._connect_anew(call, event)
            elif call in self._lost:
                self._find_again(call)
            call.overtaken = 0
            self._tails.hear(call)
            self._names.note(call, event.ids)
        return call

    def _of_response(self, event: Event, response: bytes) -> Call | None:
        for lost in self._lost:
            if response in lost.responses:
                self._find_again(lost)
                lost.overtaken = 0
                return lost
        call = self.only[event.marker.phase] or self._guess(event)
        self.responses.remember(response, call)
        return call

    def _of_id(self, kind: str, value: bytes, event: Event) -> Call | None:
        call = self._names.call(kind, value)
        if call is not None:
            return call
        if not self._names.is_full(kind, value):
            return self._names.only(kind, value) or self._guess(event)
        for other, known in event.ids:
            if (call := self._names.call(other, known)) is not None:
                return call
        if self._names.is_of_the_past(kind, value) and event.marker.role != "open":
            self.unattributed[event.marker.kind] += 1
            return None
        return self._link(kind, event)

    def _link(self, kind: str, event: Event) -> Call:
        """Return the call that gets a name of a *kind* that it lacks, or a new one."""
        opens = event.marker.role == "open"
        pool = self._open if opens else (*self._open, *self._closing)
        lacking = [call for call in pool if kind not in call.ids and (call.started or not opens)]
        if not lacking and not opens:
            lacking = [call for call in self._lost if kind not in call.ids]
        if not lacking:
            return self._begin(started=opens)
        if len(lacking) > 1:
            for call in lacking:
                call.is_mixed = True
            self._settle()
        # An earlier one may have lost its end.
        return max(lacking, key=lambda each: each.opened)

    def _begin(self, *, started: bool) -> Call:
        if len(self._open) + len(self._closing) + len(self._lost) >= _MOST_LIVE:
            self._drop((self._closing or self._lost or self._open)[0])
        call = Call(self._source, next(self._clock), started=started)
        self._open.append(call)
        self._settle()
        return call

    def _live_on(self, call: Call, event: Event) -> Call:
        match event.marker.role:
            case "open":
                call.started = True
            case "done":
                call.done = True
                self._close(call)
            case _:
                call = ended(call, event.ids, self._closing) if call in self._open else call
                self._close(call)
        return call

    def _connect_anew(self, call: Call, event: Event) -> Call:
        """Return the connection that *event* begins, judged apart from the *call*'s earlier one.

        What is printed while the earlier one is taken down may still come.
        """
        if call in self._closing and (call.done or not self._names.is_new_to(call, event.ids)):
            self._drop(call)
        call.is_replaced = True
        later = self._link(event.ids[0][0], event)
        if call in self._open:
            self._open.remove(call)
            self._closing.append(call)
            # The new session may have been printed before the name that tells whose it is.
            call.closed = later.opened - 1
            self._settle()
        return later

    def _close(self, call: Call) -> None:
        call.ended = True
        if call not in self._open:
            return
        call.closed = next(self._clock)
        self._tails.end(call)
        over = [each for each in self._closing if self._tails.is_final(each, call)]
        self._open.remove(call)
        self._closing.append(call)
        for each in over:
            self._drop(each)
        for each in [each for each in self._open if each.opened < call.opened]:
            each.overtaken += 1
            if each.overtaken >= OVERTAKEN:
                self._open.remove(each)
                self._lost.append(each)
                self.responses.set_aside(each)
        self._settle()

    def _find_again(self, call: Call) -> None:
        """Go on with a *call* that seemed lost; whose a line without a name was is not known."""
        self._lost.remove(call)
        self._open.append(call)
        self.responses.take_back(call)
        for each in (*self._held, *self._closing, *self._open):
            each.is_shared = True
        self._release_if_sure()
        self._settle()

    def _drop(self, call: Call) -> None:
        for calls in [each for each in (self._open, self._closing, self._lost) if call in each]:
            calls.remove(call)
        self._names.forget(call)
        self.responses.forget(call)
        self._tails.forget(call)
        self._settle()
        self._held.append(call)
        if len(self._held) > _MOST_HELD and self._lost:
            self._drop(self._lost[0])
        self._release_if_sure()

    def _release_if_sure(self) -> None:
        if not self._lost and self._tails.are_sure:
            self._release()

    def _release(self) -> None:
        self._tails.release()
        held, self._held = self._held, []
        for call in held:
            self._finish(call)

    def _settle(self) -> None:
        # With calls of both kinds, whose a late line is changes from line to line.
        live, both = self._live(), (*self._open, *self._closing)
        self.only["live"] = live[0] if len(live) == 1 else None
        self.only["end"] = both[0] if len(both) == 1 else None

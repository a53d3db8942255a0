"""Which call a line belongs to.

A line that names its call is believed. One that names a response belongs to the call that the
response is known of. Any other belongs to the only call that it can belong to; where there are
several it is nobody's, and none of them can pass or fail by what it would have said.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from aava_cli.audit.calls import ended, ended_again
from aava_cli.audit.lives import Lives

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from aava_cli.audit.calls import Call
    from aava_cli.audit.markers import Event, Marker
    from aava_cli.audit.profile import Profile


class Stream:
    """The calls of one process that prints: no line of it belongs to another's calls."""

    def __init__(self, source: str, profile: Profile, finish: Callable[[Call], None]) -> None:
        self._lives = Lives(source, profile, finish)
        self._names = self._lives.names
        self.responses = self._lives.responses
        self.only = self._lives.only
        self.unattributed: Counter[str] = Counter()

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
        self._lives.tails.note(marker, owner, self._lives.closing, self._lives.open)

    def finish(self) -> None:
        """End every call: nothing more comes."""
        self._lives.finish()

    def over(self, *, is_silent: bool) -> Iterator[Call]:
        """Yield the calls that seem over and may still change; all of them in a long silence."""
        yield from self._lives.over(is_silent=is_silent)

    def _candidates(self, marker: Marker) -> Sequence[Call]:
        """Return the calls that an unnamed line may belong to."""
        if marker.phase == "live":
            return self._lives.live()
        return self._lives.tails.owners(marker, self._lives.closing, self._lives.open)

    def _guess(self, event: Event) -> Call | None:
        candidates = self._candidates(event.marker)
        if len(candidates) == 1:
            self._note(event.marker, candidates[0])
            return candidates[0]
        if candidates or event.marker.phase == "end":
            self.doubt(event)
            return None
        # The log begins in the middle of a call.
        return self._lives.begin(started=False)

    def _named(self, event: Event) -> Call | None:
        call = None
        for kind, value in event.ids:
            call = call or self._of_id(kind, value, event)
        if call is not None:
            if event.marker.role == "open" and (
                call in self._lives.closing or self._names.is_new_to(call, event.ids)
            ):
                call = self._connect_anew(call, event)
            elif call in self._lives.lost:
                self._lives.find_again(call)
            elif event.marker.role in ("close", "done"):
                call = ended_again(call, event, self._lives.open)
            call.overtaken = 0
            self._lives.tails.hear(call)
            self._names.note(call, event.ids)
        return call

    def _of_response(self, event: Event, response: bytes) -> Call | None:
        for lost in self._lives.lost:
            if response in lost.responses:
                self._lives.find_again(lost)
                lost.overtaken = 0
                return lost
        if self._lives.are_done and not self.responses.is_known(response):
            # None of them begins another.
            call: Call | None = self._lives.begin(started=False)
        else:
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
        pool = self._lives.open if opens else (*self._lives.open, *self._lives.closing)
        lacking = [call for call in pool if kind not in call.ids and (call.started or not opens)]
        if not lacking and not opens:
            lacking = [call for call in self._lives.lost if kind not in call.ids]
        if not lacking:
            return self._lives.begin(started=True) if opens else self._lives.find()
        if len(lacking) > 1:
            for call in lacking:
                call.is_mixed = True
            self._lives.settle()
        # An earlier one may have lost its end.
        return max(lacking, key=lambda each: each.opened)

    def _live_on(self, call: Call, event: Event) -> Call:
        match event.marker.role:
            case "open":
                call.started = True
            case "done":
                call.done = True
                self._lives.close(call)
            case _:
                call = (
                    ended(call, event.ids, self._lives.closing)
                    if call in self._lives.open
                    else call
                )
                self._lives.close(call)
        return call

    def _connect_anew(self, call: Call, event: Event) -> Call:
        """Return the connection that *event* begins, judged apart from the *call*'s earlier one.

        What is printed while the earlier one is taken down may still come.
        """
        if call in self._lives.closing and (
            call.done or not self._names.is_new_to(call, event.ids)
        ):
            self._lives.drop(call)
        call.is_replaced = True
        later = self._link(event.ids[0][0], event)
        self._lives.replace(call, later)
        return later

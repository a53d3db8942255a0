"""Which call a line belongs to.

A line that names its call is believed. One that names a response belongs to the call that the
response is known of. Any other belongs to the only call that it can belong to; where there are
several it is nobody's, and none of them can pass or fail by what it would have said.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from itertools import count
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from aava_cli.audit.markers import Event
    from aava_cli.audit.places import Here
    from aava_cli.audit.profile import Profile

_MOST_LIVE = 64
_MOST_RESPONSES = 4096
_MOST_ENDED = 1024
# Blocks, or waits for more, after which a call that has ended is final.
_GRACE = 8
# A call of which that many kinds of lines were heard has gone on for longer than a tail lasts.
_UNDER_WAY = 4
# Later calls that ended, after which a call that never did is given up: its end is lost.
_MOST_OVERTAKEN = 32
UNNAMED = "unnamed"


class Call:
    """One call while it is followed: its names, what was heard of it, and its checks' state."""

    __slots__ = (
        "ambiguous",
        "channels",
        "closed",
        "closed_tick",
        "done",
        "ended",
        "ids",
        "is_ghost",
        "is_mixed",
        "live_kinds",
        "machines",
        "opened",
        "overtaken",
        "responses",
        "source",
        "started",
        "steps",
        "timeline",
    )

    def __init__(self, source: str, opened: int, *, started: bool) -> None:
        self.source = source
        self.opened = opened
        self.started = started
        self.ended = self.done = self.is_ghost = False
        # Another call began before this one had all its names: they may be exchanged.
        self.is_mixed = False
        self.ids: dict[str, list[bytes]] = {}
        self.channels: set[str] = set()
        self.ambiguous: Counter[str] = Counter()
        self.machines: dict[type, Any] = {}
        self.steps: dict[str, tuple[Callable[[Event, Here], None], ...]] = {}
        self.timeline: Any = None
        self.closed = self.closed_tick = self.live_kinds = self.overtaken = 0
        self.responses: list[bytes] = []

    def name(self, kinds: tuple[str, ...]) -> str:
        """Return the call's first name, in the order of *kinds*."""
        for kind in kinds:
            if kind in self.ids:
                return self.ids[kind][0].decode("ascii", "replace")
        return UNNAMED

    def add_id(self, kind: str, value: bytes) -> None:
        """Take *value* for a name of this call."""
        known = self.ids.setdefault(kind, [])
        if value not in known and len(known) < _MOST_LIVE:
            known.append(value)


class Stream:
    """The calls of one process that prints: no line of it belongs to another's calls."""

    def __init__(self, source: str, profile: Profile, finish: Callable[[Call], None]) -> None:
        self._source = source
        self._full_ids = profile.full_ids
        self._done_channels = {each.channel for each in profile.markers if each.role == "done"}
        self._finish = finish
        self._open: list[Call] = []
        self._closing: list[Call] = []
        self._by_id: dict[tuple[str, bytes], Call] = {}
        self.responses: OrderedDict[bytes, Call] = OrderedDict()
        self._ended_ids: OrderedDict[tuple[str, bytes], None] = OrderedDict()
        self._clock = count(1)
        self._tick = 0
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
        if marker.role is not None and call is not None:
            call = self._live_on(call, event)
        return call

    def finish(self) -> None:
        """End every call: nothing more comes."""
        for call in (*self._closing, *self._open):
            self._drop(call)

    def tick(self) -> None:
        """Let time pass: a call that is over for long is ended."""
        self._tick += 1
        for call in [each for each in self._closing if self._tick - each.closed_tick > _GRACE]:
            self._drop(call)

    def _candidates(self, phase: str) -> list[Call]:
        """Return the calls that an unnamed line may belong to."""
        if phase == "live":
            return self._live()
        return [each for each in self._closing if not self._is_settled(each)] + self._open

    def _live(self) -> list[Call]:
        # Of calls whose names may be exchanged, one that has ended may be another that goes on.
        mixed = [each for each in self._closing if each.is_mixed]
        return self._open + mixed if self._open else self._closing

    def _is_settled(self, call: Call) -> bool:
        """Return whether nothing of *call* is to come: a later one is well under way."""
        return any(self._is_over(call, each) for each in self._open)

    def _is_over(self, call: Call, later: Call) -> bool:
        """Return whether the tail of *call* is over, because *later* began long since.

        A call whose last line would be in the log is over only with that line.
        """
        if call.channels & self._done_channels:
            return False
        return later.opened > call.closed and later.live_kinds >= _UNDER_WAY

    def _guess(self, event: Event) -> Call | None:
        kind, phase = event.marker.kind, event.marker.phase
        candidates = self._candidates(phase)
        if len(candidates) == 1:
            return candidates[0]
        for call in candidates:
            call.ambiguous[kind] += 1
        if candidates or phase == "end":
            self.unattributed[kind] += 1
            return None
        # The log begins in the middle of a call.
        return self._begin(started=False)

    def _named(self, event: Event) -> Call | None:
        call = None
        for kind, value in event.ids:
            call = call or self._of_id(kind, value, event)
        if call is not None:
            call.overtaken = 0
            for kind, value in event.ids:
                if self._is_full(kind, value):
                    self._note(call, kind, value)
        return call

    def _of_response(self, event: Event, response: bytes) -> Call | None:
        call = self.only[event.marker.phase] or self._guess(event)
        if call is not None:
            self.responses[response] = call
            call.responses.append(response)
            if len(self.responses) > _MOST_RESPONSES:
                self.responses.popitem(last=False)
        return call

    def _of_id(self, kind: str, value: bytes, event: Event) -> Call | None:
        call = self._by_id.get((kind, value))
        if call is not None:
            return call
        if not self._is_full(kind, value):
            return self._of_short(kind, value, event)
        for other, known in event.ids:
            if (call := self._by_id.get((other, known))) is not None:
                return call
        if (kind, value) in self._ended_ids and event.marker.role != "open":
            self.unattributed[event.marker.kind] += 1
            return None
        return self._link(kind, event)

    def _of_short(self, kind: str, value: bytes, event: Event) -> Call | None:
        found = {
            id(call): call
            for (each, known), call in self._by_id.items()
            if each == kind and known.startswith(value)
        }
        if len(found) == 1:
            return next(iter(found.values()))
        return self._guess(event)

    def _link(self, kind: str, event: Event) -> Call:
        """Return the call that gets a name of a *kind* that it lacks, or a new one."""
        opens = event.marker.role == "open"
        pool = self._open if opens else (*self._open, *self._closing)
        lacking = [call for call in pool if kind not in call.ids and (call.started or not opens)]
        if not lacking:
            if opens:
                self._cut_unnamed()
            return self._begin(started=opens)
        if len(lacking) > 1:
            for call in lacking:
                call.is_mixed = True
            self._settle()
        return lacking[0]

    def _cut_unnamed(self) -> None:
        # A call of which only the middle is known is over when the next one begins.
        for call in [each for each in self._open if not each.ids]:
            self._drop(call)

    def _is_full(self, kind: str, value: bytes) -> bool:
        return self._full_ids[kind].fullmatch(value) is not None

    def _note(self, call: Call, kind: str, value: bytes) -> None:
        self._by_id[kind, value] = call
        call.add_id(kind, value)

    def _begin(self, *, started: bool) -> Call:
        if len(self._open) + len(self._closing) >= _MOST_LIVE:
            self._drop((self._closing or self._open)[0])
        for earlier in [each for each in self._closing if each.done]:
            self._drop(earlier)
        call = Call(self._source, next(self._clock), started=started)
        self._open.append(call)
        self._settle()
        return call

    def _live_on(self, call: Call, event: Event) -> Call:
        match event.marker.role:
            case "open" if call in self._closing:
                # The same stream again: the caller was connected anew.
                self._drop(call)
                call = self._begin(started=True)
                for kind, value in event.ids:
                    self._note(call, kind, value)
            case "open":
                call.started = True
            case "done":
                call.done = True
                self._close(call)
            case _:
                self._close(call)
        return call

    def _close(self, call: Call) -> None:
        call.ended = True
        if call not in self._open:
            return
        call.closed, call.closed_tick = next(self._clock), self._tick
        over = [each for each in self._closing if each.done or self._is_over(each, call)]
        self._open.remove(call)
        self._closing.append(call)
        for each in self._open:
            each.overtaken += each.opened < call.opened
            if each.overtaken > _MOST_OVERTAKEN:
                over.append(each)
        for each in over:
            self._drop(each)
        self._settle()

    def _drop(self, call: Call) -> None:
        for calls in (self._open, self._closing):
            if call in calls:
                calls.remove(call)
        for kind, values in call.ids.items():
            for value in values:
                self._by_id.pop((kind, value), None)
                self._ended_ids[kind, value] = None
        for response in call.responses:
            self.responses.pop(response, None)
        while len(self._ended_ids) > _MOST_ENDED:
            self._ended_ids.popitem(last=False)
        self._settle()
        self._finish(call)

    def _settle(self) -> None:
        # With calls of both kinds, whose a late line is changes from line to line.
        live, both = self._live(), (*self._open, *self._closing)
        self.only["live"] = live[0] if len(live) == 1 else None
        self.only["end"] = both[0] if len(both) == 1 else None

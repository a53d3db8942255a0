"""Calls of a program whose lines name their call: in whichever process and log they stand.

The two halves of a call may be in two logs, which are read one after the other. So a call waits
for its other half until all are read.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict
from itertools import count
from typing import TYPE_CHECKING

from aava_cli.audit.calls import Call
from aava_cli.audit.names import Names
from aava_cli.audit.responses import Responses

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aava_cli.audit.markers import Event
    from aava_cli.audit.profile import Profile

_MOST_GOING_ON = 64
# So many calls wait for their other halves: some kilobytes each.
_MOST_WAITING = 4096
_MOST_OF_THE_PAST = 1 << 15
# A line that is nobody's may be of one of the next calls, which has begun and was not named yet.
_MOST_DOUBTED = 3


class _Log:
    """What is known of one log: the calls that go on in it, and the last that ended."""

    def __init__(self) -> None:
        # Whether each began in this log; of others nobody knows since when they go on.
        self.going_on: OrderedDict[Call, bool] = OrderedDict()
        self.ended: Call | None = None
        self.heard: set[Call] = set()
        # Lines that may be of a call before any that names it: nobody's, and for so many calls.
        self.doubts: Counter[str] = Counter()
        self.doubted_calls = 0
        # And those that were given to the only call that seemed to go on.
        self.guessed: dict[Call, Counter[str]] = {}

    def begin(self, call: Call, *, is_cut: bool) -> None:
        """Hear of *call* for the first time; of one that is cut lines may have come before."""
        self.heard.add(call)
        if not is_cut:
            return
        if self.doubted_calls:
            self.doubted_calls -= 1
            call.ambiguous.update(self.doubts)
        else:
            self.doubts.clear()
        for other, guessed in self.guessed.items():
            other.shared.update(guessed)
            for each in (call, other):
                each.ambiguous.update(guessed)
        self.guessed.clear()


class NamedStream:
    """The calls of a log, or of several of which each may have a half of a call."""

    def __init__(self, profile: Profile, finish: Callable[[Call], None]) -> None:
        self._finish = finish
        self._most_waiting = 1
        self._names = Names(profile.full_ids, _MOST_OF_THE_PAST)
        self._logs: defaultdict[str, _Log] = defaultdict(_Log)
        self._log_name = ""
        self._log = self._logs[""]
        self._clock = count(1)
        # Calls that have ended, or that are heard of no more.
        self._waiting: OrderedDict[Call, None] = OrderedDict()
        self.unattributed: Counter[str] = Counter()
        # No call is known without a name, nor by a response.
        self.responses = Responses()
        self.only: dict[str, Call | None] = {"live": None, "end": None}

    def join_logs(self) -> None:
        """Let no call be final before all logs are read."""
        self._most_waiting = _MOST_WAITING

    def enter(self, log: str) -> None:
        """Go on with the lines of *log*."""
        if log != self._log_name:
            self._log_name, self._log = log, self._logs[log]

    def route(self, event: Event, response: bytes | None) -> Call | None:
        """Return the call that *event* names, or the only one that goes on in its log."""
        del response
        return self._named(event) if event.ids else self._guess(event)

    def doubt(self, event: Event) -> None:
        """Count *event* as one that may be of any call, or of none."""
        kind = event.marker.kind
        self.unattributed[kind] += 1
        for call in self._candidates():
            call.ambiguous[kind] += 1
        self._log.doubts[kind] += 1
        self._log.doubted_calls = _MOST_DOUBTED

    def finish(self) -> None:
        """End every call: nothing more comes."""
        for log in self._logs.values():
            self._waiting |= dict.fromkeys(log.going_on)
        for call in sorted(self._waiting, key=lambda each: each.opened):
            self._drop(call)

    def over(self, *, is_silent: bool) -> Iterator[Call]:
        """Yield the calls that seem over and may still change; all of them in a long silence."""
        yield from (*self._waiting, *(self._log.going_on if is_silent else ()))

    def _candidates(self) -> dict[Call, bool]:
        """Return which calls an unnamed line may be of, each with whether it began here."""
        log = self._log
        if log.going_on or log.ended is None:
            return dict(log.going_on)
        return {log.ended: True}

    def _guess(self, event: Event) -> Call | None:
        candidates = self._candidates()
        if len(candidates) == 1 and all(candidates.values()):
            (call,) = candidates
            self._log.guessed.setdefault(call, Counter())[event.marker.kind] += 1
            return call
        self.doubt(event)
        return None

    def _named(self, event: Event) -> Call | None:
        known = (self._names.call(kind, value) for kind, value in event.ids)
        call = next((each for each in known if each is not None), None)
        opens = event.marker.role == "open"
        if call is not None and opens and call is self._ended_here(call):
            # The same name again is another call.
            self._drop(call)
            call = None
        if call is None:
            if not opens and any(self._names.is_of_the_past(*each) for each in event.ids):
                self.unattributed[event.marker.kind] += 1
                return None
            call = Call(self._log_name, next(self._clock), started=opens)
        self._names.note(call, event.ids)
        self._live_on(call, event)
        return call

    def _ended_here(self, call: Call) -> Call | None:
        is_over = call.ended and call in self._log.heard and call not in self._log.going_on
        return call if is_over else None

    def _live_on(self, call: Call, event: Event) -> None:
        log, role = self._log, event.marker.role
        is_new = call not in log.heard
        if is_new:
            log.begin(call, is_cut=role != "open")
        if role == "open":
            call.started = log.going_on[call] = True
        elif role is not None:
            call.ended = True
            call.done |= role == "done"
            self._close(call)
        elif is_new:
            log.going_on[call] = False
            if len(log.going_on) > _MOST_GOING_ON:
                self._wait(next(iter(log.going_on)))
        elif call in log.going_on:
            log.going_on.move_to_end(call)

    def _close(self, call: Call) -> None:
        log = self._log
        if log.ended is not None and log.ended is not call:
            log.guessed.pop(log.ended, None)
        log.ended = call
        self._wait(call)

    def _wait(self, call: Call) -> None:
        """Let *call* wait for its other half, or for what is printed late."""
        self._log.going_on.pop(call, None)
        self._waiting[call] = None
        while len(self._waiting) > self._most_waiting:
            self._drop(next(iter(self._waiting)))

    def _drop(self, call: Call) -> None:
        self._waiting.pop(call, None)
        for log in self._logs.values():
            log.going_on.pop(call, None)
            log.heard.discard(call)
            log.guessed.pop(call, None)
        self._names.forget(call)
        self._finish(call)

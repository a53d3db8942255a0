"""Whose a line without a name is that is printed while a call is taken down.

A call's teardown may go on while the next one begins, and its last line may never come. What
comes through the pipe of the last line keeps its order: it is of a call of which the log has an
end, and not the last line. What comes through another may be a little early or late.

A call that seems over without its last line gets nothing more, because a later one is well under
way. That is taken back if it is heard of after all: then what was given to others may be its own.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aava_cli.audit.calls import Call
    from aava_cli.audit.markers import Marker
    from aava_cli.audit.profile import Profile

# A call of which that many kinds of lines were heard has gone on for longer than a tail lasts.
_UNDER_WAY = 4
# Later calls that ended, after which nothing more comes of one whose last line never did.
OVERTAKEN = 3


class Tails:
    """The ends of a stream's calls: *closing* have ended as far as the log says, others go on."""

    def __init__(self, profile: Profile) -> None:
        self._last_channels = {each.channel for each in profile.markers if each.role == "done"}
        # What was not given to a call that seems over, and to whom it went instead.
        self._withheld: dict[Call, Counter[str]] = {}
        self._given: dict[Call, Counter[str]] = {}
        # What may be the first of the end of a call that has hardly begun, by that call.
        self._early: dict[Call, Counter[tuple[Call, str]]] = {}
        # What came while no call went on, by whom it was given to.
        self._late: dict[Call | None, Counter[str]] = {}

    @property
    def are_sure(self) -> bool:
        """Whether no line depends on a call being over that may be heard of again."""
        return not self._withheld

    def owners(
        self, marker: Marker, closing: Sequence[Call], going_on: Sequence[Call]
    ) -> Sequence[Call]:
        """Return the calls that a line of *marker* may be of."""
        torn_down = [each for each in closing if self._is_torn_down(each)]
        likely = [each for each in torn_down if not _is_left_behind(each, (*closing, *going_on))]
        if marker.is_alarm:
            # It fails a call by itself: in doubt it may be of one that is done, or seems over.
            sure = [*likely, *(each for each in closing if each not in torn_down)]
            return sure if len(sure) == 1 and (likely or not going_on) else [*closing, *going_on]
        is_in_order = marker.channel in self._last_channels
        unsettled = [each for each in closing if not self._is_settled(each, going_on)]
        # What a call has said at its end it does not say again.
        late = [
            each
            for each in unsettled
            if each not in torn_down
            and marker.kind not in each.steps
            and not (each.done and is_in_order)
        ]
        if owners := [*likely, *late, *self._ending(going_on, closing, is_in_order=is_in_order)]:
            return owners
        return torn_down if is_in_order and torn_down else [*unsettled, *going_on]

    def _ending(
        self, going_on: Sequence[Call], closing: Sequence[Call], *, is_in_order: bool
    ) -> Sequence[Call]:
        """Return the calls that go on of which a line of the end may come before the end itself.

        In the pipe that keeps its order none does, nor of a call that has hardly begun.
        """
        if not any(each.channels & self._last_channels for each in closing):
            return going_on
        if is_in_order:
            return ()
        return [each for each in going_on if each.live_kinds >= _UNDER_WAY]

    def note(
        self,
        marker: Marker,
        owner: Call | None,
        closing: Sequence[Call],
        going_on: Sequence[Call],
    ) -> None:
        """Note to whom a line went, or None, if it may turn out to be another's."""
        kind = marker.kind
        if marker.phase == "live":
            if not going_on:
                self._late.setdefault(owner, Counter())[kind] += 1
            return
        for call in closing:
            is_behind = self._is_torn_down(call) and _is_left_behind(call, (*closing, *going_on))
            if call is not owner and is_behind:
                self._withheld.setdefault(call, Counter())[kind] += 1
                if owner is not None:
                    self._given.setdefault(owner, Counter())[kind] += 1
        if owner is None or owner in going_on or marker.channel in self._last_channels:
            return
        for call in going_on:
            if call.live_kinds < _UNDER_WAY:
                self._early.setdefault(call, Counter())[owner, kind] += 1

    def hear(self, call: Call) -> None:
        """Take back that *call*, which is named, is over."""
        if (withheld := self._withheld.pop(call, None)) is None:
            return
        call.ambiguous.update(withheld)
        for other, given in self._given.items():
            other.ambiguous.update(given)
            other.shared.update(given)

    def end(self, call: Call) -> None:
        """Take what came just before the end of *call*, which hardly went on, for its own too."""
        early = self._early.pop(call, Counter())
        if call.live_kinds >= _UNDER_WAY:
            return
        for (other, kind), count in early.items():
            call.ambiguous[kind] += count
            other.ambiguous[kind] += count
            other.shared.add(kind)

    def begin(self) -> None:
        """Note that a call begins: what was nobody's before is none of a later one's."""
        self._late.pop(None, None)

    def find(self, call: Call) -> None:
        """Take what others were given for that of *call* too, whose beginning is lost."""
        for other, late in self._late.items():
            call.ambiguous.update(late)
            if other is not None:
                other.ambiguous.update(late)
                other.shared.update(late)
        self._late.clear()

    def forget(self, call: Call) -> None:
        """Forget *call*, which is over for certain."""
        self._late.pop(call, None)
        self._withheld.pop(call, None)
        self._early.pop(call, None)

    def release(self) -> None:
        """Forget to whom lines went: nothing depends on it any more."""
        self._given.clear()

    def is_final(self, call: Call, later: Call) -> bool:
        """Return whether nothing of *call* is to come, now that *later* has ended."""
        call.overtaken += call.closed < later.opened
        most = OVERTAKEN if call.channels & self._last_channels else 1
        return call.done or self._is_over(call, later) or call.overtaken >= most

    def _is_torn_down(self, call: Call) -> bool:
        """Return whether the last line of *call* would be in the log, and is not."""
        if call.done or call.is_replaced:
            return False
        return bool(call.channels & self._last_channels)

    def _is_settled(self, call: Call, going_on: Sequence[Call]) -> bool:
        """Return whether nothing of *call* is to come: a later one is well under way."""
        return any(self._is_over(call, each) for each in going_on)

    def _is_over(self, call: Call, later: Call) -> bool:
        """Return whether the tail of *call* is over for certain, because of *later*."""
        return not self._is_torn_down(call) and _is_left_behind(call, (later,))


def _is_left_behind(call: Call, others: Sequence[Call]) -> bool:
    """Return whether one of *others* began since *call* ended, and has gone on for long."""
    return any(
        each.opened > call.closed and each.live_kinds >= _UNDER_WAY
        for each in others
        if each is not call
    )

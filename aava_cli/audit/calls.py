"""One call while it is followed."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from aava_cli.audit.markers import Event
    from aava_cli.audit.places import Here
    from aava_cli.audit.verdicts import Status

MOST_NAMES = 64
UNNAMED = "unnamed"


class Call:
    """One call while it is followed: its names, what was heard of it, and its checks' state."""

    __slots__ = (
        "ambiguous",
        "channels",
        "closed",
        "done",
        "ended",
        "ids",
        "is_ghost",
        "is_mixed",
        "is_replaced",
        "is_shared",
        "live_kinds",
        "machines",
        "opened",
        "over_since",
        "overtaken",
        "responses",
        "shared",
        "source",
        "started",
        "steps",
        "timeline",
        "told",
    )

    def __init__(self, source: str, opened: int, *, started: bool) -> None:
        self.source = source
        self.opened = opened
        self.started = started
        self.ended = self.done = self.is_ghost = False
        # Another call began before this one had all its names: they may be exchanged.
        self.is_mixed = False
        # The caller was connected anew: another of the same name goes on.
        self.is_replaced = False
        # A call that seemed to be over went on: lines of one may have been taken for the other's.
        self.is_shared = False
        # The kinds of lines of which some that this one was given may be another's.
        self.shared: set[str] = set()
        self.ids: dict[str, list[bytes]] = {}
        self.channels: set[str] = set()
        self.ambiguous: Counter[str] = Counter()
        self.machines: dict[type, Any] = {}
        self.steps: dict[str, tuple[Callable[[Event, Here], None], ...]] = {}
        self.timeline: Any = None
        self.closed = self.live_kinds = self.overtaken = 0
        self.responses: set[bytes] = set()
        # Since when it is seen to be over, and as what it was told before it is final.
        self.over_since: float | None = None
        self.told: Status | None = None

    def name(self, kinds: tuple[str, ...]) -> str:
        """Return the call's first name, in the order of *kinds*."""
        for kind in kinds:
            if kind in self.ids:
                return self.ids[kind][0].decode("ascii", "replace")
        return UNNAMED

    def add_id(self, kind: str, value: bytes) -> None:
        """Take *value* for a name of this call."""
        known = self.ids.setdefault(kind, [])
        if value not in known and len(known) < MOST_NAMES:
            known.append(value)


def ended(call: Call, ids: tuple[tuple[str, bytes], ...], closing: Iterable[Call]) -> Call:
    """Return which connection of *call* ended; of the one name that all have, the earliest did."""
    (kind, value), *others = ids
    earlier = (each for each in closing if each.is_replaced and not each.done and not others)
    return next((each for each in earlier if value in each.ids.get(kind, ())), call)


def ended_again(call: Call, event: Event, going_on: Iterable[Call]) -> Call:
    """Return which connection of *call* ended, where one did already, as *event* says again.

    It is the one that has none of its names so far.
    """
    if not call.ended or event.marker.kind not in call.steps:
        return call
    kinds = {kind for kind, _ in event.ids}
    later = [each for each in going_on if each.opened > call.closed and kinds.isdisjoint(each.ids)]
    return later[0] if len(later) == 1 else call

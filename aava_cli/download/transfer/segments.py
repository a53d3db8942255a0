"""Who fetches which part of a file: parts are handed out from the front, late ones again.

Nothing here waits, reads or locks; whoever shares a board guards it.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

from aava_cli.download.transfer.extents import Extents

SEGMENT_BYTES = 8 << 20
_SMALLEST_SEGMENT_BYTES = 1 << 20
_SMALLEST_SPLIT_BYTES = 1 << 20
_PATIENCE_S = 0.3
_NEVER_S = float("inf")


@dataclass(slots=True, eq=False)
class Pace:
    """How fast one connection delivers."""

    stall_s: float
    bytes_per_s: float = 0.0
    answer_s: float = 0.0
    waiting_since_s: float | None = None

    def is_stalled(self, now: float) -> bool:
        """Return whether nothing came for too long."""
        since = self.waiting_since_s
        return since is not None and now - since >= self.stall_s

    def note(self, size_bytes: int, took_s: float) -> None:
        """Take note that *size_bytes* took *took_s*; what was long ago counts less."""
        rate = size_bytes / max(took_s, 1e-6)
        self.bytes_per_s = 0.7 * self.bytes_per_s + 0.3 * rate if self.bytes_per_s else rate

    def needs_s(self, size_bytes: int) -> float:
        """Return how long *size_bytes* would take."""
        return size_bytes / self.bytes_per_s if self.bytes_per_s else _NEVER_S


@dataclass(slots=True, eq=False)
class Claim:
    """A part that one connection fetches: *position* is how far it is, *end* may come closer."""

    position: int
    end: int | None
    pace: Pace
    asked_end: int | None
    behind_bytes: int = 0
    rival: bool = False
    raced: bool = False
    is_writing: bool = False

    @property
    def left_bytes(self) -> int:
        """How much is to come; nothing where nobody knows."""
        return 0 if self.end is None else max(0, self.end - self.position)


@dataclass(slots=True)
class Board:
    """What of *size_bytes* is there, and who fetches the rest."""

    size_bytes: int | None
    have: Extents
    segment_bytes: int = SEGMENT_BYTES
    claims: list[Claim] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        """Whether all is there."""
        return self.size_bytes is not None and self.have.total >= self.size_bytes

    def take(self, pace: Pace, sharers: int = 1) -> Claim | None:
        """Return the first part that is neither there nor being fetched.

        Near the end the *sharers* take smaller ones, so that all come to it together.
        """
        spoken = Extents(itertools.chain(self.have.ranges, self._claimed()))
        start, size = spoken.end_from(0), self.size_bytes
        if size is not None and start >= size:
            return None
        ends = (start + self._part_bytes(start, sharers), size, spoken.next_start(start))
        end = min(each for each in ends if each is not None)
        return self._claim(start, end, pace)

    def _part_bytes(self, start: int, sharers: int) -> int:
        if sharers == 1 or self.size_bytes is None:
            return self.segment_bytes
        # Whole pieces, as they go into the connections' buffers.
        even = (self.size_bytes - start) // (2 * sharers) & -_SMALLEST_SEGMENT_BYTES
        return max(_SMALLEST_SEGMENT_BYTES, min(self.segment_bytes, even))

    def take_late(self, pace: Pace, now: float) -> Claim | None:
        """Return a part that another connection is much too slow with: half of it, or a race."""
        late = [(self._gain_s(claim, pace, now), claim) for claim in self.claims]
        gain_s, claim = max(late, key=lambda pair: pair[0], default=(0.0, None))
        if claim is None or claim.end is None or gain_s <= 0:
            return None
        if claim.left_bytes >= 2 * _SMALLEST_SPLIT_BYTES and not claim.pace.is_stalled(now):
            end, claim.end = claim.end, claim.position + claim.left_bytes // 2
            return self._claim(claim.end, end, pace)
        claim.raced = True
        return self._claim(claim.position, claim.end, pace, rival=True)

    def is_moot(self, claim: Claim) -> bool:
        """Return whether nothing of *claim* is missing any more."""
        return claim.end is not None and self.have.covers(claim.position, claim.end)

    def drop(self, claim: Claim) -> None:
        """Give up what is left of *claim*, so that others may have it."""
        if claim in self.claims:
            self.claims.remove(claim)
        for other in self.claims:
            if claim.rival and other.end == claim.end:
                other.raced = False

    def whole(self, pace: Pace) -> Claim:
        """Return a claim to everything, for a server that sends only that."""
        return self._claim(0, self.size_bytes, pace)

    def _claim(self, start: int, end: int | None, pace: Pace, *, rival: bool = False) -> Claim:
        behind = sum(each.left_bytes for each in self.claims if each.pace is pace)
        claim = Claim(start, end, pace, end, behind, rival, rival)
        self.claims.append(claim)
        return claim

    def _claimed(self) -> list[tuple[int, int]]:
        return [(each.position, each.end) for each in self.claims if each.end is not None]

    def _gain_s(self, claim: Claim, pace: Pace, now: float) -> float:
        """Return how much sooner *claim* would be there if a connection of *pace* took it."""
        busy = claim.pace is pace or claim.raced or claim.is_writing
        if busy or claim.end is None or self.is_moot(claim):
            return 0.0
        if claim.pace.is_stalled(now):
            return _NEVER_S
        theirs_s = claim.pace.needs_s(claim.left_bytes + claim.behind_bytes)
        mine_s = pace.answer_s + pace.needs_s(claim.left_bytes // 2)
        if _NEVER_S in (theirs_s, mine_s):
            return 0.0
        return theirs_s - 2 * mine_s - _PATIENCE_S

"""One round of a download: connections are opened, watched, and closed again."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aava_cli.download.sources.http import Transient
from aava_cli.download.transfer.governor import FAR_S, Governor
from aava_cli.download.transfer.halt import Halt
from aava_cli.download.transfer.keeper import Keeper
from aava_cli.download.transfer.lane import Lane
from aava_cli.download.transfer.origin import StartOver
from aava_cli.download.transfer.segments import SEGMENT_BYTES, Board
from aava_cli.download.transfer.work import Work

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from aava_cli.download.transfer.origin import Origin, Origins
    from aava_cli.download.transfer.pace import Budget
    from aava_cli.download.transfer.partial import Partial
    from aava_cli.download.transfer.wire import Answer, Wire

    Report: TypeAlias = Callable[[int, int | None, int | None], None]
    Opened: TypeAlias = tuple[Origin, Wire, Answer]

_TICK_S = 0.05
_REFUSED_S = 1.0
_REACH_S = 0.3
_WORTH_MORE_BYTES = 2 * SEGMENT_BYTES


@dataclass(frozen=True, slots=True)
class Limits:
    """How connections are used: *jobs* from the start on, or as many as turn out worth it.

    Whoever says *halt* ends them all.
    """

    stall_s: float = 5.0
    jobs: int | None = None
    halt: Halt = field(default_factory=Halt)


class Pool:
    """Lanes that fetch one file together until it is whole, or none of them gets on."""

    def __init__(
        self, partial: Partial, origins: Origins, budget: Budget, limits: Limits, turn: int
    ) -> None:
        self._partial = partial
        self._limits = limits
        size = partial.state.size_bytes if partial.done else partial.binding.size_bytes
        self.work = Work(partial, origins, budget, Board(size, partial.have))
        self._turn = turn
        self._pause_until_s = 0.0
        most = min(budget.connections, limits.jobs or budget.connections)
        self._governor = Governor(most, target=min(most, limits.jobs or 1))

    def run(self, report: Report, opened: Opened | None = None) -> None:
        """Return when all bytes are there; *opened* is an answer that brings them all.

        Raises:
            Transient: no connection is left that gets on.
            StartOver: what was received is of no use.
            AavaError: no source has the file as it should be, or the disk is full.
        """
        if self.work.board.is_whole:
            return
        try:
            with Keeper(self._partial) as keeper:
                self._start(opened)
                while not self._is_over():
                    self._check(keeper)
                    self._adapt()
                    if self._partial.done:
                        self._report(report)
        finally:
            self._stop()

    def _report(self, report: Report) -> None:
        partial = self._partial
        report(partial.done, self.work.board.size_bytes, partial.hasher.position)

    def _start(self, opened: Opened | None) -> None:
        budget = self.work.budget
        budget.want(1)
        try:
            while not budget.take():
                self._limits.halt.sleep(_TICK_S)
        finally:
            budget.want(-1)
        usable = self.work.usable
        # Each attempt begins with the next source.
        origin = usable[self._turn % len(usable)] if opened is None else opened[0]
        self._launch(Lane(self.work, origin, self._limits.stall_s, opened))

    def _is_over(self) -> bool:
        work = self.work
        with work.changed:
            if not (work.is_done or work.failures):
                work.changed.wait(_TICK_S if work.has_begun else FAR_S)
            return work.is_done and not work.failures

    def _check(self, keeper: Keeper) -> None:
        self._limits.halt.check()
        broken = keeper.failure or self._partial.hasher.failure
        if broken is not None:
            raise broken
        work = self.work
        with work.changed:
            failures, working = tuple(work.failures), len(work.lanes)
            work.failures.clear()
            ended_early = not working and not work.is_done
        for each in failures:
            if not isinstance(each, Transient) or isinstance(each, StartOver):
                raise each
            self._governor.refuse(working)
            self._pause_until_s = time.monotonic() + max(each.wait_s, _REFUSED_S)
        if ended_early:
            dead = [each.failure for each in work.origins if each.failure is not None]
            if dead and work.usable and not failures:
                self._open_lanes(1)
                return
            ended = Transient("the connections ended before the file did")
            raise (*failures[-1:], *dead, ended)[0]

    def _adapt(self) -> None:
        now, work = time.monotonic(), self.work
        with work.changed:
            lanes = tuple(work.lanes)
        if not lanes:
            return
        delivering = sum(lane.pace.bytes_per_s > 0 for lane in lanes)
        self._governor.observe(
            now,
            self._partial.done,
            self._partial.hasher.idle_s,
            all_at_work=delivering >= min(self._governor.target, len(lanes)),
        )
        # Each source delivers, however many connections are worth it.
        wanted = max(self._governor.target, len(work.usable))
        stalled = [lane for lane in lanes if lane.is_stalled]
        if len(stalled) == len(lanes):
            self._relieve(stalled[0])
        elif work.budget.is_contended:
            wanted = max(1, min(wanted, len(lanes) - 1))
        if self._may_share() and now >= self._pause_until_s:
            self._open_lanes(wanted - len(lanes))
        for lane in lanes[wanted:]:
            lane.retired = True

    def _relieve(self, lane: Lane) -> None:
        """Have somebody else take over what *lane* waits for in vain."""
        budget = self.work.budget
        if self._may_share() and budget.connections > len(self.work.lanes):
            self._open_lanes(1)
        else:
            lane.abort()

    def _may_share(self) -> bool:
        """Return whether more than one connection may be used."""
        work, pinned = self.work, self._partial.is_pinned
        if work.board.size_bytes is None:
            return False
        if not all(each.has_ranges and (pinned or each.etag) for each in work.usable):
            return False
        return work.has_begun or self._is_out_of_reach() or self._waits_for_far_answer()

    def _is_out_of_reach(self) -> bool:
        """Return whether the first source does not even let us in, while there are others."""
        late_s = time.monotonic() - _REACH_S
        is_late = any(each.is_connecting and each.began_s < late_s for each in self.work.lanes[:1])
        return is_late and len(self.work.usable) > 1

    def _waits_for_far_answer(self) -> bool:
        """Return whether the first answer takes so long that others are better asked now."""
        lanes, size = self.work.lanes[:1], self.work.board.size_bytes or 0
        asked_s = lanes[0].asked_s if lanes else None
        if size < _WORTH_MORE_BYTES or asked_s is None or time.monotonic() - asked_s < FAR_S:
            return False
        self._governor.is_far()
        return True

    def _open_lanes(self, count: int) -> None:
        work = self.work
        usable = work.usable
        for _ in range(count):
            if not usable or not work.budget.take():
                return
            with work.changed:
                busy = Counter(id(lane.origin) for lane in work.lanes)
            origin = min(usable, key=lambda each: busy[id(each)])
            self._launch(Lane(work, origin, self._limits.stall_s))

    def _launch(self, lane: Lane) -> None:
        with self.work.changed:
            self.work.lanes.append(lane)
        lane.thread.start()

    def _stop(self) -> None:
        work = self.work
        work.stopped.set()
        with work.changed:
            lanes = tuple(work.lanes)
            work.changed.notify_all()
        for lane in lanes:
            lane.abort()
        for lane in lanes:
            # Looking a name up cannot be broken off; who does so has nothing to write yet.
            while lane.thread.is_alive() and not lane.is_connecting:
                lane.thread.join(_TICK_S)

"""What the connections of one download share: the board, the file, and the word to stop."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aava_cli.download.sources.http import Transient
from aava_cli.download.transfer.origin import StartOver, Whole
from aava_cli.errors import NetworkError

if TYPE_CHECKING:
    from aava_cli.download.transfer.lane import Lane
    from aava_cli.download.transfer.origin import Origin, Origins
    from aava_cli.download.transfer.pace import Budget
    from aava_cli.download.transfer.partial import Partial
    from aava_cli.download.transfer.segments import Board, Claim
    from aava_cli.download.transfer.wire import Answer, Wire

_IDLE_S = 0.1


@dataclass(slots=True, eq=False)
class Work:
    """One round's work on *partial*; its methods are called by the lanes' own threads."""

    partial: Partial
    origins: Origins
    budget: Budget
    board: Board
    stopped: threading.Event = field(default_factory=threading.Event)
    lanes: list[Lane] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)
    opened: tuple[Origin, Wire, Answer] | None = None
    has_begun: bool = False
    awaits_end: bool = False
    changed: threading.Condition = field(init=False)
    _has_room: bool = False

    def __post_init__(self) -> None:
        self.changed = threading.Condition(self.partial.lock)

    @property
    def is_done(self) -> bool:
        """Whether all bytes are there, and nothing follows them."""
        return self.board.is_whole and not self.awaits_end

    @property
    def usable(self) -> list[Origin]:
        """The sources that are still worth asking."""
        return [each for each in self.origins if each.failure is None]

    def take(self, lane: Lane) -> Claim | None:
        """Return what *lane* fetches next, as soon as there is something; None is the end."""
        while True:
            claim = self.take_now(lane)
            with self.changed:
                done = self.board.is_whole or not self.board.claims
                if claim is not None or done or lane.retired or self.stopped.is_set():
                    return claim
                claim = self.board.take_late(lane.pace, time.monotonic())
                if claim is not None:
                    return self._marked(claim)
                self.changed.wait(_IDLE_S)

    def take_now(self, lane: Lane) -> Claim | None:
        """Return what *lane* fetches next, if nobody else does so already."""
        with self.changed:
            if lane.retired or self.stopped.is_set() or self.board.is_whole:
                return None
            if not lane.origin.has_ranges:
                return None if self.board.claims else self.board.whole(lane.pace)
            claim = self.board.take(lane.pace, len(self.lanes))
            return None if claim is None else self._marked(claim)

    def _marked(self, claim: Claim) -> Claim:
        # The last part is asked for without an end: the shortest question for it.
        claim.asked_end = None if claim.end == self.board.size_bytes else claim.end
        return claim

    def learn(self, origin: Origin, answer: Answer, claim: Claim, size_bytes: int | None) -> None:
        """Take note of what *answer* says of the file, before any of its bytes are kept.

        Raises:
            StartOver: nothing would prove that its parts belong together.
            NetworkError: nothing would tell its end from a broken connection.
            NoSpace: there is no room for it.
        """
        pinned = self.partial.is_pinned
        if size_bytes is None and not (pinned or answer.end_is_marked):
            message = "does not say how long the file is, so a broken download could not be told"
            raise NetworkError(message, hint="use another source")
        is_part = size_bytes is not None and (claim.position, claim.asked_end) != (0, None)
        if is_part and not (pinned or origin.etag or (claim.asked_end or 0) >= (size_bytes or 0)):
            origin.has_ranges = False
            raise StartOver("has nothing that proves that its parts belong together")
        with self.changed:
            self._begin(origin, self.partial.binding.size_bytes or size_bytes)
            size = self.board.size_bytes
            if size is not None:
                claim.end = size if claim.end is None else min(claim.end, size)
            self.has_begun = True
            # Without a length more may follow than there should be.
            self.awaits_end = answer.length is None

    def _begin(self, origin: Origin, size_bytes: int | None) -> None:
        state = self.partial.state
        # Other sources' tags say nothing to the first, which the state belongs to.
        etag = origin.etag if origin is self.origins.first else state.etag
        if not self._has_room or (etag, size_bytes) != (state.etag, state.size_bytes):
            self.partial.begin(etag, size_bytes)
            self._has_room = True
        self.board.size_bytes = size_bytes

    def write(self, claim: Claim, buffer: memoryview, size_bytes: int) -> memoryview:
        """Write *buffer* where *claim* is; return the buffer to go on with."""
        with self.changed:
            if claim.end is not None:
                size_bytes = min(size_bytes, claim.end - claim.position)
            if claim.raced:
                self._write_raced(claim, buffer[:size_bytes])
                return buffer
            claim.is_writing = True
        try:
            self.partial.write(buffer[:size_bytes], claim.position)
            buffer = self.partial.hasher.swap(claim.position, buffer, size_bytes)
            with self.changed:
                self._wrote(claim, claim.position + size_bytes)
        finally:
            claim.is_writing = False
        return buffer

    def _write_raced(self, claim: Claim, data: memoryview) -> None:
        """Write what the rival has not: bytes that are there may be hashed, and never change."""
        end = claim.position + len(data)
        start = min(self.partial.have.end_from(claim.position), end)
        self.partial.write(data[start - claim.position :], start)
        claim.position = start
        self._wrote(claim, end)

    def _wrote(self, claim: Claim, end: int) -> None:
        self.partial.record(claim.position, end)
        claim.position = end
        if claim.raced:
            for lane in self.lanes:
                other = lane.claim
                # One that came to its own end is moot as well, and its connection still good.
                if other is not None and other.left_bytes and self.board.is_moot(other):
                    lane.abort()
        if self.board.is_whole or claim.raced:
            self.changed.notify_all()

    def saw_end(self) -> None:
        """Take note that nothing follows the bytes that should be there."""
        with self.changed:
            self.awaits_end = False
            self.changed.notify_all()

    def end_at(self, claim: Claim) -> None:
        """Take the end of what came for the end of the file."""
        with self.changed:
            self.partial.end_here()
            self.board.size_bytes = claim.end = claim.position
            self.changed.notify_all()

    def is_moot(self, claim: Claim) -> bool:
        """Return whether nothing of *claim* is missing any more, though the work goes on."""
        with self.changed:
            return not self.stopped.is_set() and self.board.is_moot(claim)

    def drop(self, claim: Claim) -> None:
        """Give what is left of *claim* to whoever is next."""
        with self.changed:
            self.board.drop(claim)
            self.changed.notify_all()

    def check_running(self) -> None:
        """Check that the work goes on.

        Raises:
            Transient: it does not.
        """
        if self.stopped.is_set():
            raise Transient("the download was stopped")

    def ended(self, lane: Lane, failure: BaseException | None) -> None:
        """Take note that *lane* works no more, because of *failure* if there is one."""
        self.budget.give_back()
        with self.changed:
            self.lanes.remove(lane)
            self.awaits_end = False
            matters = failure is not None and not self.stopped.is_set()
            if failure is not None and matters:
                self._note(lane, failure)
            self.changed.notify_all()
        lane.hang_up()

    def _note(self, lane: Lane, failure: BaseException) -> None:
        if self._is_better_left(lane.origin, failure):
            lane.origin.failure = failure
            return
        self.failures.append(failure)
        if isinstance(failure, Whole) and self.opened is None:
            self.opened = lane.hand_over()

    def _is_better_left(self, origin: Origin, failure: BaseException) -> bool:
        """Return whether *origin* is no more to be asked, because others have the file as well."""
        if all(each is origin for each in self.usable):
            return False
        if isinstance(failure, Transient):
            # What an alternative brings is welcome; waiting for it would hold up the others.
            return origin is not self.origins.first or not failure.connected
        return isinstance(failure, Exception) and not isinstance(failure, OSError)

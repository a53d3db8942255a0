"""One connection at work: it takes parts, asks for them, and puts their bytes where they belong."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from aava_cli.download.sources.http import Transient
from aava_cli.download.transfer.hasher import BUFFER_BYTES
from aava_cli.download.transfer.origin import MOST_REDIRECTS, REDIRECTS, REFUSALS, Whole
from aava_cli.download.transfer.partial import unlike
from aava_cli.download.transfer.segments import Pace
from aava_cli.download.transfer.wire import Wire
from aava_cli.errors import NetworkError

if TYPE_CHECKING:
    from aava_cli.download.transfer.origin import Origin
    from aava_cli.download.transfer.segments import Claim
    from aava_cli.download.transfer.wire import Answer
    from aava_cli.download.transfer.work import Work

_FLUSH_S = 0.25


class Lane:
    """A thread with a connection of its own to *origin*, for the work that is *shared*."""

    def __init__(
        self,
        shared: Work,
        origin: Origin,
        stall_s: float,
        opened: tuple[Origin, Wire, Answer] | None = None,
    ) -> None:
        self.origin = origin
        self.pace = Pace(stall_s)
        self.claim: Claim | None = None
        self.began_s = time.monotonic()
        self.asked_s: float | None = None
        self.is_connecting = False
        self.retired = False
        self._shared = shared
        self._opened = opened
        self._wire: Wire | None = None
        # What the wire leads to; other connections may have been led elsewhere since.
        self._url = origin.url
        self._asked: deque[Claim] = deque()
        self._buffer = memoryview(bytearray(BUFFER_BYTES))
        self.thread = threading.Thread(target=self._run, name="download", daemon=True)

    def abort(self) -> None:
        """Break the connection under whoever waits for it."""
        wire = self._wire
        if wire is not None:
            wire.abort()

    def hang_up(self) -> None:
        """Close the connection, and give back what was asked for on it."""
        if self._wire is not None:
            self._wire.close()
            self._wire = None
        for claim in self._asked:
            self._shared.drop(claim)
        self._asked.clear()

    def hand_over(self) -> tuple[Origin, Wire, Answer] | None:
        """Give up the answer that brings the whole file to whoever reads it on."""
        opened, self._opened, self._wire = self._opened, None, None
        return opened

    @property
    def is_stalled(self) -> bool:
        """Whether it waits for bytes, and for too long."""
        wire = self._wire
        self.pace.waiting_since_s = wire.waiting_since_s if wire is not None else None
        return self.pace.is_stalled(time.monotonic())

    def _run(self) -> None:
        failure: BaseException | None = None
        try:
            self._work()
        # The pool's own thread raises it, where somebody sees it.
        except BaseException as error:  # noqa: BLE001
            failure = error
        self._shared.ended(self, failure)

    def _work(self) -> None:
        while (claim := self._next()) is not None:
            self.claim = claim
            try:
                self._receive(claim)
            except Transient:
                # A server that hangs up on what is asked ahead may take back what it has sent.
                self.origin.pipelines = self.origin.pipelines and not self._asked
                if not self._shared.is_moot(claim):
                    raise
                # Another connection was faster, and this one was broken off for it.
                self.hang_up()
                self._shared.saw_end()
            finally:
                self._shared.drop(claim)
                self.claim = None

    def _next(self) -> Claim | None:
        return self._asked[0] if self._asked else self._shared.take(self)

    def _receive(self, claim: Claim) -> None:
        answer = self._answer_that_was_opened() or self._answer_to(claim)
        try:
            size_bytes = self.origin.check(answer, claim, self._shared.board.size_bytes)
        except Whole:
            self._opened = (self.origin, self._wire_in_use(), answer)
            raise
        self._shared.learn(self.origin, answer, claim, size_bytes)
        self._stream(claim, answer)
        if answer.left_bytes or not answer.keeps_alive:
            self.hang_up()

    def _answer_that_was_opened(self) -> Answer | None:
        if self._opened is None:
            return None
        (_, self._wire, answer), self._opened = self._opened, None
        return answer

    def _answer_to(self, claim: Claim) -> Answer:
        if self._wire is not None:
            answer = self._answer_on_same_wire(claim)
            if answer is not None:
                return answer
        return self._open(claim)

    def _answer_on_same_wire(self, claim: Claim) -> Answer | None:
        """Return the answer to *claim*; None where the connection or the address is used up."""
        assert self._wire is not None  # noqa: S101 - whoever calls has looked
        was_asked = bool(self._asked)
        try:
            if was_asked:
                self._asked.popleft()
            else:
                self._ask(claim)
            answer = self._wire.answer()
        except Transient:
            # Servers may hang up between two answers; some do so when they are asked ahead.
            self.origin.pipelines = self.origin.pipelines and not was_asked
            self.hang_up()
            return None
        was_redirected = self._url != self.origin.download.url
        if answer.status in REDIRECTS or (answer.status in REFUSALS and was_redirected):
            self.origin.forget(self._url)
            self.hang_up()
            return None
        return answer

    def _open(self, claim: Claim) -> Answer:
        """Return the answer to *claim* on a new connection, wherever redirects lead."""
        url, was_redirected = self.origin.url, self.origin.final_url is not None
        for _ in range(MOST_REDIRECTS):
            self._connect(url)
            self._ask(claim)
            answer = self._wire_in_use().answer()
            self.pace.answer_s = time.monotonic() - (self.asked_s or 0.0)
            if answer.status in REDIRECTS:
                url, was_redirected = self.origin.redirected(url, answer), False
            elif answer.status in REFUSALS and was_redirected:
                # What redirects lead to is often good for some minutes only.
                self.origin.forget(url)
                url, was_redirected = self.origin.download.url, False
            else:
                self.origin.final_url = None if url == self.origin.download.url else url
                return answer
            self.hang_up()
        raise NetworkError("redirects without an end", hint="check the address of the source")

    def _connect(self, url: str) -> None:
        self.hang_up()
        self._wire, self._url = Wire(self.origin.route(url)), url
        self.asked_s = time.monotonic()
        self.is_connecting = True
        try:
            self._wire.connect()
        finally:
            self.is_connecting = False
        self._shared.check_running()

    def _ask(self, claim: Claim) -> None:
        self.asked_s = time.monotonic()
        self._wire_in_use().ask(self._url, self.origin.headers(self._url, claim))

    def _wire_in_use(self) -> Wire:
        if self._wire is None:
            raise Transient("the connection was given up")
        return self._wire

    def _stream(self, claim: Claim, answer: Answer) -> None:
        """Put the body of *answer* where *claim* is, as far as it is still wanted."""
        filled, began = 0, time.monotonic()
        wire = self._wire_in_use()
        self._ask_ahead(claim, answer)
        most = min(len(self._buffer), self._shared.budget.slice_bytes or len(self._buffer))
        try:
            while room := self._room(claim, filled, most):
                target = self._buffer[filled : filled + room]
                got = wire.read_into(target, answer, impatient=filled > 0)
                if got == 0:
                    break
                filled += got or 0
                self._shared.budget.spend(got or 0, self._shared.stopped)
                now = time.monotonic()
                # What has come is kept before anybody waits for more.
                if filled == most or got is None or now - began >= _FLUSH_S:
                    self._flush(claim, filled, now - began)
                    filled, began = 0, now
                    self._ask_ahead(claim, answer)
        finally:
            if filled:
                self._flush(claim, filled, time.monotonic() - began)
        self._finish(claim, answer, wire)

    def _room(self, claim: Claim, filled: int, most: int) -> int:
        if claim.end is None:
            return most - filled
        return max(0, min(most - filled, claim.end - claim.position - filled))

    def _flush(self, claim: Claim, size_bytes: int, took_s: float) -> None:
        self.pace.note(size_bytes, took_s)
        self._buffer = self._shared.write(claim, self._buffer, size_bytes)

    def _ask_ahead(self, claim: Claim, answer: Answer) -> None:
        """Ask for the next parts before this one ends, so that no round trip is lost between."""
        if claim.end is None or not (answer.keeps_alive and self.origin.pipelines):
            return
        # It is looked at once a buffer, and what is asked now takes a round trip to come.
        ahead = BUFFER_BYTES + int(self.pace.bytes_per_s * self.pace.answer_s)
        while claim.left_bytes + sum(each.left_bytes for each in self._asked) < ahead:
            following = self._shared.take_now(self)
            if following is None:
                return
            self._asked.append(following)
            self._ask(following)

    def _finish(self, claim: Claim, answer: Answer, wire: Wire) -> None:
        """Take the end of the body for what it is."""
        if claim.end is None:
            self._shared.end_at(claim)
        elif claim.left_bytes and not self._shared.is_moot(claim):
            raise Transient(f"the connection broke with {claim.left_bytes:,} bytes to come")
        elif answer.length is None and claim.end == self._shared.board.size_bytes:
            one = memoryview(bytearray(1))
            if wire.read_into(one, answer):
                raise unlike(f"it is longer than {claim.end:,} bytes")
        self._shared.saw_end()

"""Several things at once: the largest first, and in turn where they work on the same.

Threads are no daemons of an executor that is waited for at exit: one that looks up a name, which
cannot be broken off, must not hold up a Ctrl-C.
"""

from __future__ import annotations

import threading
from concurrent.futures import FIRST_COMPLETED, FIRST_EXCEPTION, Future, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from aava_cli.download.transfer.halt import Halt

T = TypeVar("T")

LARGE_BYTES = 8 << 20
_LOOK_S = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Job(Generic[T]):
    """One thing to do; no other that has one of its *names* is done at the same time."""

    call: Callable[[], T]
    names: frozenset[str] = frozenset()
    size_bytes: int | None = None

    @property
    def is_large(self) -> bool:
        """Whether it takes more than round trips; what nobody knows may."""
        return self.size_bytes is None or self.size_bytes > LARGE_BYTES


class Crew:
    """Does up to *most* jobs at once, *most_large* of them large."""

    def __init__(self, most: int, most_large: int | None = None) -> None:
        self._most = most
        self._most_large = most if most_large is None else most_large
        self._waiting: list[tuple[Job[Any], Future[Any]]] = []
        self._working: list[Job[Any]] = []
        self._lock = threading.Lock()

    def submit(self, jobs: Sequence[Job[T]]) -> list[Future[T]]:
        """Begin *jobs* as soon as there is room, the largest first."""
        pairs: list[tuple[Job[T], Future[T]]] = [(job, Future()) for job in jobs]
        with self._lock:
            self._waiting += pairs
            self._waiting.sort(key=lambda pair: pair[0].size_bytes or 0, reverse=True)
        self._advance()
        return [future for _, future in pairs]

    def do_all(self, jobs: Sequence[Job[T]], halt: Halt) -> list[T]:
        """Return what *jobs* return, in their order.

        The first that fails has *halt* end the others; its failure is raised once all have ended.
        """
        futures = self.submit(jobs)
        wait(futures, return_when=FIRST_EXCEPTION)
        failures = [error for each in futures if each.done() and (error := each.exception())]
        if failures:
            halt.say()
            drop_all(futures)
            wait(futures)
            raise failures[0]
        return [each.result() for each in futures]

    def _advance(self) -> None:
        with self._lock:
            while (pair := self._next()) is not None:
                job, future = pair
                self._waiting.remove(pair)
                # Whoever asked for it may have given it up.
                if future.set_running_or_notify_cancel():
                    self._working.append(job)
                    threading.Thread(target=self._work, args=pair, daemon=True).start()

    def _next(self) -> tuple[Job[Any], Future[Any]] | None:
        if len(self._working) >= self._most:
            return None
        taken = frozenset[str]().union(*(job.names for job in self._working))
        has_room = sum(job.is_large for job in self._working) < self._most_large
        for pair in self._waiting:
            if (has_room or not pair[0].is_large) and taken.isdisjoint(pair[0].names):
                return pair
        return None

    def _work(self, job: Job[T], future: Future[T]) -> None:
        _fulfil(future, job.call)
        with self._lock:
            self._working.remove(job)
        self._advance()


def in_background(call: Callable[[], T]) -> Future[T]:
    """Return what *call* will return; whoever does not wait for it loses nothing."""
    future: Future[T] = Future()
    threading.Thread(target=_fulfil, args=(future, call), daemon=True).start()
    return future


def first_of(
    futures: Collection[Future[T]], halt: Halt, timeout_s: float | None = None
) -> set[Future[T]]:
    """Return those of *futures* that are done once there is one, or *timeout_s* are over.

    Raises:
        Halted: the work is not wanted any more.
    """
    left_s = timeout_s
    while True:
        halt.check()
        look_s = _LOOK_S if left_s is None else min(_LOOK_S, left_s)
        done = wait(futures, look_s, FIRST_COMPLETED).done
        left_s = None if left_s is None else left_s - look_s
        if done or (left_s is not None and left_s <= 0):
            return done


def drop_all(futures: Collection[Future[T]]) -> None:
    """Give up those of *futures* that were not begun yet."""
    for each in futures:
        each.cancel()


def _fulfil(future: Future[T], call: Callable[[], T]) -> None:
    try:
        result = call()
    # It is raised again where the result is missed.
    except BaseException as error:  # noqa: BLE001
        future.set_exception(error)
    else:
        future.set_result(result)

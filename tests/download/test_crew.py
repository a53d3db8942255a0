"""Jobs at once: the largest first, in turn where they share a name, and ended by a word."""

from __future__ import annotations

import threading
from concurrent.futures import wait
from functools import partial
from typing import TYPE_CHECKING, NoReturn

import pytest

from aava_cli.download.crew import LARGE_BYTES, Crew, Job, drop_all, first_of, in_background
from aava_cli.download.sources.memo import Memo
from aava_cli.download.transfer.halt import Halt, Halted

if TYPE_CHECKING:
    from concurrent.futures import Future


def meeting(parties: int) -> threading.Barrier:
    """Return where *parties* threads meet, or fail."""
    return threading.Barrier(parties, timeout=30)


def test_as_many_as_may_be_are_at_work_together() -> None:
    """Jobs that wait for each other only end because they run at the same time."""
    met = meeting(3)
    jobs = [Job(met.wait, size_bytes=1) for _ in range(6)]
    assert [0, 0, 1, 1, 2, 2] == sorted(Crew(3).do_all(jobs, Halt()))


def test_no_more_than_may_be_are_at_work() -> None:
    """What is beyond the number waits, the large ones also for each other."""
    counted = Counted()
    small = [Job(counted, size_bytes=1) for _ in range(20)]
    Crew(3).do_all(small, Halt())
    assert counted.most <= 3
    counted = Counted()
    large = [Job(counted, size_bytes=size) for size in (None, LARGE_BYTES + 1) * 5]
    Crew(8, most_large=2).do_all(large, Halt())
    assert counted.most <= 2


class Counted:
    """A job that knows how many of it are at work."""

    def __init__(self) -> None:
        self.most = self.now = 0
        self._lock = threading.Lock()
        self._pause = threading.Event()

    def __call__(self) -> None:
        """Be at work for a moment."""
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        self._pause.wait(0.005)
        with self._lock:
            self.now -= 1


def test_largest_comes_first_and_answers_in_order() -> None:
    """The order of the answers is that of the jobs, whatever was done when."""
    done: list[int] = []

    def job(size: int) -> int:
        done.append(size)
        return size

    sizes = [2, 9, 4, 7]
    answers = Crew(1).do_all([Job(partial(job, size), size_bytes=size) for size in sizes], Halt())
    assert (sizes, sorted(sizes, reverse=True)) == (answers, done)


def test_jobs_that_share_a_name_are_done_in_turn() -> None:
    """Two that want the same bytes never run at once; others pass them."""
    counted, met = Counted(), meeting(2)
    same = [Job(counted, frozenset({"x", str(each)}), 5) for each in range(5)]
    others = [Job(met.wait, frozenset({f"y{each}"}), 1) for each in range(2)]
    crew = Crew(8)
    in_turn = crew.submit(same)
    wait(crew.submit(others), 30)
    wait(in_turn, 30)
    assert 1 == counted.most


def test_first_failure_ends_the_others() -> None:
    """Those at work hear the word, those that wait are not begun, and the failure is raised."""
    halt, began = Halt(), threading.Event()
    done: list[str] = []

    def work() -> None:
        began.set()
        halt.sleep(60)
        done.append("worked")

    def fail() -> None:
        began.wait(30)
        raise ValueError("this one")

    jobs = [Job(work, size_bytes=3), Job(fail, size_bytes=2), Job(lambda: done.append("late"))]
    with pytest.raises(ValueError, match="this one"):
        Crew(2).do_all(jobs, halt)
    assert [] == done


def test_job_that_was_dropped_is_not_begun() -> None:
    """Only what nobody has begun can be given up."""
    crew, go = Crew(1), threading.Event()
    first, second = crew.submit([Job(lambda: go.wait(30), size_bytes=2), Job(lambda: True)])
    drop_all([first, second])
    go.set()
    assert (True, True) == (first.result(30), second.cancelled())
    assert [True] == crew.do_all([Job(lambda: True)], Halt())


def test_first_of_several() -> None:
    """Whoever is done ends the waiting; so does the time, and the word to stop."""
    go, halt = threading.Event(), Halt()
    slow: Future[object] = in_background(lambda: go.wait(30))
    quick: Future[object] = in_background(lambda: "quick")
    assert {quick} == first_of([slow, quick], halt)
    assert set() == first_of([slow], halt, 0.0)
    halt.say()
    with pytest.raises(Halted):
        first_of([slow], halt)
    go.set()
    assert {slow} == wait([slow], 30).done


def test_memo_asks_once_for_all_who_ask() -> None:
    """Who comes while another asks gets that answer, and its failure; then it is asked again."""
    memo: Memo[int] = Memo()
    asked: list[int] = []
    met = meeting(2)

    def fail() -> NoReturn:
        asked.append(1)
        met.wait()
        # By now the other asks as well, or soon does.
        raise ValueError

    first = in_background(lambda: memo.get("x", fail))
    met.wait()
    with pytest.raises(ValueError):
        first.result(30)
    assert (7, 7, [1]) == (memo.get("x", lambda: 7), memo.get("x", lambda: 8), asked)

    def ask() -> int:
        asked.append(2)
        return 5

    answers = [in_background(lambda: memo.get("y", ask)) for _ in range(3)]
    assert ([5] * 3, [1, 2]) == ([each.result(30) for each in answers], asked)

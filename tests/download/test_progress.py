"""Progress that people trust: never backwards, with a rate, and honest when nothing comes."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aava_cli.download.progress import Meter, metered, steady
from aava_cli.events import Log, Progress

if TYPE_CHECKING:
    from aava_cli.events import Event


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        """Return the time that was set."""
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    """Return a clock that the test moves."""
    return Clock()


@pytest.fixture
def shown() -> list[Progress]:
    """Return where progress is collected."""
    return []


@pytest.fixture
def meter(clock: Clock, shown: list[Progress]) -> Meter:
    """Return a meter on the test's clock."""

    def emit(event: Event) -> None:
        assert isinstance(event, Progress)
        shown.append(event)

    return Meter("x", emit, clock)


def test_rate_and_time_left(meter: Meter, clock: Clock, shown: list[Progress]) -> None:
    """Both follow from what came in the last seconds; what was there before does not count."""
    meter(500, 1000)
    for done in (510, 520, 530):
        clock.now_s += 1
        meter(done, 1000)
    assert [None, 10, 10, 10] == [each.per_second for each in shown]
    assert (530, 47, None) == (shown[-1].done, shown[-1].remaining_s, shown[-1].stalled_s)


def test_rate_forgets_what_is_long_ago(meter: Meter, clock: Clock, shown: list[Progress]) -> None:
    """A line that became slow is slow."""
    meter(0, 10_000)
    clock.now_s += 1
    meter(5000, 10_000)
    for done in range(5010, 5210, 10):
        clock.now_s += 1
        meter(done, 10_000)
    assert shown[-1].per_second == 10


def test_not_every_byte_is_reported(meter: Meter, clock: Clock, shown: list[Progress]) -> None:
    """A few times a second is enough, and the end always is."""
    for done in range(1001):
        clock.now_s += 0.001
        meter(done, 1000)
    assert 5 <= len(shown) <= 8
    assert shown[-1].done == 1000


def test_download_that_starts_over_stands_still(
    meter: Meter, clock: Clock, shown: list[Progress]
) -> None:
    """What is shown waits for the bytes to catch up, but the rate shows that they come."""
    for done in (0, 50, 0, 20, 40, 60):
        clock.now_s += 1
        meter(done, 100)
    assert [0, 50, 50, 50, 50, 60] == [each.done for each in shown]
    assert shown[3].per_second
    assert shown[3].remaining_s is not None


def test_stall_says_so(meter: Meter, clock: Clock, shown: list[Progress]) -> None:
    """After some seconds without a byte the rate is nothing and the silence is counted."""
    meter.tick()
    meter(10, 100)
    clock.now_s += 1
    meter.tick()
    assert len(shown) == 1
    clock.now_s += 11
    meter.tick()
    assert (10, 12, 0, None) == (
        shown[-1].done,
        shown[-1].stalled_s,
        shown[-1].per_second,
        shown[-1].remaining_s,
    )
    clock.now_s += 1
    meter(20, 100)
    assert (20, None) == (shown[-1].done, shown[-1].stalled_s)


def test_last_bytes_before_a_stall_are_shown(
    meter: Meter, clock: Clock, shown: list[Progress]
) -> None:
    """What came too soon after a report is not held back until more comes."""
    meter(10, 100)
    meter(20, 100)
    assert [10] == [each.done for each in shown]
    clock.now_s += 1
    meter.tick()
    assert [10, 20] == [each.done for each in shown]


def test_same_bytes_again_are_a_stall(meter: Meter, clock: Clock, shown: list[Progress]) -> None:
    """A report without anything new does not hide that nothing comes."""
    meter(10, 100)
    clock.now_s += 5
    meter(10, 100)
    assert shown[-1].stalled_s == 5


def test_what_is_whole_does_not_stall(meter: Meter, clock: Clock, shown: list[Progress]) -> None:
    """After the last byte there is nothing to wait for."""
    meter(100, 100)
    clock.now_s += 60
    meter.tick()
    assert len(shown) == 1


def test_verified_prefix_is_never_more_than_what_is_shown(
    meter: Meter, shown: list[Progress]
) -> None:
    """What is checked is part of what is there."""
    meter(10, 100, 30)
    assert shown[-1].verified == 10


@given(st.lists(st.tuples(st.integers(0, 100), st.floats(0, 20)), min_size=1))
def test_progress_never_goes_back(reports: list[tuple[int, float]]) -> None:
    """Whatever is reported when: what is shown only grows, and rates make sense."""
    clock = Clock()
    shown: list[Event] = []
    meter = Meter("x", shown.append, clock)
    for done, seconds in reports:
        clock.now_s += seconds
        meter(done, 100)
        meter.tick()
    seen = [each for each in shown if isinstance(each, Progress)]
    assert sorted(each.done for each in seen) == [each.done for each in seen]
    assert all((each.per_second or 0) >= 0 for each in seen)


def test_metered_ticks_on_its_own() -> None:
    """Nobody has to call for a stall to be noticed."""
    told = threading.Event()

    def emit(event: Event) -> None:
        if isinstance(event, Progress) and event.stalled_s:
            told.set()

    with metered("x", emit, 0.01) as meter:
        meter.clock = Clock()
        meter(1, 2)
        meter.clock.now_s += 60
        assert told.wait(30)


def test_steady_passes_on_only_what_grows() -> None:
    """Sources and processes that report in turn make one progress; tasks are apart."""
    shown: list[Event] = []
    emit = steady(shown.append)
    for event in (Progress("a", 5, 10), Progress("a", 3, 10), Progress("b", 3, 10), Log("x")):
        emit(event)
    emit(Progress("a", 5, 10, stalled_s=4))
    assert shown == [
        Progress("a", 5, 10),
        Progress("b", 3, 10),
        Log("x"),
        Progress("a", 5, 10, stalled_s=4),
    ]

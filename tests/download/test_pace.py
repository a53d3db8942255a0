"""What downloads share, and what decides on how many connections there are."""

from __future__ import annotations

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aava_cli.download.transfer.extents import Extents
from aava_cli.download.transfer.governor import Governor
from aava_cli.download.transfer.pace import Budget, parse_rate
from aava_cli.download.transfer.segments import Board, Pace
from aava_cli.errors import UsageError

MIB = 1 << 20


@pytest.mark.parametrize(("written", "bytes_per_s"), [("7", 7), ("1.5k", 1500), ("10M", 10**7)])
def test_rates(written: str, bytes_per_s: int) -> None:
    """Rates are written with the units that people use."""
    assert bytes_per_s == parse_rate(written)


@pytest.mark.parametrize("written", ["", "fast", "0", "-1", "10T", "10 M"])
def test_no_rates(written: str) -> None:
    """What is no rate is refused."""
    with pytest.raises(UsageError, match="is no rate"):
        parse_rate(written)


def test_rate_holds_for_all_together() -> None:
    """Two that read share what one may read."""
    budget, stopped = Budget(bytes_per_s=10_000_000), threading.Event()
    began = time.monotonic()

    def spend() -> None:
        for _ in range(5):
            budget.spend(100_000, stopped)

    threads = [threading.Thread(target=spend) for _ in range(2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert time.monotonic() - began >= 0.099


def test_stopped_download_does_not_wait_for_its_rate() -> None:
    """Ctrl-C does not wait for bytes to be allowed."""
    stopped = threading.Event()
    stopped.set()
    Budget(bytes_per_s=1).spend(10**9, stopped)


def test_connections_are_counted() -> None:
    """No more are handed out than there are."""
    budget = Budget(connections=2)
    assert [True, True, False] == [budget.take() for _ in range(3)]
    budget.give_back()
    assert budget.take()


def run(governor: Governor, rate: dict[int, int], windows: int = 40) -> int:
    """Let *governor* see what each number of connections brings; return where it ends."""
    done = 0.0
    for window in range(windows):
        done += rate[governor.target] * 0.25
        governor.observe(window * 0.25, int(done), window * 0.25, all_at_work=True)
    return governor.target


def test_grows_while_it_helps() -> None:
    """Per-connection limits are met with connections, up to the most there may be."""
    assert 16 == run(Governor(16), {1: 20, 2: 40, 4: 80, 8: 160, 16: 320})


def test_stops_where_more_bring_nothing() -> None:
    """A link that is full is not shared with more connections."""
    assert 4 == run(Governor(16), {1: 30, 2: 60, 4: 120, 8: 121, 16: 121})


def test_hashing_is_the_limit() -> None:
    """Where bytes wait to be hashed, one connection is enough, however many there were."""
    governor = Governor(16, target=8)
    for window in range(20):
        governor.observe(window, window * 10**9, 0.1 * window, all_at_work=True)
    assert 1 == governor.target


def test_hashing_that_caught_up_is_no_limit() -> None:
    """Bytes that had to wait for a moment do not keep a download at one connection."""
    governor = Governor(16)
    for window in range(3):
        governor.observe(window, window * 10**6, max(0, window - 1), all_at_work=True)
    assert 2 == governor.target


def test_refusal_is_heeded() -> None:
    """A server that has had enough gets half, and is not tried again."""
    governor = Governor(16, target=8)
    governor.refuse(7)
    assert 4 == governor.target
    assert 4 == run(governor, {4: 100, 8: 200})


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20)), max_size=20))
def test_extents_are_a_set(ranges: list[tuple[int, int]]) -> None:
    """They hold exactly the bytes that were put in, sorted and apart."""
    extents, expected = Extents(), set[int]()
    for start, size in ranges:
        extents.add(start, start + size)
        expected |= set(range(start, start + size))
    held = [position for start, end in extents.ranges for position in range(start, end)]
    assert (sorted(expected), len(expected)) == (held, extents.total)
    for position in range(82):
        missing = next(each for each in range(position, 200) if each not in expected)
        assert missing == extents.end_from(position)
    ends = [end for _, end in extents.ranges[:-1]]
    assert all(end < start for end, (start, _) in zip(ends, extents.ranges[1:], strict=True))


def test_parts_come_from_the_front() -> None:
    """Each part is handed out once, in the order of the file, around what is there."""
    board = Board(30 * MIB, Extents([(8 * MIB, 9 * MIB)]))
    parts = []
    while (claim := board.take(Pace(1.0))) is not None:
        parts.append((claim.position // MIB, (claim.end or 0) // MIB))
    assert [(0, 8), (9, 17), (17, 25), (25, 30)] == parts


def test_parts_get_small_near_the_end() -> None:
    """Connections that share a file come to its end together, a piece apart at most."""
    board, pace, sizes = Board(100 * MIB + 5, Extents()), Pace(1.0), []
    while (claim := board.take(pace, sharers=4)) is not None:
        sizes.append(claim.left_bytes)
    assert (100 * MIB + 5, 8 * MIB, MIB + 5) == (sum(sizes), sizes[0], sum(sizes[-2:]))
    assert sorted(sizes, reverse=True) == sizes


def test_slow_part_is_split_and_stalled_part_raced() -> None:
    """Who is free takes half of what is slow, and all of what stands still, but only once."""
    slow, free = Pace(1.0, bytes_per_s=1000), Pace(1.0, bytes_per_s=10**8)
    board = Board(8 * MIB, Extents())
    first = board.take(slow)
    half = board.take_late(free, now=0.0)
    assert first is not None
    assert half is not None
    assert (4 * MIB, 4 * MIB, 8 * MIB) == (first.end, half.position, half.end)
    board.have.add(half.position, 8 * MIB)
    board.drop(half)
    slow.waiting_since_s = 0.0
    rival = board.take_late(free, now=5.0)
    assert rival is not None
    assert (0, 4 * MIB, True) == (rival.position, rival.end, rival.rival)
    assert board.take_late(free, now=9.0) is None
    board.drop(rival)
    assert board.take_late(free, now=9.0) is not None

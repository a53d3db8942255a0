"""Leases: one holder per name, dead ones are noticed, and nobody's file is removed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from aava_cli.download.sharing.lease import (
    Held,
    Lease,
    Leases,
    all_claims,
    leases_folder,
    parse_claim,
)
from aava_cli.download.sharing.waiting import hold
from aava_cli.events import Log, Progress, ignore
from aava_cli.processes import local_process, this_process

if TYPE_CHECKING:
    from pathlib import Path

    from aava_cli.events import Event


class Clock:
    """A clock that stands until it is moved."""

    now_s = 0.0

    def __call__(self) -> float:
        """Return the time that was set."""
        return self.now_s


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return where the leases are."""
    return leases_folder(tmp_path)


def taken(leases: Leases, name: str) -> Lease:
    """Take a lease that is free."""
    lease = leases.take(name)
    assert isinstance(lease, Lease)
    return lease


def forge(lease: Lease, **changes: object) -> bytes:
    """Make *lease* look as if another process held it, and return its new bytes."""
    fields = json.loads(lease.path.read_bytes()) | changes
    data = json.dumps(fields).encode()
    lease.path.write_bytes(data)
    return data


def dead_process() -> str:
    """Return a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as other:
        process = local_process(other.pid)
    return str(process)


def test_lease_has_one_holder(folder: Path) -> None:
    """Who comes second is told who holds it; after the release it is free."""
    leases = Leases(folder)
    lease = taken(leases, "a")
    held = leases.take("a")
    assert isinstance(held, Held)
    assert held.claim is not None
    assert (this_process(), os.getpid()) == (held.claim.process, held.claim.holder.pid)
    taken(leases, "b").release()
    lease.release()
    lease.release()
    taken(leases, "a").release()
    assert [] == list(folder.iterdir())


def test_news_are_seen_by_others(folder: Path) -> None:
    """How far the holder is can be read from the lease, also when it has less to say."""
    lease = taken(Leases(folder), "a")
    news = tuple(Progress(f"task {n}", n, 10) for n in range(5))
    for told in (news, news[:1]):
        lease.beat(told)
        ((path, claim),) = all_claims(folder.parent)
        assert (lease.path, told) == (path, claim.news if claim else None)
    lease.release()
    lease.beat(news)
    assert [] == list(all_claims(folder.parent))


def test_dead_holder_is_replaced_at_once(folder: Path) -> None:
    """A process of this host that is gone holds nothing."""
    leases = Leases(folder)
    old = taken(leases, "a")
    forge(old, process=dead_process())
    new = taken(leases, "a")
    assert new.inherited is not None
    assert (False, True) == (old.path.exists(), new.path.exists())
    # The old holder, should it wake up, leaves what is not its own.
    old.release()
    assert new.path.exists()
    new.release()


def test_silent_holder_is_replaced_after_a_while(folder: Path) -> None:
    """Nobody can ask another host, so a heart that does not beat is all there is."""
    clock = Clock()
    leases = Leases(folder, 15.0, clock)
    old = taken(leases, "a")
    forge(old, process="1-1-00000000-00000000")
    for seconds in (0, 14):
        clock.now_s = seconds
        assert isinstance(leases.take("a"), Held)
    forge(old, process="1-1-00000000-00000000", beat=7)
    clock.now_s = 28
    assert isinstance(leases.take("a"), Held)
    clock.now_s = 42
    assert isinstance(leases.take("a"), Held)
    clock.now_s = 43
    taken(leases, "a").release()
    old.release()


def test_lease_that_says_nothing_yet_is_held(folder: Path) -> None:
    """Between its creation and its first beat a lease is empty."""
    clock = Clock()
    leases = Leases(folder, 15.0, clock)
    lease = taken(leases, "a")
    lease.path.write_bytes(b"")
    assert Held(None) == leases.take("a")
    clock.now_s = 15
    assert isinstance(leases.take("a"), Lease)
    lease.release()


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"process": "x", "news": [], "holder": {}}'])
def test_other_bytes_are_no_claim(data: bytes) -> None:
    """What cannot be read says nothing."""
    assert parse_claim(data) is None


def test_late_taker_steps_back(folder: Path) -> None:
    """Who took over from a dead holder, while another has begun from nothing, gives way."""
    leases = Leases(folder)
    first = taken(leases, "a")
    stem = first.path.name.partition(".")[0]
    # What a slow process would have made: it saw number 6 dead, which is gone by now.
    (folder / f"{stem}.7").write_bytes(first.path.read_bytes())
    assert isinstance(leases.take("a"), Held)
    assert {f"{stem}.1", f"{stem}.7"} == {each.name for each in folder.iterdir()}
    first.release()


def test_many_threads_hold_one_after_the_other(tmp_path: Path) -> None:
    """Whatever the order, never are two in the block at once."""
    inside: list[int] = []
    most: list[int] = []

    def work(number: int) -> None:
        with hold(tmp_path, ["a", "b"], ignore):
            inside.append(number)
            most.append(len(inside))
            inside.remove(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert [1] * 6 == most


def test_waiting_follows_the_holder(tmp_path: Path) -> None:
    """Its progress is passed on as it comes, and who it is is said once."""
    seen: list[Event] = []
    told, waits = threading.Event(), threading.Event()

    def emit(event: Event) -> None:
        seen.append(event)
        told.set() if isinstance(event, Progress) else waits.set()

    def follow() -> None:
        with hold(tmp_path, ["a"], emit):
            pass

    with hold(tmp_path, ["a"], ignore) as tell:
        thread = threading.Thread(target=follow)
        thread.start()
        assert waits.wait(30)
        tell(Progress("a", 1, 2))
        tell(Log("only for who works"))
        assert told.wait(30)
    thread.join()
    assert Progress("a", 1, 2) in seen
    (said,) = [each for each in seen if isinstance(each, Log)]
    assert said.message.startswith("waiting for `a`: ")

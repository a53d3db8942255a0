"""Memory is bounded by what goes on at a time, whatever the log holds."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING

import pytest

from aava_cli.audit.auditing import Auditor
from aava_cli.audit.blocks import Block
from aava_cli.audit.collectors import Collector
from aava_cli.audit.journal import Export, JournalJson
from aava_cli.audit.unwrapping import FourLines, JsonFile
from tests.audit.auditor import cut_blocks, pipeline
from tests.audit.logs import Names, opening, printed
from tests.audit.wrapping import compose

if TYPE_CHECKING:
    from collections.abc import Callable

    from aava_cli.audit.collectors import Unwrapper


def test_long_lines_are_not_remembered_for_ever() -> None:
    """Each is like no other, and a thousand of them take megabytes."""
    finder = pipeline().finder()
    tracemalloc.start()
    try:
        for number in range(8):
            lines = [
                b"[REALTIME] AI said: %d %d %b" % (number, index, b"a" * 4000)
                for index in range(1000)
            ]
            found = finder.find(b"\n".join(lines))
            assert 1000 == sum(1 for _ in finder.read(found))
        del lines, found
        held_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held_bytes < 16 << 20


def test_processes_make_room_for_each_other() -> None:
    """The one that was silent for longest is over; those that go on are not.

    Of 128, one goes on, and one is for lines of which no process is told.
    """
    ended: list[str] = []
    auditor = Auditor(
        pipeline(), 0, {}, lambda call, _judged: ended.append(call.name(("session",)))
    )
    collector, steady = Collector(), Names(9999)
    line = printed(opening(steady))
    feed(auditor, collector, compose([("steady", line[0])]))
    for number in range(500):
        other = printed(opening(Names(number)))[:1]
        feed(auditor, collector, compose([(f"web-{number}", other[0]), ("steady", line[1])]))
    assert [Names(number).session for number in range(500 - 126)] == ended
    auditor.finish()
    assert 501 == len(ended)
    assert 1 == ended.count(steady.session)


def feed(auditor: Auditor, collector: Collector, log: bytes) -> None:
    """Give *log* to *auditor*."""
    for block in cut_blocks([log]):
        auditor.feed("log", "log", collector, collector.unwrap(Block(block.data, log, 1, 0)))


def held_bytes(unwrapper: Unwrapper, log: bytes) -> tuple[int, int]:
    """Return how much *unwrapper* holds of *log* at its end, and how many lines it gave out."""
    lines = 0
    tracemalloc.start()
    try:
        for block in cut_blocks([log]):
            lines += unwrapper.unwrap(block).data.count(b"\n")
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return held, lines


@pytest.mark.parametrize(
    ("make", "log"),
    [
        (JsonFile, b"ab\n" * 100_000),
        (JsonFile, b'{"log":"' + b"x\\n" * 100_000 + b'","stream":"s","time":"x"}\n'),
        (JournalJson, b"{}\n" * 100_000),
        (FourLines, b"ab\n" * 100_000),
    ],
    ids=["json-file", "one record", "journal", "four lines"],
)
def test_where_many_lines_come_from_takes_little(make: Callable[[], Unwrapper], log: bytes) -> None:
    """A block has a megabyte, and may have hundreds of thousands of lines."""
    unwrapper, lines = make(), 0
    tracemalloc.start()
    try:
        for block in cut_blocks([log]):
            lines += len(unwrapper.unwrap(block).origins or ())
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert lines >= 100_000
    assert peak_bytes < 16 << 20


def test_lines_of_many_streams_are_not_waited_for() -> None:
    """Docker has two; of more the first are taken for whole."""
    entry = b'{"log":"%b","stream":"s%d","time":"x"}\n'
    log = b"".join(entry % (b"a" * 900, number) for number in range(20_000))
    held, lines = held_bytes(JsonFile(), log)
    assert lines >= 20_000 - 8
    assert held < 4 << 20


def test_record_without_end_is_not_kept() -> None:
    """Of its fields only those that are used are, and each once."""
    log = b"__CURSOR=a\nMESSAGE=hello\n"
    log += b"".join(b"F%d=%b\n" % (number, b"a" * 200) for number in range(50_000))
    unwrapper = Export()
    assert held_bytes(unwrapper, log)[0] < 4 << 20
    assert b"journal | - hello\n" == unwrapper.rest().data

"""Blocks, collectors and places: bytes in, lines with their numbers out."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from aava_cli.audit.blocks import BLOCK_BYTES, Block, LineCutter, cleaned, cut_blocks
from aava_cli.audit.collectors import Collector
from aava_cli.audit.places import Here, Place, excerpts
from tests.audit.wrapping import COLLECTORS, journal_export, json_file


def origins(block: Block) -> list[tuple[int, int]]:
    """Return number and offset of each line of *block*."""
    starts = [0]
    for line in block.data.splitlines(keepends=True)[:-1]:
        starts.append(starts[-1] + len(line))
    return [block.origin(start, index) for index, start in enumerate(starts)]


@given(st.binary(max_size=300).map(lambda data: data.replace(b"\r", b"")), st.integers(1, 50))
def test_blocks_are_all_of_the_stream(data: bytes, chunk_bytes: int) -> None:
    """Nothing is lost, and every line is where it stands."""
    chunks = [data[begin : begin + chunk_bytes] for begin in range(0, len(data), chunk_bytes)]
    blocks = list(cut_blocks(chunks))
    assert data == b"".join(block.raw for block in blocks)
    for block in blocks:
        for line, offset in origins(block):
            assert line == 1 + data.count(b"\n", 0, offset)


def test_line_without_end_is_cut() -> None:
    """Of a line of megabytes the beginning counts, and the next line has its number."""
    long = b"x" * (3 * BLOCK_BYTES)
    blocks = list(cut_blocks([b"one\n" + long + b"\nthree\n"]))
    data = b"".join(block.data for block in blocks)
    assert len(data) < BLOCK_BYTES
    assert data.endswith(b"\nthree\n")
    assert (3, 4 + len(long) + 1) == origins(blocks[-1])[-1]


def test_pause_gives_out_whole_lines_only() -> None:
    """The rest of a line comes later."""
    cutter = LineCutter()
    assert [] == list(cutter.feed(b"one\ntw"))
    assert [b"one\n"] == [block.data for block in cutter.flush(everything=False)]
    assert [] == list(cutter.flush(everything=False))
    assert [] == list(cutter.feed(b"o\n"))
    assert [b"two\n"] == [block.data for block in cutter.flush()]


def test_what_a_terminal_swallows_is_taken_out() -> None:
    """Colours, titles, typed cursor keys, controls, and the byte order mark."""
    dirty = b"\xef\xbb\xbf\x1b[36m[TX\x1b[0m_METRICS]\x1b]0;title\x07 ^[[B\x00fps\x08=50"
    assert b"[TX_METRICS] fps=50" == cleaned(dirty)


def test_offset_is_that_of_the_source() -> None:
    """Also behind colours, which are in the source."""
    raw = b"\x1b[36mone\x1b[0m\n\x1b[36mtwo\x1b[0m\n"
    (block,) = cut_blocks([raw])
    assert [(1, 0), (2, raw.index(b"\n") + 1)] == origins(block)


def test_long_line_of_a_container_comes_in_parts() -> None:
    """Sixteen kilobytes an entry; the marker may be in any of them."""
    line = b"a" * 20_000 + b"[TX_METRICS] fps=50.0"
    log = json_file([("", line), ("", b"next")])
    assert 3 == log.count(b"\n")
    (block,) = cut_blocks([log])
    data = Collector().unwrap(block).data
    assert b"[TX_METRICS] fps=50.0\n" in data
    assert data.splitlines()[1].endswith(b" next")


def test_part_without_the_rest_is_kept() -> None:
    """The log ends in the middle of a line, or of a record."""
    collector = Collector()
    entry = json.dumps({"log": "half", "stream": "stdout", "time": "t"}, separators=(",", ":"))
    (block,) = cut_blocks([entry.encode() + b"\n"])
    assert b"" == collector.unwrap(block).data
    rest = collector.rest()
    assert rest is not None
    assert rest.data.endswith(b" half\n")
    export = Collector()
    (block,) = cut_blocks([journal_export([("web-1", b"last")]).rstrip(b"\n") + b"\n"])
    assert b"" == export.unwrap(block).data
    rest = export.rest()
    assert rest is not None
    assert rest.data.endswith(b" last\n")


def test_nonsense_among_records_is_kept_as_text() -> None:
    """A line that is no record is a line."""
    for name in ("json-file", "journal-json"):
        log = COLLECTORS[name]([("web-1", b"one"), ("web-1", b"two")]) + b"{broken\n\n[1]\n"
        (block,) = cut_blocks([log])
        assert b"{broken" in Collector().unwrap(block).data


def test_journal_writes_what_is_no_text() -> None:
    """A message of several lines, one that is too large, and a stamp that is none."""
    records = (
        {"__CURSOR": "a", "MESSAGE": "one\ntwo", "__REALTIME_TIMESTAMP": "9" * 30},
        {"__CURSOR": "b", "MESSAGE": None, "_SYSTEMD_UNIT": "web.service"},
    )
    log = "".join(json.dumps(record) + "\n" for record in records).encode()
    (block,) = cut_blocks([log])
    lines = Collector().unwrap(block).data.splitlines()
    assert [b"journal | - one", b"journal | - two", b"web.service | - "] == lines


def test_export_with_an_impossible_length_goes_on() -> None:
    """A field of exabytes is none."""
    log = b"__CURSOR=a\nMESSAGE\n" + b"\xff" * 8 + b"\n\n" + journal_export([("w", b"next")])
    (block,) = cut_blocks([log])
    assert Collector().unwrap(block).data.endswith(b" next\n")


def place_at(log: bytes, text: bytes, context: int) -> Place:
    """Return the place of *text* in *log*, read in blocks of two lines."""
    here, found = Here(context), None
    lines = log.splitlines(keepends=True)
    offset = 0
    for index in range(0, len(lines), 2):
        data = b"".join(lines[index : index + 2])
        here.enter("log", Block(data, data, index + 1, offset))
        if text in data:
            here.index = data.index(text)
            found = here.place()
            assert found is here.place()
        here.leave()
        offset += len(data)
    assert found is not None
    return found


@given(st.integers(0, 29), st.integers(0, 12))
def test_place_has_the_lines_around_it(index: int, context: int) -> None:
    """Across blocks, and fewer where the log begins or ends."""
    lines = [b"line %02d" % number for number in range(30)]
    place = place_at(b"".join(line + b"\n" for line in lines), lines[index], context)
    assert (index + 1, index * 8) == (place.line, place.offset)
    assert lines[max(0, index - context) : index] == place.before
    assert lines[index + 1 : index + 1 + context] == place.after


def test_time_is_the_collectors() -> None:
    """In each of their forms, or none."""
    for line, time in (
        (b"web | 2025-12-14T21:12:05.123456789Z [X]", "2025-12-14T21:12:05.123456789Z"),
        (b"Dec 14 23:12:05 host web[1]: [X]", "Dec 14 23:12:05"),
        (b"17:03:27 web.1 | [X]", "17:03:27"),
        (b"[X] fps=50", None),
    ):
        assert time == place_at(line + b"\n", b"[X]", 0).time


def test_excerpts_are_merged_where_they_touch() -> None:
    """Two places near each other have one, two far apart have two."""
    near = [Place("log", line, 0, b"x", b"b\n" * 2, b"a\n" * 2) for line in (10, 14)]
    assert [(8, 9)] == [(each.line, len(each.lines)) for each in excerpts(near)]
    far = [Place("log", line, 0, b"x") for line in (10, 12)]
    assert [10, 12] == [each.line for each in excerpts(far)]
    assert () == excerpts([])

"""Blocks, collectors and places: bytes in, lines with their numbers out."""

from __future__ import annotations

import json
from itertools import count
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aava_cli.audit.around import AROUND_BYTES
from aava_cli.audit.blocks import LONGEST_LINE_BYTES, Block, LineCutter, cleaned
from aava_cli.audit.collectors import Collector
from aava_cli.audit.excerpts import excerpts
from aava_cli.audit.places import Here, Place
from tests.audit.auditor import cut_blocks
from tests.audit.wrapping import COLLECTORS, PROCESSES, four_lines, journal_export, json_file

if TYPE_CHECKING:
    from collections.abc import Callable


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
    long = b"x" * (3 * LONGEST_LINE_BYTES)
    blocks = list(cut_blocks([b"one\n" + long + b"\nthree\n"]))
    data = b"".join(block.data for block in blocks)
    assert len(data) < LONGEST_LINE_BYTES
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


@pytest.mark.parametrize("code", sorted({*range(32), 127} - set(b"\t\n\r\x1b")))
def test_control_in_a_tag_is_taken_out(code: int) -> None:
    """Whichever it is, and whatever else is in the block."""
    assert b"[TX_METRICS]\n" == cleaned(b"[TX_MET%cRICS]\n" % code)


def test_charset_that_a_terminal_chooses_is_taken_out() -> None:
    """What `tput sgr0` prints."""
    assert b"[TX_METRICS] 7=8" == cleaned(b"[TX\x1b(B\x1b[m_METRICS] \x1b7\x1b=7=8")


def test_last_line_counts_without_its_end() -> None:
    """Also where it is so long that it is cut."""
    for log, lines in ((b"one\ntwo", 2), (b"one\ntwo\n", 2), (b"x" * (3 << 20), 1), (b"", 0)):
        cutter = LineCutter()
        for _ in cutter.feed(log), cutter.flush():
            list(_)
        assert lines == cutter.lines


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


def test_time_in_the_middle_of_a_long_line_is_taken_out() -> None:
    """`docker logs --timestamps` puts one in front of each sixteen kilobytes."""
    stamp = b"2025-12-14T21:12:05.123456789Z "
    line = b"a" * (2 * 16384 - 4) + b"[TX_METRICS] fps=50.0" + b"b" * 16384
    parts = [line[begin : begin + 16384] for begin in range(0, len(line), 16384)]
    log = b"".join(stamp + part for part in parts) + b"\n" + stamp + b"next\n"
    (block,) = cut_blocks([log])
    for begin in (b"", b"web-1  | "):
        (block,) = cut_blocks([begin + log])
        assert begin + stamp + line + b"\n" + stamp + b"next\n" == Collector().unwrap(block).data
    quoted = b"x" * 16384 + stamp + b"\n"
    (block,) = cut_blocks([quoted])
    assert quoted == Collector().unwrap(block).data


PREFACE = b"WARN[0000] docker-compose.yml: the attribute `version` is obsolete\n"


@pytest.mark.parametrize("name", [*PROCESSES, "json-file"])
def test_collector_is_recognised_behind_other_lines(name: str) -> None:
    """What Compose says first, alone in a block or before many others."""
    log = COLLECTORS[name]([("web-1", b"one"), ("web-2", b"two")] * 40)
    known = Collector()
    known.unwrap(Block(log, log, 1, 0))
    for blocks in ([PREFACE, log], [PREFACE * 70 + log]):
        collector = Collector()
        for data in blocks:
            collector.unwrap(Block(data, data, 1, 0))
        assert (known.name, known.prefix) == (collector.name, collector.prefix)
    assert "plain" != known.name


def test_plain_log_is_not_looked_at_for_ever() -> None:
    """After some thousand lines it is what it seems."""
    collector = Collector()
    for _ in range(40):
        collector.unwrap(Block(PREFACE * 64, PREFACE * 64, 1, 0))
    assert "plain" == collector.name


@pytest.mark.parametrize("begin", [b'{"log":"', b'{"__CURSOR":"x","X":'])
def test_record_of_many_depths_is_text(begin: bytes) -> None:
    """No reader of JSON goes that deep."""
    record = begin + b'","x":' * begin.startswith(b'{"log') + b"[" * 60_000 + b"\n"
    collector = Collector()
    assert record.rstrip() in collector.unwrap(Block(record, record, 1, 0)).data


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


def test_carriage_return_ends_no_record() -> None:
    """A progress bar's, in a record of four lines."""
    log = four_lines([("", b"progress 1\rprogress 2\rdone"), ("", b"next")])
    (block,) = cut_blocks([log])
    plain = Collector().unwrap(block)
    starts = [(4, log.index(b"progress 1")), (8, log.index(b"next"))]
    assert starts == [plain.origin(0, index) for index in (0, 1)]


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
    (found,) = places_at(log, (text,), context, lambda block: block)
    return found


def places_at(
    log: bytes,
    texts: tuple[bytes, ...],
    context: int,
    unwrap: Callable[[Block], Block],
    here: Here | None = None,
) -> list[Place]:
    """Return the places of *texts* in *log*, read in blocks of two lines."""
    here, found = here or Here(context), []
    lines = log.splitlines(keepends=True)
    offset = 0
    for index in range(0, len(lines), 2):
        data = b"".join(lines[index : index + 2])
        block = unwrap(Block(data, data, index + 1, offset))
        here.enter("log", block)
        for text in texts:
            if text in block.data:
                here.index = block.data.index(text)
                found.append(here.place())
                assert found[-1] is here.place()
        here.leave()
        offset += len(data)
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
        (b"Dec 14 23:12:05.123456 host web[1]: [X]", "Dec 14 23:12:05.123456"),
        (b"2025-12-14T23:12:05+0200 host web[1]: [X]", "2025-12-14T23:12:05+0200"),
        (b"web | 2025-12-14 23:12:05,123 [INFO] server: [X]", "2025-12-14 23:12:05,123"),
        (b"container | - 2025-12-14 23:12:05,123 [INFO] [X]", "2025-12-14 23:12:05,123"),
        (b"[X] fps=50", None),
        (b"[X] Converted to Asia/Jerusalem: 2025-12-20T10:00:00+02:00", None),
        (b"INFO:server:[X] since 2025-12-20 10:00:00", None),
        (b"web | [X] since 2025-12-20 10:00:00", None),
    ):
        assert time == place_at(line + b"\n", b"[X]", 0).time


@pytest.mark.parametrize("name", ["four-line", "journal-export", "journal-json", "json-file"])
def test_records_around_have_their_own_numbers(name: str) -> None:
    """A record is one of the lines around, however many lines the source has for it."""
    texts = [b"line %02d" % number for number in range(30)]
    log = COLLECTORS[name]([("web-1", text) for text in texts])
    places = places_at(log, (texts[10], texts[13]), 4, Collector().unwrap)
    (excerpt,) = excerpts(places)
    around = zip(excerpt.lines, excerpt.numbers or count(excerpt.line), strict=False)
    source = log.splitlines()
    told = [(text[-7:], line) for text, line in around]
    assert texts[6:18] == [text for text, _ in told]
    if name != "journal-json":
        assert all(text in source[line - 1] for text, line in told if name != "journal-export")
    for place, text in zip(places, (texts[10], texts[13]), strict=True):
        assert 1 + log.count(b"\n", 0, place.offset) == place.line
        assert (text, place.line) in told


def test_lines_of_one_record_are_two_places() -> None:
    """A message of several lines has one number, and each of its markers a text of its own."""
    record = {"__CURSOR": "a", "MESSAGE": "one\n[X] two\n[Y] three"}
    log = json.dumps(record).encode() + b"\n"
    first, second = places_at(log, (b"[X]", b"[Y]"), 2, Collector().unwrap)
    assert (b"journal | - [X] two", b"journal | - [Y] three") == (first.text, second.text)
    assert (1, 1) == (first.line, second.line)
    (excerpt,) = excerpts([first, second])
    assert (1, 1, 1) == excerpt.numbers


def test_lines_around_stay_in_their_file() -> None:
    """A log that was cut begins anew, and its lines are not those of before."""
    here = Here(3)
    old = places_at(b"one\ntwo\n[X]\n", (b"[X]",), 3, lambda block: block, here)
    new = places_at(b"[Y]\nfour\n", (b"[Y]",), 3, lambda block: block, here)
    assert ([], []) == (old[0].after, new[0].before)
    assert [(1, (b"one", b"two", b"[X]")), (1, (b"[Y]", b"four"))] == [
        (each.line, each.lines) for each in excerpts([*old, *new])
    ]


def test_lines_around_are_bounded() -> None:
    """Long ones are shortened, and after some thousand places there are none."""
    here, kept = Here(40), []
    log = b"".join(b"%d %b\n" % (index, b"x" * 990) for index in range(100))
    for _ in range(1200):
        here.enter("log", Block(log, log, 1, 0))
        here.index = log.index(b"50 ")
        kept.append(here.place())
        here.leave()
    sizes = [len(place.lines_before) + len(place.lines_after) for place in kept]
    assert 80 * 257 == sizes[0]
    assert sum(sizes) <= AROUND_BYTES
    assert {0, 80 * 257} == set(sizes)
    kept.clear()
    for _ in range(100):
        kept += places_at(log, (b"50 ",), 40, lambda block: block, here)
    assert kept[-1].lines_before


def test_excerpts_are_merged_where_they_touch() -> None:
    """Two places near each other have one, two far apart have two."""
    near = [Place("log", line, 0, b"x", b"b\n" * 2, b"a\n" * 2) for line in (10, 14)]
    assert [(8, 9)] == [(each.line, len(each.lines)) for each in excerpts(near)]
    far = [Place("log", line, 0, b"x") for line in (10, 12)]
    assert [10, 12] == [each.line for each in excerpts(far)]
    assert () == excerpts([])

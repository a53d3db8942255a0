"""Logs come from everywhere, and what is no log is said so."""

from __future__ import annotations

import gzip
import io
import json
import os
import signal
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING

import pytest
import zstandard

from aava_cli.audit.following import follow_file, follow_pipe
from aava_cli.audit.plan import Source, plan_sources
from aava_cli.audit.problems import Damaged, Unreadable
from aava_cli.audit.sources import read_source
from aava_cli.errors import UsageError
from tests.audit.gate_cases import normal
from tests.audit.wrapping import plain

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Aava

LOG = plain(("", line) for line in normal())


def read(path: Path) -> bytes:
    """Return what the file at *path* holds, unpacked."""
    return b"".join(read_source(Source("file", str(path), str(path)), follow=False))


@pytest.mark.parametrize(
    "packed",
    [
        LOG,
        gzip.compress(LOG),
        gzip.compress(LOG[:500]) + gzip.compress(LOG[500:]),
        zstandard.compress(LOG),
        zstandard.compress(LOG[:500]) + zstandard.compress(LOG[500:]),
    ],
    ids=["plain", "gzip", "two members", "zstd", "two frames"],
)
def test_packed_log_is_unpacked(tmp_path: Path, packed: bytes) -> None:
    """Its first bytes say how, whatever its name."""
    path = tmp_path / "calls.log"
    path.write_bytes(packed)
    assert LOG == read(path)


@pytest.mark.parametrize("missing_bytes", [3, 200])
@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress], ids=["gzip", "zstd"])
def test_cut_log_counts_as_far_as_it_goes(
    tmp_path: Path, pack: Callable[[bytes], bytes], missing_bytes: int
) -> None:
    """What comes before is read, and then it is said that something is missing."""
    path = tmp_path / "calls.log.gz"
    path.write_bytes(pack(LOG * 50)[:-missing_bytes])
    source = Source("file", str(path), str(path))
    with pytest.raises(Damaged, match="ends too early"):
        for _chunk in read_source(source, follow=False):
            pass


def test_nonsense_behind_a_packed_log_is_found(tmp_path: Path) -> None:
    """A download that was mixed up, for instance."""
    path = tmp_path / "calls.log.gz"
    packed = bytearray(gzip.compress(LOG * 50))
    packed[200:260] = bytes(60)
    path.write_bytes(bytes(packed))
    with pytest.raises(Damaged, match="is damaged"):
        read(path)


@pytest.mark.parametrize("binary", [b"\x7fELF\x02\x01\x01" + bytes(100), bytes(range(256)) * 8])
def test_binary_is_no_log(tmp_path: Path, binary: bytes) -> None:
    """An executable, or any other."""
    path = tmp_path / "core"
    path.write_bytes(binary)
    with pytest.raises(Unreadable, match="binary"):
        read(path)


def test_file_that_is_not_there_is_unreadable(tmp_path: Path) -> None:
    """So is a folder."""
    for path in (tmp_path / "gone.log", tmp_path):
        with pytest.raises(Unreadable, match="cannot read"):
            read(path)


def test_standard_input_is_read(monkeypatch: pytest.MonkeyPatch, aava: Aava) -> None:
    """`zcat calls.log.gz | aava audit -`, and without zcat."""

    class Pipe:
        buffer = io.BytesIO(gzip.compress(LOG))

    monkeypatch.setattr(sys, "stdin", Pipe)
    done = aava("audit", "-")
    assert 0 == done.exit_code
    assert "coverage: 1 call" in done.stdout


def test_rotated_set_is_read_oldest_first() -> None:
    """Numbers shrink towards now, and dates grow."""
    names = [each.name for each in plan_sources(["a.log", "a.log.1", "b.log", "a.log.2.gz"])]
    assert ["a.log.2.gz", "a.log.1", "a.log", "b.log"] == names
    dated = [each.name for each in plan_sources(["a.log", "a.log-20251214", "a.log-20251201"])]
    assert ["a.log-20251201", "a.log-20251214", "a.log"] == dated


def test_call_goes_on_in_the_next_file(tmp_path: Path, aava: Aava) -> None:
    """A rotation in the middle of a call makes no second one."""
    lines = [line + b"\n" for line in normal()]
    (tmp_path / "calls.log.1").write_bytes(b"".join(lines[:6]))
    (tmp_path / "calls.log").write_bytes(b"".join(lines[6:]))
    done = aava("audit", str(tmp_path / "calls.log"), str(tmp_path / "calls.log.1"), "--json")
    result = json.loads(done.stdout)["result"]
    assert (1, True) == (result["coverage"]["calls"], result["calls"][0]["is_whole"])


@pytest.mark.parametrize("words", [[], ["docker:"], ["journal:--boot"], ["a.log", "a.log"]])
def test_source_that_names_nothing_is_refused(words: list[str]) -> None:
    """Before anything is read."""
    with pytest.raises(UsageError):
        plan_sources(words)


def test_follow_reads_through_rotation_and_truncation(tmp_path: Path) -> None:
    """No line is lost between the old file and the new, and none of a shorter one."""
    path = tmp_path / "calls.log"
    path.write_bytes(b"one\n")

    def add(line: bytes) -> None:
        with path.open("ab") as file:
            file.write(line)

    def rotate() -> None:
        path.rename(tmp_path / "calls.log.1")
        path.write_bytes(b"three\n")

    def truncate() -> None:
        os.truncate(path, 0)

    changes: list[Callable[[], None]]
    changes = [partial(add, b"two\n"), rotate, truncate, partial(add, b"4\n")]
    got = b""
    for chunk in follow_file(path, sleep=lambda _s: None):
        got += chunk
        if not chunk and not changes:
            break
        if not chunk:
            changes.pop(0)()
    assert b"one\ntwo\nthree\n4\n" == got


def test_pause_of_a_pipe_is_told() -> None:
    """Whoever waits can see which calls are over."""
    ours, theirs = os.pipe()
    with os.fdopen(ours, "rb") as reader, os.fdopen(theirs, "wb", buffering=0) as writer:
        chunks = follow_pipe(reader)
        assert b"" == next(chunks)
        writer.write(b"line\n")
        assert b"line\n" == next(chunks)
        writer.close()
        assert [] == list(chunks)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_followed_log_is_judged_when_it_is_enough(tmp_path: Path, number: int) -> None:
    """Each call is told when it is over, and Ctrl-C reports all of them."""
    path = tmp_path / "calls.log"
    path.write_bytes(LOG)
    process = subprocess.Popen(
        [sys.executable, "-m", "aava_cli", "audit", str(path), "--follow", "--events"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        told = [json.loads(process.stdout.readline())]
        path.rename(tmp_path / "calls.log.1")
        path.write_bytes(plain(("", line) for line in normal(2)))
        told.append(json.loads(process.stdout.readline()))
        process.send_signal(number)
        rest = [json.loads(line) for line in process.stdout]
        code = process.wait()
    finally:
        process.kill()
        process.stdout.close()
    assert ["finding"] * 2 == [each["event"] for each in told]
    assert (0, "result") == (code, rest[-1]["event"])
    assert 2 == rest[-1]["result"]["coverage"]["calls"]


def test_packed_log_cannot_be_followed(tmp_path: Path, aava: Aava) -> None:
    """Nothing is ever added to it."""
    path = tmp_path / "calls.log.gz"
    path.write_bytes(gzip.compress(LOG))
    assert 2 == aava("audit", str(path), "--follow").exit_code
    assert 2 == aava("audit", str(path), "other.log", "--follow").exit_code


def test_journal_of_a_unit_is_read(
    tmp_path: Path, aava: Aava, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`journalctl` is asked for JSON; one that fails is told with its own words."""
    program = tmp_path / "bin" / "journalctl"
    program.parent.mkdir()
    log = tmp_path / "journal.json"
    log.write_text(
        "".join(
            json.dumps({"__CURSOR": "s", "_PID": "7", "MESSAGE": line.decode()}) + "\n"
            for line in normal()
        )
    )
    program.write_text(
        f'#!/bin/sh\ncase "$*" in *--unit=prosaas*) cat {log};; '
        "*) echo no such unit >&2; exit 1;; esac\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    done = aava("audit", "journal:prosaas")
    assert 0 == done.exit_code
    assert "coverage: 1 call" in done.stdout
    failed = aava("audit", "journal:other")
    assert 2 == failed.exit_code
    assert "no such unit" in failed.stderr


def test_program_that_is_missing_is_named(aava: Aava, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host without systemd has no journal."""
    monkeypatch.setenv("PATH", "")
    done = aava("audit", "journal:prosaas")
    assert 2 == done.exit_code
    assert "journalctl" in done.stderr

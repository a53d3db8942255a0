"""Logs come from everywhere, and what is no log is said so."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import random
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
import zstandard

from aava_cli.audit.apply import apply_audit
from aava_cli.audit.following import POLL_S, follow_file, follow_pipe, undisturbed
from aava_cli.audit.plan import Source, plan_audit, plan_sources
from aava_cli.audit.problems import Damaged, Unreadable
from aava_cli.audit.sources import advice_on, read_source
from aava_cli.audit.verdicts import Status
from aava_cli.errors import UsageError
from tests.audit.cases import FAILING
from tests.audit.gate_cases import normal
from tests.audit.logs import Names, opening, printed
from tests.audit.wrapping import json_file, logged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import FrameType

    from aava_cli.audit.report.results import Audited
    from tests.conftest import Aava

LOG = logged(normal())


def read(path: Path) -> bytes:
    """Return what the file at *path* holds, unpacked."""
    chunks = read_source(Source("file", str(path), str(path)), follow=False)
    return b"".join(chunk or b"" for chunk in chunks)


@pytest.mark.parametrize(
    "packed",
    [
        LOG,
        gzip.compress(LOG),
        gzip.compress(LOG[:500]) + gzip.compress(LOG[500:]),
        zstandard.compress(LOG),
        zstandard.compress(LOG[:500]) + zstandard.compress(LOG[500:]),
        gzip.compress(LOG) + bytes(512),
        b"\x5f\x2a\x4d\x18\x04\x00\x00\x00size" + zstandard.compress(LOG),
    ],
    ids=["plain", "gzip", "two members", "zstd", "two frames", "filled up", "pzstd"],
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


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress], ids=["gzip", "zstd"])
def test_packed_log_comes_in_pieces(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    """Some kilobytes may hold gigabytes; they are never there at once."""
    path = tmp_path / "calls.log.zst"
    path.write_bytes(pack(b"a\n" * (16 << 20)))
    chunks = read_source(Source("file", str(path), str(path)), follow=False)
    sizes = [len(chunk or b"") for chunk in chunks]
    assert 32 << 20 == sum(sizes)
    assert max(sizes) <= 16 << 20


def test_window_of_a_packed_log_is_bounded(tmp_path: Path) -> None:
    """`zstd --long=31` wants two gigabytes of memory, and gets none."""
    path = tmp_path / "calls.log.zst"
    parameters = zstandard.ZstdCompressionParameters(window_log=27, write_content_size=False)
    packer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    path.write_bytes(packer.compress(LOG) + packer.flush())
    with pytest.raises(Unreadable, match="to be unpacked"):
        read(path)


@pytest.mark.parametrize(
    "pack", [bytes, bz2.compress, lzma.compress], ids=["random", "bzip2", "xz"]
)
@pytest.mark.parametrize("seed", range(8))
def test_noise_is_no_log(tmp_path: Path, pack: Callable[[bytes], bytes], seed: int) -> None:
    """Whatever its bytes happen to be."""
    path = tmp_path / "noise"
    path.write_bytes(pack(random.Random(seed).randbytes(20_000)))  # noqa: S311
    with pytest.raises(Unreadable, match="binary"):
        read(path)


def test_export_of_a_journal_is_a_log(tmp_path: Path) -> None:
    """Whatever stands for the lengths of its fields."""
    path = tmp_path / "journal.export"
    path.write_bytes(b"__CURSOR=s\nMESSAGE\n" + (1).to_bytes(8, "little") + b"x\n\n")
    assert path.read_bytes() == read(path)


@pytest.mark.parametrize("binary", [b"\x7fELF\x02\x01\x01" + bytes(100), bytes(range(256)) * 8])
def test_binary_is_no_log(tmp_path: Path, binary: bytes) -> None:
    """An executable, or any other."""
    path = tmp_path / "core"
    path.write_bytes(binary)
    with pytest.raises(Unreadable, match="binary"):
        read(path)


@pytest.mark.parametrize("hole_bytes", [1, 8192, 3_000_000])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_hole_in_front_of_a_log_is_passed_over(
    tmp_path: Path, aava: Aava, pack: Callable[[bytes], bytes], hole_bytes: int
) -> None:
    """What was cut to nothing while it was written goes on where it was, line for line."""
    path = tmp_path / "calls.log"
    path.write_bytes(pack(LOG))
    whole = json.loads(aava("audit", str(path), "--json").stdout)["result"]
    path.write_bytes(pack(bytes(hole_bytes) + LOG))
    found = json.loads(aava("audit", str(path), "--json").stdout)["result"]
    assert whole["lines"] == found["lines"]
    assert whole["events"] == found["events"]
    assert whole["coverage"] == found["coverage"]


@pytest.mark.parametrize("hole_bytes", [8192, 3_000_000])
def test_hole_in_front_of_what_is_followed_is_passed_over(
    tmp_path: Path, followed: Callable[..., Audited], hole_bytes: int
) -> None:
    """Also where nothing comes behind it for a while; what is no text is refused."""
    path = tmp_path / "calls.log"

    def add(data: bytes) -> None:
        with path.open("ab") as file:
            file.write(data)

    path.write_bytes(bytes(hole_bytes))
    assert 1 == followed(path, lambda: add(LOG)).coverage.calls
    path.write_bytes(bytes(hole_bytes))
    with pytest.raises(Unreadable, match="binary"):
        followed(path, lambda: add(bytes(range(32)) * 9))


def test_nothing_but_a_hole_is_no_log(tmp_path: Path) -> None:
    """Nor is one with noise behind it."""
    path = tmp_path / "hole"
    for behind in (b"", bytes(range(32)) * 9):
        path.write_bytes(bytes(3_000_000) + behind)
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


@pytest.mark.parametrize(
    "older",
    [
        "a.log.2025-12-14",
        "a.log.2025-12-14_23-05-01",
        "a.log.2025-12-14T23:05:01.123Z",
        "a.log-2025121423.gz",
        "a_2025-12-14.log",
        "a_2025_12_14.log",
        "a.2025.12.14.log",
        "a.2025-12-14_10.log",
        "a.2025-12-14.3.log.gz",
        "a-2025-12-14.log.1",
        "a.1.log.gz",
        "a-20251214.log",
        "a-20251214.log.gz",
        "./a.log-20251214.zst",
    ],
)
def test_rotated_log_is_known_by_its_name(older: str) -> None:
    """As logrotate and Python name them: the calls of one go on in the other."""
    sources = plan_sources(["a.log", older])
    assert [older, "a.log"] == [each.name for each in sources]
    assert {"a.log"} == {each.group for each in sources}


@pytest.mark.parametrize(
    "oldest_first",
    [
        ["a.log.12", "a.log.2.gz", "a.log.1", "a.log"],
        ["a.12.log", "a.2.log.gz", "a.1.log", "a.log"],
        ["a.log-20251201", "a.log-20251214.gz", "a.log"],
        ["a_2025-12-13.log", "a_2025-12-14.log", "a.log"],
        ["a.2025-12-14_9.log", "a.2025-12-14_10.log", "a.2025-12-15_1.log", "a.log"],
        ["a-2025-12-14.2.log", "a-2025-12-14.10.log.gz", "a-2025-12-15.1.log"],
        ["a-20251214.log.2", "a-20251214.log.1", "a-20251214.log", "a-20251215.log"],
        ["logs/2025-12-13.log", "logs/2025-12-14.log"],
        ["2025-12-13.log", "./2025-12-14.log"],
    ],
)
@pytest.mark.parametrize("seed", range(3))
def test_parts_of_a_log_are_put_in_order(oldest_first: list[str], seed: int) -> None:
    """However they are named, and in whichever order."""
    words = random.Random(seed).sample(oldest_first, len(oldest_first))  # noqa: S311
    sources = plan_sources(words)
    assert oldest_first == [each.name for each in sources]
    assert 1 == len({each.group for each in sources})


def test_name_with_a_number_is_no_rotated_log() -> None:
    """Only a day that there may be; `web.1` is also the name of a process."""
    words = ["order-12345678.log", "order-20251399.log", "order-202512141234567.log"]
    words += ["web.1.log", "web.2.log", "other/2025-12-14.log", "2025-12-15.log"]
    assert len(words) == len({each.group for each in plan_sources(words)})


@pytest.mark.parametrize(
    "words",
    [["a.log", "./a.log"], ["b.log.1", "b.log.1.gz"], ["a_2025-12-14.log", "a_2025-12-14.log.zst"]],
)
def test_log_is_not_read_twice(words: list[str]) -> None:
    """Each of its calls would be two."""
    with pytest.raises(UsageError, match="one part of a log"):
        plan_sources(words)


def test_link_and_its_file_are_one_log(tmp_path: Path, aava: Aava) -> None:
    """Under whichever names."""
    log, link = tmp_path / "a.log", tmp_path / "b.log"
    log.write_bytes(LOG)
    link.symlink_to(log)
    done = aava("audit", str(log), str(link))
    assert (2, True) == (done.exit_code, "are one file" in done.stderr)


def test_log_that_was_just_rotated_may_be_empty(tmp_path: Path, aava: Aava) -> None:
    """Its calls are in the older part."""
    new, old = tmp_path / "a.log", tmp_path / "a.log.1"
    new.write_bytes(b"")
    old.write_bytes(LOG)
    done = aava("audit", str(new), str(old))
    assert (0, True) == (done.exit_code, "coverage: 1 call" in done.stdout)
    old.write_bytes(b"")
    none = aava("audit", str(new), str(old))
    assert (10, True) == (none.exit_code, "are empty: no calls found" in none.stderr)


@pytest.mark.parametrize(
    "older", ["calls.log.1", "calls.log-20251214.gz", "calls_2025-12-14.log", "calls.1.log"]
)
def test_call_goes_on_in_the_next_file(tmp_path: Path, aava: Aava, older: str) -> None:
    """A rotation in the middle of a call makes no second one."""
    lines = [line + b"\n" for line in normal()]
    (tmp_path / older).write_bytes(gzip.compress(b"".join(lines[:6])))
    (tmp_path / "calls.log").write_bytes(b"".join(lines[6:]))
    done = aava("audit", str(tmp_path / "calls.log"), str(tmp_path / older), "--json")
    result = json.loads(done.stdout)["result"]
    assert (1, True) == (result["coverage"]["calls"], result["calls"][0]["is_whole"])


@pytest.mark.parametrize("words", [[], ["docker:"], ["journal:--boot"], ["a.log", "a.log"]])
def test_source_that_names_nothing_is_refused(words: list[str]) -> None:
    """Before anything is read."""
    with pytest.raises(UsageError):
        plan_sources(words)


def test_log_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    """It is read from its beginning once it is."""
    path = tmp_path / "calls.log"

    def begin(_s: float) -> None:
        path.write_bytes(LOG)

    chunks = follow_file(path, sleep=begin)
    assert (b"", LOG) == (next(chunks), next(chunks))
    with pytest.raises(FileNotFoundError):
        next(follow_file(tmp_path / "gone" / "calls.log"))


def test_who_waits_for_a_log_is_told(
    tmp_path: Path, followed: Callable[..., Audited], capsys: pytest.CaptureFixture[str]
) -> None:
    """The name may be wrong."""
    path = tmp_path / "calls.log"
    audited = followed(path, lambda: path.write_bytes(LOG))
    assert "which is not there yet" in capsys.readouterr().out
    assert [Names(1).call] == [call.call for call in audited.calls]


def test_named_pipe_is_followed(tmp_path: Path) -> None:
    """What was written to it is read once, and all of it."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(LOG,))
    writer.start()
    chunks = read_source(Source("file", str(path), str(path)), follow=True)
    assert LOG == b"".join(chunk or b"" for chunk in chunks)
    writer.join()


@pytest.fixture
def followed() -> Iterator[Callable[..., Audited]]:
    """Return what follows a log, changes it while it waits, and then has enough."""
    before = signal.getsignal(signal.SIGALRM)

    def waits(path: Path, frame: FrameType | None) -> bool:
        if frame is None or frame.f_code is not follow_file.__code__:
            return False
        file = frame.f_locals.get("file")
        if file is None:
            return not path.exists()
        there = path.stat()
        is_open = os.path.samestat(os.fstat(file.fileno()), there)
        return is_open and bool(file.tell() == there.st_size)

    def follow(path: Path, *changes: Callable[[], object]) -> Audited:
        left = [*changes]

        def go_on(_number: int, frame: FrameType | None) -> None:
            # On a busy host what was there may not have been read yet.
            if not waits(path, frame):
                signal.setitimer(signal.ITIMER_REAL, POLL_S / 10)
                return
            if not left:
                signal.raise_signal(signal.SIGINT)
                return
            left.pop(0)()
            signal.setitimer(signal.ITIMER_REAL, 3 * POLL_S)

        signal.signal(signal.SIGALRM, go_on)
        signal.setitimer(signal.ITIMER_REAL, 2 * POLL_S)
        return apply_audit(plan_audit([str(path)], (), follow=True), print, tell_calls=False)

    yield follow
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("how", ["truncated", "rotated"])
def test_place_in_the_next_file_is_counted_from_its_beginning(
    tmp_path: Path, followed: Callable[..., Audited], how: str
) -> None:
    """What the file before it left unfinished is no part of its first line."""
    path = tmp_path / "calls.log"
    path.write_bytes(LOG + b"no end")
    next_log = logged(FAILING.printed(2))
    assert len(next_log) < len(LOG)

    def change() -> None:
        if how == "rotated":
            path.rename(tmp_path / "calls.log.1")
        path.write_bytes(next_log)

    audited = followed(path, change)
    assert LOG.count(b"\n") + 1 + next_log.count(b"\n") == audited.lines
    (check,) = [each for each in audited.calls[1].checks if each.check == "A1"]
    for seen in check.seen:
        assert next_log[seen.offset :].startswith(seen.text.encode())
        assert 1 + next_log.count(b"\n", 0, seen.offset) == seen.line
    assert all(context.line >= 1 for context in check.contexts)


def test_unfinished_record_counts_when_it_is_enough(
    tmp_path: Path, followed: Callable[..., Audited]
) -> None:
    """The last part of a line never came before Ctrl-C."""
    path = tmp_path / "calls-json.log"
    last = {"log": "[F2 VIOLATION] Background thread", "stream": "stderr", "time": "t"}
    opened = json_file(("", line) for line in printed(opening(Names(1))))
    path.write_bytes(opened + json.dumps(last, separators=(",", ":")).encode() + b"\n")
    (call,) = followed(path).calls
    assert {Status.FAIL} == {each.status for each in call.checks if each.check == "F2"}


def test_what_was_followed_counts_when_there_is_no_more(
    tmp_path: Path, followed: Callable[..., Audited]
) -> None:
    """A new log that cannot be read takes nothing away from the old one."""
    path = tmp_path / "calls.log"
    path.write_bytes(LOG)

    def rotate() -> None:
        path.rename(tmp_path / "calls.log.1")
        path.mkdir()

    audited = followed(path, rotate, lambda: None)
    assert [Names(1).call] == [call.call for call in audited.calls]
    assert [f"cannot go on with `{path}`: Is a directory"] == [*audited.problems]


def test_signal_waits_for_what_is_half_done() -> None:
    """A call that is being counted is counted whole."""
    done = []

    def count() -> None:
        with undisturbed():
            signal.raise_signal(signal.SIGINT)
            done.append("all of it")

    with pytest.raises(KeyboardInterrupt):
        count()
    assert ["all of it"] == done


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
        path.write_bytes(logged(normal(2)))
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


def test_packed_log_cannot_be_followed(
    tmp_path: Path, aava: Aava, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is ever added to it."""
    path = tmp_path / "calls.log.gz"
    path.write_bytes(gzip.compress(LOG))
    for word in (str(path), "-"):
        with path.open("rb") as file:
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(file))
            done = aava("audit", word, "--follow")
            assert (2, True) == (done.exit_code, "is packed" in done.stderr)
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
        "*) echo no such unit for +972541234567 >&2; exit 1;; esac\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    done = aava("audit", "journal:prosaas")
    assert 0 == done.exit_code
    assert "coverage: 1 call" in done.stdout
    failed = aava("audit", "journal:other")
    assert 2 == failed.exit_code
    assert "no such unit for" in failed.stderr
    assert "972541234567" not in failed.stderr


@pytest.mark.parametrize(
    ("script", "code", "told"),
    [
        ("cat LOG; exit 3", 2, "`journalctl` failed with 3"),
        ("exit 3", 2, "`journalctl` failed with 3: it says nothing"),
        ("exit 0", 10, "`journal:x.service` is empty"),
    ],
)
def test_what_a_program_printed_before_it_failed_counts(
    tmp_path: Path, aava: Aava, monkeypatch: pytest.MonkeyPatch, script: str, code: int, told: str
) -> None:
    """The calls are told, and what to run to see why there are no more."""
    log, program = tmp_path / "calls.log", tmp_path / "bin" / "journalctl"
    log.write_bytes(LOG)
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script.replace('LOG', str(log))}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    done = aava("audit", "journal:x.service")
    assert (code, True) == (done.exit_code, told in done.stderr)
    assert ("cat" in script) == (f"{Names(1).call}: " in done.stdout)
    hint = "run `systemctl status x.service`" if code == 10 else "--unit=x.service` to see why"
    assert hint in done.stderr
    program.write_bytes(b"no program")
    monkeypatch.setenv("PATH", str(program.parent))
    done = aava("audit", "journal:x.service")
    assert (2, True) == (done.exit_code, "cannot run `journalctl`" in done.stderr)


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("", "an empty word names no log"),
        ("FOLDER", "*.log*`"),
        ("FOLDER/old logs", "/old logs'/*.log*`"),
        ("FOLDER/it's gone.log", "hint:  run `ls"),
        ("FOLDER/calls.log/x", "hint:  name a log"),
    ],
)
def test_next_step_fits_what_was_named(tmp_path: Path, aava: Aava, word: str, told: str) -> None:
    """A folder, a name that is wrong, and no name."""
    (tmp_path / "calls.log").write_bytes(LOG)
    (tmp_path / "old logs").mkdir()
    done = aava("audit", word.replace("FOLDER", str(tmp_path)))
    assert (2, True) == (done.exit_code, told in done.stderr)


def test_log_of_somebody_else_says_how_to_read_it(tmp_path: Path) -> None:
    """Even where whoever tests may read all."""
    advice = advice_on(tmp_path / "it's.log", PermissionError(13, "Permission denied"))
    assert advice.startswith("run `sudo cat ")


def test_log_in_utf_16_is_told(tmp_path: Path, aava: Aava) -> None:
    """With what makes it one that can be read."""
    (tmp_path / "calls.log").write_text(LOG.decode(), encoding="utf-16")
    done = aava("audit", str(tmp_path / "calls.log"))
    assert (2, True) == (done.exit_code, "iconv" in done.stderr)


@pytest.mark.parametrize("words", [(), ("--follow",)])
def test_standard_input_that_is_closed_is_told(words: tuple[str, ...]) -> None:
    """As a service manager or `<&-` leaves it."""
    command = f'"$0" -m aava_cli audit - {" ".join(words)} <&-'
    done = subprocess.run(
        ["/bin/sh", "-c", command, sys.executable], capture_output=True, text=True, check=False
    )
    assert (2, "error: standard input is closed") == (done.returncode, done.stderr.splitlines()[0])


def test_program_that_is_missing_is_named(aava: Aava, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host without systemd has no journal."""
    monkeypatch.setenv("PATH", "")
    done = aava("audit", "journal:prosaas")
    assert 2 == done.exit_code
    assert "journalctl" in done.stderr

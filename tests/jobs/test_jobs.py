"""Jobs: a pull in the background that outlives its terminal, and tells how it ended."""

from __future__ import annotations

import json
import os
import signal
import threading
from typing import TYPE_CHECKING, Any

import pytest

from aava_cli.errors import IntegrityError, NotFound
from aava_cli.jobs.launch import cancel_job
from aava_cli.jobs.report import follow, report
from aava_cli.jobs.store import all_jobs, find_job, new_folder, record
from aava_cli.processes import Process, local_process, parse_process, this_process
from aava_cli.settings import Settings
from tests.download.conftest import CatalogFile, known, sha256
from tests.download.server import Server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aava_cli.events import Event
    from aava_cli.jobs.store import Job
    from tests.conftest import Aava

BODY = os.urandom(200_000)
OTHER_HOST = Process(1, 1, "00000000", "00000000")


@pytest.fixture
def server() -> Iterator[Server]:
    """Serve files on loopback for one test."""
    running = Server()
    yield running
    running.close()


@pytest.fixture
def catalog(project: Path) -> CatalogFile:
    """Return the project's own catalog, empty."""
    return CatalogFile(project / "config" / "catalog.local.toml")


@pytest.fixture
def settings(project: Path) -> Settings:
    """Return where things of the project are."""
    return Settings(project, project / "models")


@pytest.fixture
def stalled(server: Server, catalog: CatalogFile) -> Iterator[threading.Event]:
    """Offer a model that comes half-way, and the rest once the event is set."""
    event = threading.Event()
    url = server.serve("/a", BODY, cuts=[100_000], stalled=event)
    catalog.add("mine", "kroko", "kroko/mine.onnx", known(BODY, url))
    yield event
    event.set()


def result(stdout: str) -> Any:  # noqa: ANN401 - any JSON
    """Return the answer of a command that was asked for JSON."""
    return json.loads(stdout)["result"]


def forge(settings: Settings, process: Process, log: str = "", code: int | None = None) -> Job:
    """Make a job of *process* that has said *log*, and ended with *code* unless that is None."""
    job = record(new_folder(settings, "pull"), ("aava", "models", "pull", "x"), process)
    job.log.write_text(log)
    if code is not None:
        job.exit_file.write_text(f"{code}\n")
    return job


def wait_for_progress(aava: Aava, name: str) -> None:
    """Return once the job *name* has got half of its bytes."""
    ticks = threading.Event()
    for _ in range(600):
        shown = result(aava("jobs", "show", name, "--json").stdout)["progress"]
        if shown and shown[0]["done"] == len(BODY) // 2:
            return
        ticks.wait(0.05)
    pytest.fail("the job did not get that far")


def test_job_carries_out_a_pull(
    aava: Aava, project: Path, stalled: threading.Event, settings: Settings
) -> None:
    """It outlives a hang-up, is followed from elsewhere, and its exit code is kept."""
    begun = result(aava("models", "pull", "mine", "--detach", "--json").stdout)
    assert ("pull-1", "running", "aava models pull mine") == (
        begun["id"],
        begun["state"],
        begun["command"],
    )
    wait_for_progress(aava, "pull-1")
    assert "kroko/mine.onnx: 50 % (" in aava("jobs", "show", "pull-1").stdout
    os.killpg(find_job(settings, "pull-1").process.pid, signal.SIGHUP)
    assert aava("jobs", "wait", "pull-1", "--timeout", "0").exit_code == 5
    stalled.set()
    followed = aava("jobs", "logs", "pull-1", "-f")
    assert "kroko/mine.onnx: 100 % (" in followed.stderr
    assert (0, "job      pull-1: done, exit code 0") == (
        followed.exit_code,
        followed.stdout.splitlines()[0],
    )
    assert sha256(BODY) == sha256((project / "models/kroko/mine.onnx").read_bytes())
    assert aava("jobs", "wait", "pull-1").exit_code == 0
    assert aava("jobs", "cancel", "pull-1").exit_code == 0


def test_cancelled_pull_keeps_what_it_had(
    aava: Aava, project: Path, stalled: threading.Event
) -> None:
    """It ends as by SIGTERM, says what is kept, and `wait` ends as it did."""
    aava("models", "pull", "mine", "--detach")
    wait_for_progress(aava, "pull-1")
    assert "failed, exit code 143" in aava("jobs", "cancel", "pull-1").stdout
    waited = aava("jobs", "wait", "pull-1")
    assert waited.exit_code == 143
    said = "error: terminated; 100.0 kB of 200.0 kB of what was begun are kept"
    assert [said, "hint:  run `aava models pull mine` to go on from there"] == (
        waited.stderr.splitlines()
    )
    assert said in aava("jobs", "logs", "pull-1").stdout
    assert "100.0 kB of 200.0 kB" in aava("models", "ls", "--partial").stdout
    stalled.set()
    assert aava("models", "pull", "mine").exit_code == 0
    assert (project / "models/kroko/mine.onnx").read_bytes() == BODY


def test_job_does_not_show_credentials(aava: Aava, settings: Settings) -> None:
    """An address with a password is carried out as it is, and shown without it."""
    address = "http://me:secret@127.0.0.1:1/x.gguf"
    aava("models", "pull", address, "--mirror", "http://me:secret@127.0.0.1:1", "--detach")
    aava("jobs", "wait", "pull-1")
    shown = aava("jobs", "list").stdout + aava("jobs", "show", "pull-1", "--json").stdout
    kept = (find_job(settings, "pull-1").folder / "job.json").read_text()
    assert (True, False) == ("http://127.0.0.1:1/x.gguf" in kept, "secret" in kept + shown)


def test_killed_command_is_recorded(
    aava: Aava, stalled: threading.Event, settings: Settings
) -> None:
    """A command that the kernel ends has its exit code, too."""
    assert not stalled.is_set()
    aava("models", "pull", "mine", "--detach")
    wait_for_progress(aava, "pull-1")
    (lease, *_) = (settings.state_dir / "leases").iterdir()
    worker = parse_process(json.loads(lease.read_bytes())["process"])
    assert worker is not None
    os.kill(worker.pid, signal.SIGKILL)
    assert aava("jobs", "wait", "pull-1").exit_code == 1
    assert report(find_job(settings, "pull-1")).exit_code == 137


def test_jobs_are_listed(aava: Aava, settings: Settings) -> None:
    """How each is: one that ended without a word was lost."""
    assert aava("jobs", "list").stdout == "no job was started\n"
    own = this_process()
    forge(settings, own)
    forge(settings, own, code=0)
    forge(settings, own, code=7)
    forge(settings, local_process(4_999_999))
    rows = [line.split() for line in aava("jobs", "list").stdout.splitlines()[1:]]
    states = ["running", "done", "failed (7)", "lost"]
    shown = [" ".join(row[1:-6]) for row in rows]
    assert states == shown
    assert ["pull-1", "pull-2", "pull-3", "pull-4"] == [row[0] for row in rows]


def test_unfinished_folder_is_no_job(settings: Settings) -> None:
    """Whoever was killed while starting a job has started none; its number is not used again."""
    for text in ("", "[]", '{"process": "x"}'):
        (new_folder(settings, "pull") / "job.json").write_text(text)
    new_folder(settings, "rebuild")
    (settings.state_dir / "jobs" / "notes").mkdir()
    assert () == all_jobs(settings)
    assert new_folder(settings, "pull").name == "pull-5"
    with pytest.raises(NotFound):
        find_job(settings, "pull-1")


def test_end_of_a_job_is_the_end_of_wait(aava: Aava, settings: Settings) -> None:
    """The failure of the command is reported as its own."""
    error = {"code": "integrity", "exit": 7, "message": "bad bytes", "hint": "look"}
    log = json.dumps({"event": "error", "error": error}) + "\n"
    forge(settings, this_process(), log, 7)
    ran = aava("jobs", "wait", "pull-1")
    assert (7, "error: bad bytes\nhint:  look\n") == (ran.exit_code, ran.stderr)
    assert isinstance(report(find_job(settings, "pull-1"), ending=True).failure(), IntegrityError)
    forge(settings, local_process(4_999_999))
    assert "was killed, or the host went down" in aava("jobs", "wait", "pull-2").stderr


def test_log_is_shown_as_a_person_would_have_seen_it(aava: Aava, settings: Settings) -> None:
    """Lines that are no events are what a program said on its way down."""
    events = [
        {"event": "progress", "task": "a", "done": 1, "total": 2, "unit": "bytes", "new": 1},
        {"event": "log", "message": "hello", "level": "info"},
        {"event": "log", "message": "careful", "level": "warning"},
        {"event": "result", "ok": True, "result": {}},
    ]
    log = "".join(json.dumps(each) + "\n" for each in events) + "Traceback:\n[1]\nhalf a li"
    job = forge(settings, this_process(), log, 0)
    assert aava("jobs", "logs", "pull-1").stdout.splitlines() == [
        "hello",
        "warning: careful",
        "Traceback:",
        "[1]",
        "half a li",
    ]
    seen: list[Event] = []
    follow(job, seen.append)
    assert len(seen) == 5


def test_job_of_another_host_is_left_to_it(aava: Aava, settings: Settings) -> None:
    """It may run, but nobody here can end it."""
    forge(settings, OTHER_HOST)
    ran = aava("jobs", "cancel", "pull-1")
    assert (1, True) == (ran.exit_code, "runs on another host" in ran.stderr)
    with pytest.raises(NotFound):
        cancel_job(settings, "pull-9", 0)


def test_job_asks_the_daemon_that_was_named(aava: Aava, settings: Settings) -> None:
    """What was said about the project holds in the background as well."""
    daemon = ("--daemon", "ws://127.0.0.1:1")
    aava(*daemon, "models", "pull", "qwen-none", "--detach")
    assert () == all_jobs(settings)
    aava(*daemon, "models", "pull", "starter", "--detach", "--dry-run")
    assert () == all_jobs(settings)

"""What `ls --partial` shows and `gc` removes, and what `rm` leaves to the daemon."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from aava_cli.digests import DigestCache
from aava_cli.download.sharing.shelf import About
from aava_cli.download.sharing.waiting import hold
from aava_cli.download.transfer.partial import Binding, Partial
from aava_cli.events import ignore
from aava_cli.jobs.store import new_folder, record
from aava_cli.processes import local_process, this_process
from aava_cli.settings import Settings
from tests.daemon.conftest import FakeDaemon, listening, status_of
from tests.download.conftest import CatalogFile, known

if TYPE_CHECKING:
    from pathlib import Path

    from tests.download.conftest import Models
    from tests.download.server import Server

BODY = os.urandom(10_000)
SOURCE = "https://127.0.0.1/a"
ABOUT = About("llm/a.gguf", SOURCE, 20_000)
OTHER_HOST = "1-1-00000000-00000000"
LONG_AGO = 1_000_000_000


def result(stdout: str) -> Any:  # noqa: ANN401 - any JSON
    """Return the answer of a command that was asked for JSON."""
    return json.loads(stdout)["result"]


def dead_process() -> str:
    """Return a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as other:
        process = local_process(other.pid)
    return str(process)


def age(*paths: Path) -> None:
    """Make *paths*, and all in them, look as if nobody had touched them for years."""
    for path in paths:
        for each in (*path.rglob("*"), path):
            os.utime(each, (LONG_AGO, LONG_AGO))


def begin(project: Path, owner: str | None = None) -> Path:
    """Leave half a download, of the process *owner* or of nobody, and return its folder."""
    folder = project / ".aava/partial" / uuid4().hex
    if owner:
        folder = folder.with_name(f"{folder.name}.{owner}")
    with Partial(folder / "data", Binding(SOURCE, None, None, None)) as partial:
        partial.append(memoryview(BODY))
    (folder / "about.json").write_text(json.dumps(asdict(ABOUT)))
    return folder


def test_nothing_begun(models: Models) -> None:
    """Without any download there is nothing to show and nothing to remove."""
    assert models("ls", "--partial").stdout == "no download was begun\n"
    assert models("gc").stdout == "0 B freed\n"
    assert models("gc", "--dry-run").stdout == "0 B can be freed\n"


def test_begun_downloads_are_shown(project: Path, models: Models) -> None:
    """What it is, how much of it there is, and that nobody is at work on it."""
    folder = begin(project)
    ran = models("ls", "--partial")
    assert ["llm/a.gguf", "10.0", "kB", "of", "20.0", "kB"] == ran.stdout.splitlines()[1].split()[
        :6
    ]
    age(folder)
    (row,) = result(models("list", "--partial", "--json").stdout)["partials"]
    assert row["idle_s"] > 0
    shown = {key: row[key] for key in ("name", "source", "done_bytes", "size_bytes", "holder")}
    assert shown == {
        "name": "llm/a.gguf",
        "source": SOURCE,
        "done_bytes": len(BODY),
        "size_bytes": 20_000,
        "holder": None,
    }


def test_holder_is_named(project: Path, models: Models) -> None:
    """The command that is at work, or else all that is known of it."""
    begin(project, str(this_process()))
    begin(project, OTHER_HOST)
    begin(project, dead_process())
    (project / ".aava/partial" / ("b" * 32)).mkdir()

    def holders() -> set[str | None]:
        rows = result(models("ls", "--partial", "--json").stdout)["partials"]
        return {row["holder"] for row in rows}

    assert {None, f"pid {os.getpid()}", "a process of another host"} == holders()
    with hold(project / ".aava", ["a"], ignore):
        (named,) = {each for each in holders() if each and "since" in each}
        assert f"(pid {os.getpid()} on " in named


def test_gc_keeps_what_may_be_of_use(project: Path, models: Models) -> None:
    """What runs stays at any age, and what was begun lately waits for the next pull."""
    kept = [begin(project, str(this_process())), begin(project, OTHER_HOST)]
    age(kept[0])
    kept.append(begin(project))
    stage = project / ".aava/staging" / f"mine.{this_process()}"
    stage.mkdir(parents=True)
    (project / f".aava/.x.{os.getpid()}.new").write_bytes(b"")
    (project / ".aava/.x.1.new").write_bytes(b"")
    with hold(project / ".aava", ["a"], ignore):
        assert models("gc").stdout == "0 B freed\n"
        # Whoever created this one has had no time to write his name.
        (project / ".aava/leases" / f"{'c' * 32}.1").write_bytes(b"")
        assert models("gc").stdout == "0 B freed\n"
    assert all(each.is_dir() for each in (*kept, stage))


def test_gc_removes_what_nobody_needs(project: Path, models: Models) -> None:
    """Old downloads, and at once what killed processes left."""
    dead = dead_process()
    old = [begin(project), begin(project, OTHER_HOST), begin(project, dead)]
    age(*old)
    work = project / ".aava"
    stages = [work / "staging" / f"mine.{dead}", work / "staging" / "mine"]
    leases = [work / "leases" / f"{letter * 32}.1" for letter in "cd"]
    gone = work / "partial" / f".gone-1.{dead}"
    for folder in (*stages, leases[0].parent, gone):
        folder.mkdir(parents=True)
    (stages[0] / "half").write_bytes(BODY)
    leases[0].write_bytes(b"")
    age(leases[0])
    holder = {"pid": 1, "host": "x", "command": "aava models pull x", "since": 1.0}
    leases[1].write_text(json.dumps({"process": dead, "holder": holder, "news": []}))
    leftovers = [work / ".digests.json.4999999.new", project / "models/llm/.a.4999999.aava"]
    for path in leftovers:
        path.write_bytes(BODY)
    planned = models("gc", "--dry-run", "--json")
    kinds = [each["kind"] for each in result(planned.stdout)["waste"]]
    expected = ["download"] * 3 + ["leftover"] + ["staging"] * 2 + ["lease"] * 2 + ["leftover"] * 2
    assert sorted(expected) == sorted(kinds)
    assert "DOWNLOAD" in models("gc", "--dry-run").stdout.upper()
    assert all(each.exists() for each in (*old, *stages, *leases, *leftovers, gone))
    ran = models("gc")
    assert "removed  lease aava models pull x" in ran.stdout
    assert not any(each.exists() for each in (*old, *stages, *leases, *leftovers, gone))
    assert models("gc", "--json").exit_code == 0


def test_gc_of_any_age(project: Path, models: Models) -> None:
    """`--older-than 0` takes every download that nobody is at work on."""
    folder = begin(project)
    assert models("gc", "--older-than", "1h").stdout == "0 B freed\n"
    assert folder.is_dir()
    assert models("gc", "--older-than", "0").stdout.startswith("removed  download llm/a.gguf\n")
    assert not folder.exists()
    assert models("gc", "--older-than", "soon").exit_code == 2


def test_gc_removes_jobs_that_ended_long_ago(project: Path, models: Models) -> None:
    """One that runs stays at any age, as does one that may have begun just now."""
    settings = Settings(project, project / "models")
    command = ("aava", "models", "pull", "x")
    runs = record(new_folder(settings, "pull"), command, this_process())
    recent = record(new_folder(settings, "pull"), command, this_process())
    lost = record(new_folder(settings, "pull"), command, local_process(4_999_999))
    ended = record(new_folder(settings, "pull"), command, this_process())
    for job in (recent, ended):
        job.exit_file.write_text("0\n")
    beginning, broken = (new_folder(settings, "rebuild") for _ in range(2))
    age(runs.folder, lost.folder, ended.folder, broken)
    assert ["job pull-3", "job pull-4", "job rebuild-6"] == [
        f"{each['kind']} {each['name']}"
        for each in result(models("gc", "--dry-run", "--json").stdout)["waste"]
    ]
    assert models("gc", "--older-than", "0").stdout.count("removed  job") == 4
    assert [runs.folder, beginning] == sorted((project / ".aava/jobs").iterdir())


def test_gc_forgets_digests_of_files_that_are_gone(
    server: Server, project: Path, catalog: CatalogFile, models: Models
) -> None:
    """What is remembered of files that are there stays."""
    catalog.add("mine", "kroko", "kroko/mine.onnx", known(BODY, server.serve("/a", BODY)))
    models("pull", "mine")
    other = project / "models/llm/other"
    other.write_bytes(b"")
    DigestCache(project / ".aava").of(other)
    other.unlink()
    assert result(models("gc", "--json").stdout)["forgotten_digests"] == 1
    assert result(models("gc", "--json").stdout)["forgotten_digests"] == 0
    assert len(json.loads((project / ".aava/digests.json").read_bytes())) == 1


@pytest.fixture
def mine(server: Server, project: Path, catalog: CatalogFile, models: Models) -> Path:
    """Return the file of a model that was pulled."""
    catalog.add("mine", "kroko", "kroko/mine.onnx", known(BODY, server.serve("/a", BODY)))
    models("pull", "mine")
    return project / "models/kroko/mine.onnx"


def test_rm_refuses_what_the_daemon_has_loaded(mine: Path, models: Models, port: int) -> None:
    """A model in use stays whatever `.env` says by now, unless forced."""
    daemon = FakeDaemon(running=status_of("kroko", "/app/models/kroko/mine.onnx"))
    with listening(daemon.talk, port):
        ran = models("rm", "mine")
        assert (1, True) == (ran.exit_code, mine.exists())
        assert (
            "the daemon has `/app/models/kroko/mine.onnx` loaded, which is of `mine`" in ran.stderr
        )
        assert models("rm", "mine", "--force").exit_code == 0
    assert not mine.exists()


@pytest.mark.parametrize(
    ("path", "loaded"), [("/app/models/kroko/mine.onnx", False), ("/app/models/stt/other", True)]
)
def test_rm_of_what_the_daemon_does_not_use(
    mine: Path, models: Models, port: int, path: str, *, loaded: bool
) -> None:
    """A daemon that runs another model is no obstacle."""
    daemon = FakeDaemon(running=status_of("kroko", path, loaded=loaded))
    with listening(daemon.talk, port):
        assert models("rm", "mine").exit_code == 0
    assert not mine.exists()


def test_rm_says_when_the_daemon_cannot_be_asked(mine: Path, models: Models, port: int) -> None:
    """A daemon that wants another token is said out loud; the files are ours all the same."""
    with listening(FakeDaemon(token="other").talk, port):  # noqa: S106 - of a fake
        ran = models("rm", "mine")
    assert (0, False) == (ran.exit_code, mine.exists())
    assert ran.stderr.startswith("warning: what the daemon has loaded is not known: ")

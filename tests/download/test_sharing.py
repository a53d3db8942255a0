"""Many processes, one download: each byte comes once, and locks are not needed for the rest."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from aava_cli.download.transfer.partial import Binding, Digest, Partial, partial_path
from tests.download.conftest import CatalogFile, known, sha256

if TYPE_CHECKING:
    from tests.download.conftest import Models
    from tests.download.server import Server

RUN = [sys.executable, "-m", "tests.download.run_models"]
ROOT = Path(__file__).parents[2]
BODY = os.urandom(1 << 20) * 4
PROCESSES = 20


@pytest.fixture(scope="session")
def no_locks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a library under which all locks do nothing."""
    library = tmp_path_factory.mktemp("nolocks") / "nolocks.so"
    source = Path(__file__).with_name("nolocks.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return library


def pull(project: Path, *words: str, **options: Any) -> subprocess.Popen[str]:  # noqa: ANN401 - of Popen
    """Start `aava models pull` in a process of its own."""
    return subprocess.Popen(
        [*RUN, "--project", str(project), "models", "pull", *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def pull_many(project: Path, count: int, **environment: str) -> list[tuple[int, str, str]]:
    """Return how *count* processes ended that pulled the same model at the same time."""
    options = {"env": {**os.environ, **environment}}
    started = [pull(project, "mine", **options) for _ in range(count)]
    outputs = [each.communicate() for each in started]
    return [(each.returncode, *said) for each, said in zip(started, outputs, strict=True)]


@pytest.mark.parametrize("locks", ["working", "without effect"])
def test_twenty_pulls_fetch_once(
    server: Server, project: Path, catalog: CatalogFile, no_locks: Path, locks: str
) -> None:
    """Every process ends well, and what the server sent is the file, once."""
    url = server.serve("/a", BODY)
    catalog.add("mine", "kroko", "kroko/mine.onnx", known(BODY, url))
    preload = {"LD_PRELOAD": str(no_locks)} if locks == "without effect" else {}
    ended = pull_many(project, PROCESSES, **preload)
    assert [0] * PROCESSES == [code for code, *_ in ended], ended
    assert sha256(BODY) == sha256((project / "models/kroko/mine.onnx").read_bytes())
    assert len(server.gets("/a")) == 1
    assert [] == [*(project / ".aava/partial").iterdir(), *(project / ".aava/leases").iterdir()]


def test_pulls_that_know_nothing_of_each_other_are_right_all_the_same(
    server: Server, project: Path, catalog: CatalogFile, no_locks: Path
) -> None:
    """Where neither locks nor leases tell processes apart, only work is lost."""
    stalled = threading.Event()
    url = server.serve("/a", BODY, cuts=[1000] * 4, stalled=stalled)
    catalog.add("mine", "kroko", "kroko/mine.onnx", known(BODY, url))
    blind = {**os.environ, "LD_PRELOAD": str(no_locks), "AAVA_TEST_BLIND": "1"}
    started = [pull(project, "mine", "--events", env=blind) for _ in range(4)]
    # Once all of them have bytes, all of them have begun to download.
    assert all(events_of(each, "progress")["done"] for each in started)
    stalled.set()
    ended = [(each.communicate(), each.returncode) for each in started]
    assert [0] * 4 == [code for _, code in ended], ended
    assert sha256(BODY) == sha256((project / "models/kroko/mine.onnx").read_bytes())


def events_of(running: subprocess.Popen[str], kind: str) -> Any:  # noqa: ANN401 - any JSON
    """Return the next event of *kind* that a process prints."""
    assert running.stdout is not None
    for line in running.stdout:
        event = json.loads(line)
        if event["event"] == kind:
            return event
    return pytest.fail(f"no {kind}")


def test_second_follows_the_first_and_takes_over_when_it_dies(
    server: Server, project: Path, catalog: CatalogFile
) -> None:
    """The first one's bytes are the second one's progress, and then its beginning."""
    stalled = threading.Event()
    url = server.serve("/a", BODY, cuts=[len(BODY) - 1000], stalled=stalled)
    catalog.add("mine", "kroko", "kroko/mine.onnx", known(BODY, url))
    with (
        pull(project, "mine", "--events") as first,
        pull_after(first, project) as second,
    ):
        seen = events_of(second, "progress")
        assert ("kroko/mine.onnx", len(BODY)) == (seen["task"], seen["total"])
        first.kill()
        stalled.set()
        shown = [seen["done"]]
        said = []
        assert second.stdout is not None
        for line in second.stdout:
            event = json.loads(line)
            if event["event"] == "progress" and event["task"] == "kroko/mine.onnx":
                shown.append(event["done"])
            said.append(event.get("message", ""))
        assert 0 == second.wait()
    assert sorted(shown) == shown
    assert len(BODY) == shown[-1]
    assert any("died at work" in each for each in said)
    assert sha256(BODY) == sha256((project / "models/kroko/mine.onnx").read_bytes())


def pull_after(first: subprocess.Popen[str], project: Path) -> subprocess.Popen[str]:
    """Start a second pull once the *first* has bytes."""
    while events_of(first, "progress")["done"] == 0:
        pass
    return pull(project, "mine", "--events")


def test_pull_whose_leader_sleeps_goes_on_with_a_copy(
    server: Server, project: Path, catalog: CatalogFile, models: Models
) -> None:
    """A stopped process may wake up, so its files stay its own; both end with the right bytes."""
    stalled = threading.Event()
    url = server.serve("/a", BODY, cuts=[len(BODY) - 1000], stalled=stalled)
    catalog.add("mine", "kroko", "kroko/mine.onnx", known(BODY, url))
    with pull(project, "mine", "--events") as first:
        while events_of(first, "progress")["done"] == 0:
            pass
        first.send_signal(signal.SIGSTOP)
        stalled.set()
        # As if its heart had not beaten for long: nobody may wait for it any more.
        for lease in (project / ".aava/leases").iterdir():
            lease.unlink()
        assert 0 == models("pull", "mine").exit_code
        first.send_signal(signal.SIGCONT)
        assert first.stdout is not None
        first.stdout.read()
        assert 0 == first.wait()
    assert sha256(BODY) == sha256((project / "models/kroko/mine.onnx").read_bytes())


def test_copy_that_changed_under_us_is_noticed(
    server: Server, project: Path, catalog: CatalogFile
) -> None:
    """Of a file that somebody else may have had open, the bytes on disk are read again."""
    stalled = threading.Event()
    url = server.serve("/a", BODY, cuts=[1000], stalled=stalled)
    catalog.add("mine", "kroko", "kroko/mine.onnx", known(BODY, url))
    work = project / ".aava"
    binding = Binding(url, None, len(BODY), Digest("sha256", sha256(BODY)))
    left = work / "partial" / f"{partial_path(work, url).name}.1-1-00000000-00000000"
    with Partial(left / "data", binding) as partial:
        partial.begin('"one"', len(BODY))
        partial.append(memoryview(BODY)[:1000])
    with pull(project, "mine", "--events") as running:
        assert events_of(running, "progress")["done"] >= 1000
        (own,) = (each for each in (work / "partial").iterdir() if each != left)
        with (own / "data").open("r+b") as file:
            file.write(b"not this")
        stalled.set()
        assert running.stdout is not None
        running.stdout.read()
        assert 0 == running.wait()
    assert sha256(BODY) == sha256((project / "models/kroko/mine.onnx").read_bytes())
    assert ["bytes=1000-", None] == [
        each.get("Range") for each in (server.gets("/a")[0], server.gets("/a")[-1])
    ]

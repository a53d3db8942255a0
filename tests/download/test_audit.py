"""`aava catalog audit`: what sources say of the catalog, and what is recorded of it."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from aava_cli.app import main
from aava_cli.download.cataloguing.asking import Asker
from aava_cli.download.transfer.fetch import Patience
from aava_cli.download.transfer.partial import Digest
from tests.conftest import Ran, free_port
from tests.download.apart import COMMIT, Hub, run_apart
from tests.download.conftest import known, sha256, unknown
from tests.download.run_models import build

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import TypeAlias

    from tests.download.conftest import CatalogFile
    from tests.download.server import Server

    Audit: TypeAlias = Callable[..., Ran]

BODY = b"weights" * 1000


@pytest.fixture
def audit(project: Path, capsys: pytest.CaptureFixture[str]) -> Audit:
    """Return a function that runs `aava catalog audit` on the project."""

    def run(*words: str) -> Ran:
        capsys.readouterr()
        code = main(["--project", str(project), "catalog", "audit", *words], build=build)
        return Ran(code, *capsys.readouterr())

    return run


def found(ran: Ran) -> dict[str, dict[str, Any]]:
    """Return what was found, by model."""
    return {each["model"]: each for each in json.loads(ran.stdout)["result"]["files"]}


def test_catalog_that_is_right(server: Server, catalog: CatalogFile, audit: Audit) -> None:
    """Nothing is said of what agrees, and nothing is downloaded."""
    catalog.add("mine", "kroko", "kroko/a.onnx", known(BODY, server.serve("/a", BODY)))
    ran = audit("mine")
    assert (0, "1 files: 1 agrees\n") == (ran.exit_code, ran.stdout)
    assert [("HEAD", "/a")] == [(method, path) for method, path, _ in server.asked]


def test_what_differs(server: Server, catalog: CatalogFile, audit: Audit) -> None:
    """A changed size and a file that is gone are told apart, with exit code 7."""
    catalog.add("size", "kroko", "kroko/a.onnx", known(BODY, server.serve("/a", BODY + b"x")))
    catalog.add("gone", "kroko", "kroko/b.onnx", known(BODY, f"{server.root}/none"))
    ran = audit("size", "gone", "--json")
    files = found(ran)
    assert (7, "differs", "differs") == (
        ran.exit_code,
        files["size"]["state"],
        files["gone"]["state"],
    )
    assert [f"size is {len(BODY) + 1}, expected {len(BODY)}"] == files["size"]["problems"]
    assert "answers 404" in files["gone"]["problems"][0]
    assert "2 of 2 files are not as the catalog says" in audit("size", "gone").stderr


def test_one_source_of_two_is_gone(server: Server, catalog: CatalogFile, audit: Audit) -> None:
    """The pull would work, and still the catalog is wrong."""
    sources = (f"{server.root}/none", server.serve("/a", BODY))
    catalog.add("mine", "kroko", "kroko/a.onnx", known(BODY, *sources))
    assert 7 == audit("mine").exit_code


def test_sources_that_contradict_each_other(
    server: Server, catalog: CatalogFile, audit: Audit
) -> None:
    """Where nobody knows better, that they differ is what is found, and nothing is learned."""
    sources = (server.serve("/a", BODY), server.serve("/b", BODY + b"x"))
    catalog.add("mine", "kroko", "kroko/a.onnx", unknown(*sources))
    ran = audit("--catalog", str(catalog.path), "--write")
    assert (7, False) == (ran.exit_code, "size =" in catalog.path.read_text())


def test_what_is_newly_known_is_recorded(
    server: Server,
    catalog: CatalogFile,
    audit: Audit,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The digest of a release and a size go into the file, and nothing else changes."""
    monkeypatch.setenv("GITHUB_SERVER_URL", server.root)
    monkeypatch.setenv("GITHUB_API_URL", f"{server.root}/api")
    asset = {"name": "a", "size": len(BODY), "digest": f"sha256:{sha256(BODY)}"}
    server.serve("/api/repos/o/r/releases/tags/v1", json.dumps({"assets": [asset]}).encode())
    address = server.serve("/o/r/releases/download/v1/a", BODY)
    catalog.add("mine", "kroko", "kroko/a.onnx", unknown(address))
    before = catalog.path.read_text()
    assert "learned" in audit("mine").stdout
    assert before == catalog.path.read_text()
    ran = audit("--catalog", str(catalog.path), "--write")
    assert (0, True) == (ran.exit_code, "what was learned is in" in ran.stdout), ran.stderr
    line = f"sources = ['{address}']"
    expected = f"{line}, size = {len(BODY):_}, sha256 = '{sha256(BODY)}'"
    assert before.replace(line, expected) == catalog.path.read_text()
    ran = audit("--catalog", str(catalog.path), "--write")
    assert (0, "1 files: 1 agrees\n") == (ran.exit_code, ran.stdout)


def test_hub_is_pinned_and_vouches(server: Server, project: Path, catalog: CatalogFile) -> None:
    """A branch becomes its commit; size and digest are the hub's; what is pinned stays."""
    hub = Hub(server)
    hub.add("o/r", {"a.onnx": BODY, "small.json": b"{}"})
    catalog.add("mine", "kroko", "kroko/a.onnx", unknown("hf:o/r/a.onnx"))
    catalog.add("small", "kroko", "kroko/s.onnx", unknown(f"hf:o/r@{COMMIT}/small.json"))
    words = ("catalog", "audit", "--catalog", str(catalog.path), "--write")
    ran = run_apart(project, *words, env=hub.env)
    assert 0 == ran.exit_code, ran.stderr
    text = catalog.path.read_text()
    assert f"['hf:o/r@{COMMIT}/a.onnx'], size = 7_000, sha256 = '{sha256(BODY)}'" in text
    assert f"['hf:o/r@{COMMIT}/small.json'], size = 2 }}" in text
    ran = run_apart(project, *words, env=hub.env)
    assert (0, "2 files: 2 agrees\n") == (ran.exit_code, ran.stdout)


def test_hosts_that_cannot_be_asked(server: Server, catalog: CatalogFile, audit: Audit) -> None:
    """A host that is down costs one attempt; what others say is still recorded; exit code 6."""
    dead = f"http://127.0.0.1:{free_port()}"
    catalog.add("a", "kroko", "kroko/a.onnx", unknown(f"{dead}/a", server.serve("/a", BODY)))
    catalog.add("b", "kroko", "kroko/b.onnx", unknown(f"{dead}/b"))
    server.serve("/c", BODY, authorization="Bearer")
    catalog.add("c", "kroko", "kroko/c.onnx", unknown(f"{server.root}/c"))
    ran = audit("--catalog", str(catalog.path), "--write", "--json")
    states = {model: each["state"] for model, each in found(ran).items()}
    assert (6, {"a": "unasked", "b": "unasked", "c": "unasked"}) == (ran.exit_code, states)
    assert f"size = {len(BODY):_}" in catalog.path.read_text()


def test_write_needs_a_file(audit: Audit) -> None:
    """The shipped catalog is not written to by accident."""
    ran = audit("starter", "--write")
    assert (2, True) == (ran.exit_code, "name the file to write to" in ran.stderr)


def test_events_count_sources(server: Server, catalog: CatalogFile, audit: Audit) -> None:
    """Who watches sees how far it is, and never backwards."""
    for name in "abc":
        catalog.add(name, "kroko", f"kroko/{name}.onnx", unknown(server.serve(f"/{name}", BODY)))
    lines = [json.loads(line) for line in audit("a", "b", "c", "--events").stdout.splitlines()]
    assert [1, 2, 3] == [each["done"] for each in lines if each["event"] == "progress"]


def asker() -> Asker:
    """Return an asker that does not wait."""
    return Asker(patience=Patience(attempts=3, sleep=lambda _: None))


class Counting(BaseHTTPRequestHandler):
    """Answers no HEAD, and sends the first byte once four ask at the same time."""

    four: ClassVar[threading.Barrier]
    busy: ClassVar[list[int]]
    one: ClassVar = threading.Lock()

    def do_HEAD(self) -> None:
        """Refuse."""
        self.send_error(405)

    def do_GET(self) -> None:
        """Send one byte of many."""
        self.count(1)
        self.four.wait(30)
        self.count(-1)
        self.send_response(206)
        self.send_header("Content-Range", "bytes 0-0/1234")
        self.send_header("Content-Length", "1")
        self.end_headers()
        self.wfile.write(b"x")

    def count(self, change: int) -> None:
        """Note how many are being answered now."""
        with self.one:
            self.busy.append(self.busy[-1] + change)

    def log_message(self, *_: object) -> None:
        """Keep the tests' output clean."""


def test_four_at_a_time_of_one_host() -> None:
    """However many files a host has; and the first byte tells the size where HEAD does not."""
    Counting.four, Counting.busy = threading.Barrier(4), [0]
    with ThreadingHTTPServer(("127.0.0.1", 0), Counting) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        urls = [f"http://127.0.0.1:{http.server_port}/{each}" for each in range(12)]
        answers = asker().ask_all(urls, lambda *_: None)
        http.shutdown()
        thread.join()
    assert [1234] * 12 == [each.size_bytes for each in answers.values()]
    assert 4 == max(Counting.busy)


def test_servers_that_say_little(server: Server) -> None:
    """A server without ranges says the size of the whole; one that says none is not guessed at."""
    url = server.serve("/a", BODY, ignores_range=True, statuses=[501])
    assert len(BODY) == asker().ask(url).size_bytes
    url = server.serve("/c", BODY, framing="chunked")
    assert ("there", None) == ((answered := asker().ask(url)).answer, answered.size_bytes)


def test_hiccups_are_waited_out(server: Server) -> None:
    """A busy server is asked again, and given up after a while."""
    url = server.serve("/a", BODY, statuses=[503, 429])
    assert "there" == asker().ask(url).answer
    url = server.serve("/b", BODY, statuses=[503] * 9)
    assert ("unreachable", True) == (
        (answered := asker().ask(url)).answer,
        "503" in str(answered.problem),
    )
    assert 3 == len([path for _, path, _ in server.asked if path == "/b"])


def test_members_and_local_files(registries: Server, tmp_path: Path) -> None:
    """Of a package only its place is known; a file of this host has a size, or is gone."""
    registries.serve_wheel("p", "1.0", {"a": b"1"})
    path = tmp_path / "a"
    path.write_bytes(BODY)
    answers = asker().ask_all(
        ["pypi:p==1.0#a", "pypi:p==2.0#a", f"file:{path}", "file:/none"], lambda *_: None
    )
    assert [("there", None), ("gone", None), ("there", len(BODY)), ("gone", None)] == [
        (each.answer, each.size_bytes) for each in answers.values()
    ]


def test_publisher_has_a_checksum_of_another_kind(server: Server) -> None:
    """MD5 is told, for whoever asks, and is no SHA-256."""
    entry = {"name": "vosk-model-x", "size": 7, "md5": "a" * 32}
    server.serve("/m/model-list.json", json.dumps([entry]).encode())
    url = server.serve("/m/vosk-model-x.zip", BODY)
    answered = asker().ask(url)
    assert (Digest("md5", "a" * 32), len(BODY)) == (answered.digest, answered.size_bytes)


@pytest.mark.parametrize("kind", ["pypi", "npm"])
def test_packages_are_pinned_to_what_their_index_publishes(
    registries: Server, project: Path, catalog: CatalogFile, audit: Audit, kind: str
) -> None:
    """The digest is recorded in the source, held to by pulls, and checked by the next audit."""
    registries.serve_wheel("v", "1.0", {"a.onnx": BODY})
    registries.serve_npm("v", "1.0", {"a.onnx": BODY})
    bare = "pypi:v==1.0" if kind == "pypi" else "npm:v@1.0"
    catalog.add("mine", "kroko", "kroko/a.onnx", known(BODY, f"{bare}#a.onnx"))
    written = audit("--catalog", str(catalog.path), "--write", "--json")
    algorithm = "sha256" if kind == "pypi" else "sha512"
    assert (0, "learned") == (written.exit_code, found(written)["mine"]["state"])
    assert f"'{bare}@{algorithm}:" in catalog.path.read_text().replace('"', "'")
    again = audit("--catalog", str(catalog.path))
    assert (0, "1 files: 1 agrees\n") == (again.exit_code, again.stdout)
    words = ["--project", str(project), "models"]
    assert 0 == main([*words, "pull", "mine"], build=build)
    registries.serve_wheel("v", "1.0", {"a.onnx": BODY, "b": b"new"})
    registries.serve_npm("v", "1.0", {"a.onnx": BODY, "b": b"new"})
    other = audit("--catalog", str(catalog.path), "--json")
    assert (7, "differs") == (other.exit_code, found(other)["mine"]["state"])
    assert f"has other bytes: their {algorithm} is" in found(other)["mine"]["problems"][0]
    assert 0 == main([*words, "rm", "mine"], build=build)
    assert 7 == main([*words, "pull", "mine"], build=build)


def test_catalog_that_is_not_there(audit: Audit) -> None:
    """A file that does not exist is not found."""
    assert 10 == audit("--catalog", "/none/catalog.toml").exit_code

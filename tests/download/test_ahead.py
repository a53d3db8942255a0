"""Before the first byte: what is no model is refused for a hundredth of it, or less."""

from __future__ import annotations

import json
import shutil
import struct
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import pytest

from aava_cli.catalog import Archive, Model, RemoteFile
from aava_cli.download.ahead import check_room, look_ahead, refuse_foreign
from aava_cli.download.plan import RESERVE_BYTES, Need, PullFacts, plan_pull
from aava_cli.download.sharing.shelf import About, data_file, kept_prefix, place_for
from aava_cli.download.sources.http import Transient
from aava_cli.download.sources.peek import foreign
from aava_cli.download.transfer.fetch import Download, Patience, fetch
from aava_cli.download.transfer.partial import Digest
from aava_cli.errors import AccessDenied, IntegrityError, NoSpace, NotFound
from aava_cli.events import Log
from tests.conftest import free_port
from tests.download.conftest import known, sha256, unknown
from tests.test_gguf import gguf, pair, tensor, text

if TYPE_CHECKING:
    from aava_cli.events import Event
    from tests.download.conftest import CatalogFile, Models
    from tests.download.server import Server

SIZE_BYTES = 9 << 20
WEIGHTS = tensor("w", (256, 8192), 0)
Q8_WEIGHTS = tensor("w", (256, 8192), 8)
LLAMA = pair("general.architecture", 8, text("llama"))
TEMPLATE = pair("tokenizer.chat_template", 8, text("{{ messages }}"))


def file_type(number: int) -> bytes:
    """Return the entry that says how a file is packed."""
    return pair("general.file_type", 4, struct.pack("<I", number))


def model(*pairs: bytes, tensors: tuple[bytes, ...] = (WEIGHTS,)) -> bytes:
    """Return a GGUF file of a few megabytes with *pairs*."""
    return gguf(*pairs, tensors=tensors).ljust(SIZE_BYTES, b"\0")


def whisper(file_type: int, layers: int = 6) -> bytes:
    """Return what a whisper.cpp file of *file_type* begins with, and megabytes of nothing."""
    sizes = (51864, 1500, 512, 8, layers, 448, 512, 8, 6, 80, file_type)
    return struct.pack("<12i", 0x67676D6C, *sizes).ljust(SIZE_BYTES, b"\0")


def remote(path: str = "llm/a.gguf", **fields: object) -> RemoteFile:
    """Return a file of the catalog of which only the place is known."""
    return RemoteFile(PurePosixPath(path), ("https://example/a",), **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("path", "body", "problem"),
    [
        ("llm/a.gguf", b"\xef\xbb\xbf\n<!DOCTYPE HTML><html>", "is a web page"),
        ("stt/ggml-a.bin", b"<html lang=en>", "is a web page"),
        ("tts/a.onnx", b"<?xml version='1.0'?><Error><Code>", "is a message in XML"),
        ("llm/a.gguf", b"<Error><Code>AccessDenied", "is a message in XML"),
        (
            "kroko/a.data",
            b"version https://git-lfs.github.com/spec/v1\n",
            "is a pointer of git-lfs",
        ),
        ("kroko/a.data", b'{"error": "Entry not found"}', "is a message in JSON"),
        ("llm/a.gguf", b"Entry not found", "does not begin as a `.gguf` file does"),
        ("stt/ggml-a.bin", b"GGUF", "does not begin as a `.bin` file does"),
        ("tts/a.onnx", b"PK", "does not begin as a `.onnx` file does"),
        ("llm/a.gguf", gguf(version=1), "is GGUF version 1"),
        ("llm/a.gguf", model(), "says nothing of its architecture"),
        ("llm/a.gguf", model(LLAMA, pair("general.type", 8, text("adapter"))), "type `adapter`"),
        ("llm/a.gguf", model(pair("general.architecture", 8, text("clip"))), "sees pictures"),
        (
            "llm/a.gguf",
            model(LLAMA, tensors=(tensor("w", (256, 9 << 10), 0),)),
            "has tensors up to byte 9,437,312, of which 9,437,184 are there",
        ),
        (
            "llm/a-Q4_K_M.gguf",
            model(LLAMA, file_type(7), tensors=(Q8_WEIGHTS,)),
            "is packed as Q8_0, where its name says Q4_K_M",
        ),
        (
            "llm/a-Q4_K_M.gguf",
            model(LLAMA, tensors=(Q8_WEIGHTS,)),
            "spends 8.5 bits on a weight, where its name says Q4_K_M",
        ),
        (
            "stt/ggml-a-q5_1.bin",
            whisper(1),
            "is packed as F16, where its name says Q5_1",
        ),
        ("stt/ggml-a.bin", whisper(1, layers=0), "a header that no whisper.cpp model has"),
    ],
)
def test_what_is_no_model_costs_a_hundredth(
    server: Server, catalog: CatalogFile, models: Models, path: str, body: bytes, problem: str
) -> None:
    """The pull fails with the reason, and the file was hardly touched."""
    body = body.ljust(SIZE_BYTES, b" ")
    backends = {"llm": "llama", "stt": "whisper_cpp", "tts": "piper", "kroko": "kroko"}
    backend = backends[path.partition("/")[0]]
    catalog.add("mine", backend, path, unknown(server.serve("/a", body)))
    ran = models("pull", "mine")
    assert (7, True) == (ran.exit_code, problem in ran.stderr), ran.stderr
    assert 0 < server.sent_bytes * 100 < len(body)


def test_name_at_the_source_counts_too(server: Server) -> None:
    """Called by another name here, it still is what its address says."""
    url = server.serve("/a-Q4_K_M.gguf", model(LLAMA, file_type(7)))
    with pytest.raises(IntegrityError, match="where its name says Q4_K_M"):
        refuse_foreign(Download(url, url), remote())


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("a-Q4_K_M.gguf", model(LLAMA, TEMPLATE, file_type(15))),
        ("a-F32.gguf", model(LLAMA, TEMPLATE, file_type(999), tensors=(WEIGHTS,))),
        ("a.gguf", model(LLAMA, TEMPLATE)),
        ("a-Q8_0.gguf", model(LLAMA, TEMPLATE, tensors=(Q8_WEIGHTS,))),
        ("a-Q8_0.gguf", model(pair("split.no", 2, b"\2\0"), tensors=(WEIGHTS,))),
    ],
)
def test_models_pass(server: Server, events: list[Event], name: str, body: bytes) -> None:
    """Labels that fit, that are unknown, or that the other parts of a file have."""
    url = server.serve(f"/{name}", body)
    assert SIZE_BYTES == refuse_foreign(Download(url, url), remote(), events.append)
    assert ([], 64 << 10) == (events, server.sent_bytes)


def test_missing_chat_template_is_a_warning(server: Server, events: list[Event]) -> None:
    """The model can be used all the same."""
    url = server.serve("/a", model(LLAMA))
    refuse_foreign(Download(url, url), remote(), events.append)
    (warning,) = events
    assert isinstance(warning, Log)
    assert ("warning", True) == (warning.level, "has no chat template" in warning.message)


def test_long_header_costs_no_more_than_a_hundredth(server: Server, events: list[Event]) -> None:
    """What stands first is judged; whether all tensors are there is known at the end."""
    tokens = pair("tokens", 9, struct.pack("<IQ", 8, 9999) + text("token") * 9999)
    url = server.serve("/a-Q4_0.gguf", gguf(LLAMA, file_type(2), tokens).ljust(SIZE_BYTES, b"\0"))
    refuse_foreign(Download(url, url), remote(), events.append)
    assert ([], True) == (events, server.sent_bytes * 100 < SIZE_BYTES * 1.05)
    other = server.serve("/a-Q8_0.gguf", server.files["/a-Q4_0.gguf"].body)
    with pytest.raises(IntegrityError, match="is packed as Q4_0"):
        refuse_foreign(Download(other, other), remote())


def test_server_without_ranges_gives_its_first_bytes(server: Server) -> None:
    """They are judged, and nothing more is asked of it."""
    url = server.serve("/a-Q4_0.gguf", model(LLAMA, file_type(2)), ignores_range=True)
    assert SIZE_BYTES == refuse_foreign(Download(url, url), remote())
    page = server.serve("/b.gguf", b"<html>".ljust(SIZE_BYTES), ignores_range=True)
    with pytest.raises(IntegrityError, match="is a web page"):
        refuse_foreign(Download(page, page), remote())
    tokens = pair("tokens", 9, struct.pack("<IQ", 8, 99_999) + text("token") * 99_999)
    long = server.serve("/c", model(LLAMA, tokens) + bytes(99 * SIZE_BYTES), ignores_range=True)
    refuse_foreign(Download(long, long), remote())
    assert 3 == len(server.asked)


@pytest.mark.parametrize(
    "faults",
    [
        {"content_range": "bytes 5-9/99"},
        {"content_range": "bytes x"},
        {"headers": {"Content-Encoding": "gzip"}},
        {"statuses": [416]},
        {"statuses": [503]},
        {"ignores_range": True, "framing": "chunked"},
    ],
)
def test_odd_answers_are_left_to_the_download(server: Server, faults: dict[str, object]) -> None:
    """Nothing is concluded from an answer that is not what was asked for."""
    url = server.serve("/a", model(LLAMA, TEMPLATE), **faults)
    refuse_foreign(Download(url, url), remote())
    assert 1 == len(server.asked)


def test_servers_that_refuse(server: Server, tmp_path: Path) -> None:
    """A file that is not given away is said so at once; a host that is down may come back."""
    denied = server.serve("/a", b"", statuses=[403])
    for url, failure in ((denied, AccessDenied), (f"{server.root}/none", NotFound)):
        with pytest.raises(failure):
            refuse_foreign(Download(url, url), remote())
    down = f"http://127.0.0.1:{free_port()}/a"
    assert refuse_foreign(Download(down, down), remote()) is None
    refuse_foreign(Download("file:/none", "file:///none"), remote())
    (tmp_path / "a.gguf").write_bytes(b"<html>")
    with pytest.raises(IntegrityError, match="is a web page"):
        refuse_foreign(Download("file:", f"file://{tmp_path}/a.gguf"), remote())
    (tmp_path / "a.gguf").write_bytes(b"")
    assert 0 == refuse_foreign(Download("file:", f"file://{tmp_path}/a.gguf"), remote())


def test_small_and_pinned_files_are_just_fetched(
    server: Server, catalog: CatalogFile, models: Models
) -> None:
    """A look at them would cost more than it saves."""
    body = bytes(range(256)) * 40_000
    catalog.add("mine", "kroko", "kroko/a.data", known(body, server.serve("/a", body)))
    assert 0 == models("pull", "mine").exit_code
    assert all("0-65535" not in headers.get("Range", "") for headers in server.gets("/a"))
    download = Download("x", "http://127.0.0.1:1/x", size_bytes=4 << 20)
    look_ahead(download, remote(), Path("/tmp/none"), "x", lambda _event: None)


def test_page_in_place_of_a_pinned_file(
    server: Server, catalog: CatalogFile, models: Models
) -> None:
    """Its size gives it away in the first answer."""
    url = server.serve("/a", b"<html>".ljust(SIZE_BYTES))
    line = known(bytes(SIZE_BYTES + 1), url)
    catalog.add("mine", "llama", "llm/a.gguf", line)
    assert 7 == models("pull", "mine").exit_code


def begin(server: Server, work: Path, body: bytes) -> str:
    """Download half of *body* to *work*, and return its source."""
    url = server.serve("/a", body, cuts=[len(body) // 2, *[0] * 9])
    about = About("a", url, len(body))
    patience = Patience(attempts=1, sleep=lambda _seconds: None)
    download = Download(url, url, digest=Digest("sha256", sha256(body)))
    with pytest.raises(Transient), place_for(work, url, about) as place:
        fetch(download, place.path, lambda *_: None, patience)
    return url


def test_first_bytes_on_disk_are_looked_at_there(server: Server, tmp_path: Path) -> None:
    """A download that goes on asks for nothing twice, unless what is there is wrong."""
    url = begin(server, tmp_path, model(LLAMA, file_type(2)))
    (folder,) = (tmp_path / "partial").iterdir()
    assert kept_prefix(folder) >= 64 << 10
    server.asked.clear()
    look_ahead(Download(url, url), remote(), tmp_path, url, lambda _event: None)
    assert [] == server.asked
    with data_file(folder).open("r+b") as file:
        file.write(b"<html>")
    look_ahead(Download(url, url), remote(), tmp_path, url, lambda _event: None)
    assert 1 == len(server.asked)
    assert 0 == kept_prefix(tmp_path)


def test_what_does_not_fit_is_not_begun(tmp_path: Path) -> None:
    """An archive needs room for what comes out of it, and others need room as well."""
    free = shutil.disk_usage(tmp_path).free
    packed = Archive("zip", PurePosixPath("x"))
    for size, file in (
        (free, remote()),
        (free // 3, remote("stt/vosk-model-x", archive=packed)),
        (free - RESERVE_BYTES // 2, remote()),
    ):
        with pytest.raises(NoSpace, match=r"need .* free on"):
            check_room(size, file, tmp_path, "x")
    check_room(0, remote(), tmp_path, "x")
    download = Download("x", "http://127.0.0.1:1/x", size_bytes=free)
    pinned = remote(sha256="0" * 64, size_bytes=free)
    with pytest.raises(NoSpace):
        look_ahead(download, pinned, tmp_path, "x", lambda _event: None)


@pytest.mark.parametrize(
    ("path", "head", "expected"),
    [
        ("x.safetensors", struct.pack("<Q", 2) + b"{}", None),
        ("x.safetensors", b"weights weights", "does not begin as a `.safetensors` file does"),
        ("stt/a/tokens.txt", b"<blk> 0\n", None),
        ("tts/a.onnx.json", b'{"audio": 1}', None),
        ("tts/a.onnx.json", b"<html>", "is a web page, no model"),
        ("x.tar.zst", b"\x28\xb5\x2f\xfd", None),
        ("x.zip", b"Rar!", "does not begin as a `.zip` file does"),
        ("llm/unknown", b"", None),
    ],
)
def test_first_bytes(path: str, head: bytes, expected: str | None) -> None:
    """Texts may begin in many ways, and binary files in one."""
    assert expected == foreign(head, PurePosixPath(path))


def test_dry_run_tells_digests_and_who_vouches(
    server: Server, project: Path, catalog: CatalogFile, models: Models
) -> None:
    """What the catalog lacks is asked for, and nothing is fetched."""
    body = b"a" * 1000
    catalog.add("pinned", "kroko", "kroko/a.data", known(body, server.serve("/a", body)))
    catalog.add("loose", "kroko", "kroko/b.data", unknown(server.serve("/b", body)))
    catalog.add("gone", "kroko", "kroko/c.data", unknown(f"{server.root}/none"))
    before = sorted(project.rglob("*"))
    ran = models("pull", "pinned", "loose", "gone", "--dry-run", "--json")
    plan = json.loads(ran.stdout)["result"]
    (pinned,), (loose,), (gone,) = (each["files"] for each in plan["models"])
    digest = f"sha256:{sha256(body)}"
    assert (digest, "catalog", 1000) == (
        pinned["digest"],
        pinned["provenance"],
        pinned["size_bytes"],
    )
    assert (None, None, 1000) == (loose["digest"], loose["provenance"], loose["size_bytes"])
    assert (None, None) == (gone["digest"], gone["size_bytes"])
    assert (0, before) == (server.sent_bytes, sorted(project.rglob("*")))
    shown = models("pull", "pinned", "loose", "--dry-run").stdout
    assert f"sha256:{sha256(body)[:12]} (catalog)" in shown
    assert "none yet" in shown
    assert " free on " in shown


def test_dry_run_tells_what_was_recorded(
    server: Server, project: Path, catalog: CatalogFile, models: Models
) -> None:
    """A file that is fetched again is held to what it was the first time."""
    catalog.add("mine", "kroko", "kroko/a.data", unknown(server.serve("/a", b"a" * 1000)))
    assert 0 == models("pull", "mine").exit_code
    (project / "models/kroko/a.data").unlink()
    ran = models("pull", "mine", "--dry-run", "--json")
    (file,) = json.loads(ran.stdout)["result"]["models"][0]["files"]
    assert (f"sha256:{sha256(b'a' * 1000)}", "tofu", 1000) == (
        file["digest"],
        file["provenance"],
        file["size_bytes"],
    )


def test_room_is_looked_for_on_the_right_disk(
    server: Server, project: Path, catalog: CatalogFile, models: Models
) -> None:
    """A role's folder on another disk needs the room for its files too."""
    line = known(b"a" * 1000, server.serve("/a", b"a" * 1000))
    catalog.add("mine", "llama", "llm/a.gguf", line)
    (project / "models/llm").rmdir()
    (project / "models/llm").symlink_to("/dev/shm")
    ran = models("pull", "mine", "--dry-run", "--json")
    (need,) = json.loads(ran.stdout)["result"]["elsewhere"]
    assert (1000, True) == (need["need_bytes"], need["free_bytes"] > 0)
    shown = models("pull", "mine", "--dry-run").stdout.splitlines()[-1]
    assert shown.startswith("1.0 kB needed, ")
    assert shown.endswith("/models/llm")


def test_full_disk_of_a_role_is_named(tmp_path: Path) -> None:
    """The plan is refused for any disk, with something to spare on each."""
    file = remote("llm/a.gguf", size_bytes=1000)
    packed = remote("llm/b", size_bytes=10, archive=Archive("zip", PurePosixPath("b")))
    found = Model("a", "a", "llm", "llama", files=(file, packed))
    plenty = 2 * RESERVE_BYTES
    facts = PullFacts(tmp_path, frozenset(), 0, plenty, {"llm": 1100})
    plan = plan_pull([found], facts)
    assert (Need(tmp_path / "llm", 1030, 1100, 110),) == plan.elsewhere
    with pytest.raises(NoSpace, match=f"free on `{tmp_path}/llm`"):
        plan.check_room()
    plan_pull([found], replace(facts, elsewhere={"llm": plenty, "stt": 0})).check_room()

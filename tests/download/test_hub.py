"""Repositories of the hub: pinned, verified file by file, and refused with a reason."""

from __future__ import annotations

import hashlib
import json
import tomllib
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import pytest

from aava_cli.catalog import parse_catalog
from aava_cli.download.sources.hub import check_blob, git_blob_sha1, is_snapshot, list_snapshot
from aava_cli.errors import IntegrityError, NotFound
from tests.download.apart import COMMIT, Hub, git_sha1, run_apart
from tests.download.proxies import SocksProxy
from tests.tiny_folders import faster_whisper
from tests.tiny_models import write_gguf

if TYPE_CHECKING:
    from pathlib import Path

    from tests.download.server import Server

WEIGHTS = b"weights" * 1000
WHISPER = {".gitattributes": b"*.bin lfs", **faster_whisper()}


@pytest.fixture
def hub(server: Server) -> Hub:
    """Return a hub without repositories."""
    return Hub(server)


def own_catalog(project: Path) -> dict[str, dict[str, object]]:
    """Return the models of the project's own catalog."""
    text = (project / "config/catalog.local.toml").read_text()
    models: dict[str, dict[str, object]] = tomllib.loads(text)["models"]
    return models


def test_whole_repository_is_pulled_at_its_commit(hub: Hub, project: Path) -> None:
    """Every file that an engine reads comes, verified, and the entry names the commit."""
    hub.add("org/faster-whisper-mini", WHISPER)
    ran = run_apart(project, "models", "pull", "hf:org/faster-whisper-mini", env=hub.env)
    folder = project / "models/stt/faster-whisper-mini"
    assert (0, set(faster_whisper())) == (
        ran.exit_code,
        {each.name for each in folder.iterdir()},
    ), ran.stderr
    receipt = json.loads((project / ".aava/receipts/faster-whisper-mini.json").read_bytes())
    vouchers = {each["path"].rpartition("/")[2]: each["provenance"] for each in receipt["files"]}
    assert {**dict.fromkeys(faster_whisper(), "hub"), "model.bin": "catalog"} == vouchers
    assert all(f"@{COMMIT}/" in each["source"] for each in receipt["files"])
    entry = own_catalog(project)["faster-whisper-mini"]
    assert ("faster_whisper", "stt/faster-whisper-mini") == (entry["backend"], entry["path"])
    assert "nobody vouches" not in ran.stderr
    text = (project / "config/catalog.local.toml").read_text()
    model = parse_catalog(text, name="c").find("faster-whisper-mini")
    chosen = {"model": "/app/models/stt/faster-whisper-mini"}
    assert chosen == model.values(PurePosixPath("/app/models"))


def test_dry_run_names_the_hub_as_who_vouches(hub: Hub, project: Path) -> None:
    """Sizes and digests are known before anything is fetched."""
    hub.add("org/mini", {"a.data": b"x" * 10_000})
    words = ("models", "pull", "hf:org/mini/a.data", "--role", "stt")
    ran = run_apart(project, *words, "--backend", "kroko", "--dry-run", "--json", env=hub.env)
    (file,) = json.loads(ran.stdout)["result"]["models"][0]["files"]
    digest = f"sha256:{hashlib.sha256(b'x' * 10_000).hexdigest()}"
    assert (digest, "hub", 10_000) == (file["digest"], file["provenance"], file["size_bytes"])


def test_repository_that_was_pulled_can_be_pulled_again(hub: Hub, project: Path) -> None:
    """The second time nothing is fetched, by its source or by its name."""
    hub.add("org/faster-whisper-mini", WHISPER)
    for name in ("hf:org/faster-whisper-mini@main", "faster-whisper-mini"):
        ran = run_apart(project, "models", "pull", name, env=hub.env)
        assert 0 == ran.exit_code, ran.stderr
    ran = run_apart(project, "models", "pull", "hf:org/faster-whisper-mini", env=hub.env)
    assert (0, True) == (ran.exit_code, "nothing was downloaded" in ran.stdout)
    gets = hub.server.gets(f"/org/faster-whisper-mini/resolve/{COMMIT}/model.bin")
    assert 1 == len(gets)


def test_small_file_with_other_bytes_than_git_says(hub: Hub, project: Path) -> None:
    """A file that only git vouches for is verified as well, and nothing is installed."""
    hub.add("org/faster-whisper-mini", WHISPER)
    for revision in ("main", COMMIT):
        path = f"/org/faster-whisper-mini/resolve/{revision}/config.json"
        hub.server.files[path].body = b"[]"
    ran = run_apart(project, "models", "pull", "hf:org/faster-whisper-mini", env=hub.env)
    assert (7, False) == (ran.exit_code, (project / "models/stt/faster-whisper-mini").exists())
    assert "its git sha1 is" in ran.stderr
    assert not (project / "config/catalog.local.toml").exists()


def test_repository_of_single_files_wants_one_named(hub: Hub, project: Path) -> None:
    """A repository of quantisations is no model; its files are named."""
    hub.add("org/tiny-gguf", {"a-q4.gguf": WEIGHTS, "a-q8.gguf": WEIGHTS + b"8"})
    ran = run_apart(project, "models", "pull", "hf:org/tiny-gguf", "--role=llm", env=hub.env)
    assert (2, True) == (ran.exit_code, "`a-q4.gguf`, `a-q8.gguf`" in ran.stderr)
    assert f"`hf:org/tiny-gguf@{COMMIT}/a-q4.gguf`" in ran.stderr


@pytest.mark.parametrize("form", ["hf:org/tiny/a.gguf", "{root}/org/tiny/blob/main/a.gguf"])
def test_one_file_by_source_or_by_its_page(
    hub: Hub, project: Path, tmp_path: Path, form: str
) -> None:
    """The page that people copy is the file's source, and the hub vouches for it."""
    hub.add("org/tiny", {"a.gguf": write_gguf(tmp_path / "a.gguf").read_bytes()})
    source = form.format(root=hub.server.root)
    ran = run_apart(project, "models", "pull", source, env=hub.env)
    assert 0 == ran.exit_code, ran.stderr
    (file,) = json.loads((project / ".aava/receipts/a.json").read_bytes())["files"]
    assert ("hub", f"hf:org/tiny@{COMMIT}/a.gguf") == (file["provenance"], file["source"])


def test_gated_repository_says_what_to_do(hub: Hub, project: Path) -> None:
    """A gated model is told apart from a missing one, with the way in."""
    page = hub.server.serve("/api/models/org/gated", b"", headers={"X-Error-Code": "GatedRepo"})
    assert page
    hub.server.files["/api/models/org/gated"].statuses = [403] * 9
    ran = run_apart(project, "models", "pull", "hf:org/gated", env=hub.env)
    assert (12, True) == (ran.exit_code, "the model is gated" in ran.stderr)
    assert "accept the terms of `org/gated` on the hub, then set `HF_TOKEN`" in ran.stderr


@pytest.mark.parametrize(
    ("code", "exit_code", "said"),
    [("RevisionNotFound", 10, "no such revision"), ("RepoNotFound", 10, "answers 404")],
)
def test_missing_repository_or_revision(
    hub: Hub, project: Path, code: str, exit_code: int, said: str
) -> None:
    """What does not exist is named."""
    path = "/api/models/org/none/revision/v9"
    hub.server.serve(path, b"", headers={"X-Error-Code": code})
    hub.server.files[path].statuses = [404] * 9
    ran = run_apart(project, "models", "pull", "hf:org/none@v9", env=hub.env)
    assert (exit_code, True) == (ran.exit_code, said in ran.stderr), ran.stderr


def test_empty_repository(hub: Hub, project: Path) -> None:
    """A repository without files is no model."""
    hub.add("org/empty", {".gitattributes": b""})
    ran = run_apart(project, "models", "pull", "hf:org/empty", env=hub.env)
    assert (10, True) == (ran.exit_code, "has no files" in ran.stderr)


def test_what_names_a_repository() -> None:
    """A path behind it makes it a file."""
    assert [True, True, False, False] == [
        is_snapshot(each)
        for each in ("hf:a/b", "hf:a/b@v1", "hf:a/b/c.gguf", "https://host.example/a/b")
    ]
    with pytest.raises(NotFound, match="is no repository"):
        list_snapshot("hf:a/b/c")


def test_git_names(tmp_path: Path) -> None:
    """The name is git's own, and other bytes have another."""
    path = tmp_path / "a"
    path.write_bytes(b"hello\n")
    assert "ce013625030ba8dba906f756967f9e9ca394464a" == git_blob_sha1(path) == git_sha1(b"hello\n")
    check_blob(path, git_sha1(b"hello\n"))
    with pytest.raises(IntegrityError, match="its git sha1 is"):
        check_blob(path, git_sha1(b"other"))


def test_hub_behind_a_proxy(hub: Hub, project: Path) -> None:
    """The hub's own client and the downloads take the same way."""
    hub.add("org/faster-whisper-mini", WHISPER)
    proxy = SocksProxy()
    way = {"all_proxy": f"socks5h://127.0.0.1:{proxy.port}", "no_proxy": "", "NO_PROXY": ""}
    ran = run_apart(project, "models", "pull", "hf:org/faster-whisper-mini", env=hub.env | way)
    proxy.close()
    assert 0 == ran.exit_code, ran.stderr
    assert len(proxy.asked) > 1


def test_proxy_that_the_hub_cannot_use(hub: Hub, project: Path) -> None:
    """The proxy is at fault, not the repository's name."""
    way = {"all_proxy": "socks4://me:secret@127.0.0.1:1", "no_proxy": "", "NO_PROXY": ""}
    for name in ("hf:org/faster-whisper-mini", "hf:org/any/a.gguf"):
        ran = run_apart(project, "models", "pull", name, env=hub.env | way)
        assert (6, True) == (ran.exit_code, "`socks4://127.0.0.1:1` is not one" in ran.stderr)

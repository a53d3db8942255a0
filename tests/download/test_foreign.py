"""Models taken from what is on this host already, recognised by their bytes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aava_cli.download.moving.foreign import folders_of
from aava_cli.download.moving.taking import take
from aava_cli.errors import NotFound
from tests.download.apart import Hub, run_apart
from tests.download.conftest import known, sha256, unknown
from tests.download.server import wheel
from tests.tiny_models import write_gguf

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.download.conftest import CatalogFile, Models
    from tests.download.server import Server

BODY = b"weights" * 1000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of someone's downloads."""
    path = tmp_path / "downloads" / "deep"
    path.mkdir(parents=True)
    return path


def receipt_of(project: Path, model: str) -> list[dict[str, str]]:
    """Return the files of a receipt."""
    loaded: list[dict[str, str]] = json.loads(
        (project / f".aava/receipts/{model}.json").read_bytes()
    )["files"]
    return loaded


def test_file_of_another_name_is_recognised(
    project: Path, catalog: CatalogFile, models: Models, folder: Path
) -> None:
    """Its bytes count; files of the same size are told apart, and its owner keeps the file."""
    catalog.add("mine", "kroko", "kroko/mine.onnx", known(BODY, "https://h.example/a"))
    (folder / "aaa").write_bytes(b"x" * len(BODY))
    (folder / "download(1)").write_bytes(BODY)
    before = (folder / "download(1)").stat()
    ran = models("import", "--from", str(folder.parent))
    path = project / "models/kroko/mine.onnx"
    assert (0, BODY) == (ran.exit_code, path.read_bytes()), ran.stderr
    assert "imported  mine: kroko/mine.onnx, by " in ran.stdout
    (file,) = receipt_of(project, "mine")
    assert ("catalog", f"file:{folder / 'download(1)'}") == (file["provenance"], file["source"])
    after = (folder / "download(1)").stat()
    assert (before.st_mode, before.st_uid, before.st_mtime_ns) == (
        after.st_mode,
        after.st_uid,
        after.st_mtime_ns,
    )
    assert "nothing was found that is not here" in models("import", "--from", str(folder)).stdout
    assert 0 == models("verify", "--deep").exit_code


def test_model_comes_whole_or_not_at_all(
    project: Path, catalog: CatalogFile, models: Models, folder: Path
) -> None:
    """One file of two is no model; asked for by name, the missing one is named."""
    second = known(b"2", "https://h.example/b", path="kroko/second.onnx")
    catalog.add("two", "kroko", "kroko/a.onnx", known(BODY, "https://h.example/a"), second)
    (folder / "a").write_bytes(BODY)
    assert 0 == models("import", "--from", str(folder)).exit_code
    assert not (project / "models/kroko").exists()
    ran = models("import", "two", "--from", str(folder))
    assert (10, True) == (ran.exit_code, "`kroko/second.onnx` is not in `" in ran.stderr)
    (folder / "b").write_bytes(b"2")
    assert 0 == models("import", "two", "--from", str(folder)).exit_code
    (project / "models/kroko/second.onnx").unlink()
    ran = models("import", "two", "--from", str(folder))
    assert (0, b"2") == (ran.exit_code, (project / "models/kroko/second.onnx").read_bytes())


def test_model_that_nobody_vouches_for_cannot_be_recognised(
    catalog: CatalogFile, models: Models, folder: Path
) -> None:
    """Without a digest any file could be it."""
    catalog.add("mine", "kroko", "kroko/mine.onnx", unknown("https://h.example/a"))
    ran = models("import", "mine", "--from", str(folder))
    assert (10, True) == (ran.exit_code, "cannot be recognised" in ran.stderr)


def test_archive_that_was_downloaded_is_unpacked(
    project: Path, catalog: CatalogFile, models: Models, folder: Path
) -> None:
    """The archive stays where it is, and nothing else is left."""
    packed = wheel({"v/conf/a": b"1", "v/am/final.mdl": b"2"})
    archive = "archive = { format = 'zip', root = 'v' }"
    catalog.add("v", "vosk", "stt/v", f"{known(packed, 'https://h.example/v')}, {archive}")
    (folder / "v.zip").write_bytes(packed)
    ran = models("import", "v", "--from", str(folder))
    assert (0, b"1") == (ran.exit_code, (project / "models/stt/v/conf/a").read_bytes()), ran.stderr
    assert [] == list((project / ".aava/partial").iterdir())
    assert packed == (folder / "v.zip").read_bytes()


def test_ollama_store(
    project: Path,
    catalog: CatalogFile,
    models: Models,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A blob is called by its digest, which finds it where the catalog has no size."""
    body = write_gguf(tmp_path / "tiny.gguf").read_bytes()
    entry = f"{unknown('https://h.example/a')}, sha256 = '{sha256(body)}'"
    catalog.add("tiny", "llama", "llm/tiny.gguf", entry)
    blobs = tmp_path / "store/blobs"
    blobs.mkdir(parents=True)
    (blobs / f"sha256-{sha256(body)}").write_bytes(body)
    (blobs / f"sha256-{'0' * 64}").write_bytes(body + b"x")
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path / "store"))
    assert 0 == models("import", "--from", "ollama").exit_code
    assert body == (project / "models/llm/tiny.gguf").read_bytes()


def test_blob_whose_name_lies(
    project: Path, catalog: CatalogFile, models: Models, folder: Path
) -> None:
    """A name is a hint where to look first, never a proof."""
    catalog.add("mine", "kroko", "kroko/mine.onnx", known(BODY, "https://h.example/a"))
    (folder / sha256(BODY)).write_bytes(b"x" * len(BODY))
    assert 10 == models("import", "mine", "--from", str(folder)).exit_code
    assert not (project / "models/kroko").exists()


def test_cache_of_the_hub(
    server: Server, project: Path, catalog: CatalogFile, tmp_path: Path
) -> None:
    """What its own library downloaded is found, whatever the snapshot links to it."""
    catalog.add("mine", "kroko", "kroko/mine.onnx", known(BODY, "https://h.example/a"))
    repository = tmp_path / "hub/models--o--r"
    (repository / "blobs").mkdir(parents=True)
    (repository / "snapshots/main").mkdir(parents=True)
    (repository / "blobs" / sha256(BODY)).write_bytes(BODY)
    (repository / "snapshots/main/a.onnx").symlink_to(f"../../blobs/{sha256(BODY)}")
    (repository / "snapshots/main/gone.onnx").symlink_to("../../blobs/none")
    env = {**Hub(server).env, "HF_HUB_CACHE": str(tmp_path / "hub")}
    ran = run_apart(project, "models", "import", "--from", "hub", env=env)
    path = project / "models/kroko/mine.onnx"
    assert (0, BODY, False) == (ran.exit_code, path.read_bytes(), path.is_symlink()), ran.stderr


def test_folders(tmp_path: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stores' own settings say where they are, and a missing folder is named."""
    (own_home / ".ollama/models").mkdir(parents=True)
    assert own_home / ".ollama/models" in folders_of("ollama")
    assert (tmp_path,) == folders_of(str(tmp_path))
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path / "none"))
    for named in ("ollama", str(tmp_path / "none")):
        with pytest.raises(NotFound, match="there is no folder"):
            folders_of(named)


@pytest.fixture
def other_disk() -> Iterator[Path]:
    """Return a folder on another file system, one that shares no blocks."""
    path = Path("/dev/shm") / f"aava-test-{os.getpid()}"
    path.mkdir()
    yield path
    for each in path.iterdir():
        each.unlink()
    path.rmdir()


def test_ways_to_take_a_file(tmp_path: Path, other_disk: Path) -> None:
    """Blocks are shared where that can be; a link only where owner and mode fit; else a copy."""
    source = other_disk / "a"
    source.write_bytes(BODY)
    source.chmod(0o644)
    ways = {take(source, other_disk / "b", like=tmp_path / "none")}
    assert {"link"} == ways
    source.chmod(0o600)
    assert "copy" == take(source, other_disk / "c", like=tmp_path)
    source.chmod(0o644)
    assert "copy" == take(source, tmp_path / "new/d", like=tmp_path)
    for path in (other_disk / "b", other_disk / "c", tmp_path / "new/d"):
        assert BODY == path.read_bytes()
    assert (other_disk / "b").samefile(source)


def test_folder_in_the_way_is_not_followed_out(
    project: Path, catalog: CatalogFile, models: Models, folder: Path, tmp_path: Path
) -> None:
    """A link in the models folder that leads out is no way out."""
    catalog.add("mine", "kroko", "kroko/sub/mine.onnx", known(BODY, "https://h.example/a"))
    (folder / "a").write_bytes(BODY)
    outside = tmp_path / "outside"
    outside.mkdir()
    (project / "models/kroko").mkdir()
    (project / "models/kroko/sub").symlink_to(outside)
    ran = models("import", "--from", str(folder))
    assert (1, []) == (ran.exit_code, list(outside.iterdir()))

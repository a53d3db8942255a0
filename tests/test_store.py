"""Receipts, what is on disk, and digests that need not be computed again."""

from __future__ import annotations

import json
import os
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import pytest

from aava_cli.backends import BACKENDS
from aava_cli.catalog import Archive, Model, RemoteFile
from aava_cli.digests import DigestCache
from aava_cli.errors import ConfigError
from aava_cli.settings import Settings
from aava_cli.store import (
    Receipt,
    ReceiptFile,
    installed_models,
    is_installed,
    local_models,
    read_receipt,
    receipts,
    remove_receipt,
    state_of,
    work_folder,
    write_receipt,
)

if TYPE_CHECKING:
    from aava_cli.events import Event

BODY = b"weights"
SHA256 = "9c8d4e8f" * 8
PATH = PurePosixPath("llm/a.gguf")


@pytest.fixture
def places(tmp_path: Path) -> Settings:
    """Return the places of an empty project."""
    return Settings(tmp_path, tmp_path / "models")


def model(*files: RemoteFile) -> Model:
    """Return a model of *files*."""
    return Model("mine", "Mine", "llm", "llama", path=PATH, files=files)


def receipt(*paths: PurePosixPath) -> Receipt:
    """Return a receipt of files of the size of BODY."""
    files = [ReceiptFile(path, len(BODY), SHA256, "file:/a", "tofu", SHA256) for path in paths]
    return Receipt("mine", tuple(files), "2025-01-01T00:00:00+00:00", "aava 0")


def put(places: Settings, path: PurePosixPath, body: bytes = BODY) -> Path:
    """Write *body* to *path* in the models folder."""
    target = places.models_dir / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(body)
    return target


def test_receipt_is_read_as_it_was_written(places: Settings) -> None:
    """Nothing of a receipt is lost; the state folder is private, and git does not see it."""
    write_receipt(places, receipt(PATH))
    assert receipt(PATH) == read_receipt(places, "mine")
    assert receipts(places) == (receipt(PATH),)
    assert places.state_dir.stat().st_mode & 0o777 == 0o700
    assert (places.state_dir / ".gitignore").read_text() == "*\n"


def test_no_receipt(places: Settings) -> None:
    """What was never pulled has none; forgetting it is fine."""
    remove_receipt(places, "mine")
    assert (None, ()) == (read_receipt(places, "mine"), receipts(places))
    write_receipt(places, receipt(PATH))
    remove_receipt(places, "mine")
    assert read_receipt(places, "mine") is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"files": [{"path": "a"}]}'])
def test_damaged_receipt_is_named(places: Settings, text: str) -> None:
    """A receipt that cannot be read says which file to look at."""
    write_receipt(places, receipt(PATH))
    (places.state_dir / "receipts/mine.json").write_text(text)
    with pytest.raises(ConfigError, match=r"receipts/mine\.json:1: expected a receipt"):
        read_receipt(places, "mine")


def test_states(places: Settings) -> None:
    """A model is remote, missing, found, damaged or installed by what is on disk."""
    file = RemoteFile(PATH, ("file:/a",), len(BODY), SHA256)
    beside = RemoteFile(PurePosixPath("llm/b"), ("file:/b",))
    states = [state_of(places, model()), state_of(places, model(file, beside))]
    put(places, PATH)
    states += [state_of(places, model(file)), state_of(places, model(file, beside))]
    write_receipt(places, receipt(PATH))
    # The receipt is of a model that had one file less.
    states += [state_of(places, model(file)), state_of(places, model(file, beside))]
    put(places, PATH, b"cut")
    states += [state_of(places, model(file))]
    assert states == [
        "remote",
        "missing",
        "found",
        "damaged",
        "installed",
        "damaged",
        "damaged",
    ]


def test_archive_states(places: Settings) -> None:
    """A folder that holds anything is found; one with a receipt has to be whole."""
    folder = PurePosixPath("stt/v")
    file = RemoteFile(folder, ("file:/a",), archive=Archive("zip", PurePosixPath("v")))
    (places.models_dir / folder).mkdir(parents=True)
    assert not is_installed(places, model(file))
    put(places, folder / "am")
    assert state_of(places, model(file)) == "found"
    write_receipt(places, receipt(folder / "am"))
    assert installed_models(places, [model(file)]) == (model(file),)
    put(places, folder / "am", b"")
    assert installed_models(places, [model(file)]) == ()


def test_local_models_are_recognised_by_their_names(places: Settings) -> None:
    """Files and folders that an engine could load are found; hidden ones and others are not."""
    for path in ("llm/b.gguf", "llm/a.gguf", "llm/.c.gguf", "llm/d.txt", "stt/vosk-model-x/conf"):
        put(places, PurePosixPath(path))
    put(places, PurePosixPath("stt/vosk-model-file"))
    found = [path.name for path in local_models(places, BACKENDS["llama"])]
    assert found == ["a.gguf", "b.gguf"]
    folders = [path.name for path in local_models(places, BACKENDS["vosk"])]
    assert folders == ["vosk-model-x"]
    assert local_models(places, BACKENDS["faster_whisper"]) == ()


def test_work_is_one_rename_away(places: Settings) -> None:
    """Downloads are prepared in the project, or beside models on another disk."""
    assert work_folder(places) == places.state_dir
    shared = Path("/dev/shm") / f"aava-store-{os.getpid()}"
    elsewhere = Settings(places.project, shared)
    try:
        assert work_folder(elsewhere) == shared / ".aava-work"
    finally:
        (shared / ".aava-work").rmdir()
        shared.rmdir()


def test_digest_is_computed_once(places: Settings, tmp_path: Path) -> None:
    """A file that did not change is not read again, by whoever asks; one that did is."""
    work_folder(places)
    path = put(places, PATH, bytes(3 << 20))
    value = DigestCache(places.state_dir).of(path)
    (places.state_dir / "digests.json").write_text(
        (places.state_dir / "digests.json").read_text().replace(value, "known")
    )
    cache = DigestCache(places.state_dir)
    assert ["known", value] == [cache.of(path), cache.of(path, deep=True)]
    path.write_bytes(b"")
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert empty == cache.of(path)
    assert tmp_path == places.project


def test_long_reads_are_watched(places: Settings) -> None:
    """A large file reports how far it is."""
    path = put(places, PATH, b"")
    os.truncate(path, (1 << 26) + 5)
    events: list[Event] = []
    DigestCache(places.state_dir, keep=False).of(path, emit=events.append)
    assert len(events) == 1
    assert not places.state_dir.exists()


def test_broken_cache_is_no_matter(places: Settings) -> None:
    """A cache that cannot be read, and one that grows without end, cost time only."""
    folder = work_folder(places)
    path = put(places, PATH)
    for broken in ("[1", "[]"):
        (folder / "digests.json").write_text(broken)
        assert DigestCache(folder).of(path) == DigestCache(folder).of(path)
    (folder / "digests.json").write_text(json.dumps({str(n): "0" for n in range(4096)}))
    cache = DigestCache(folder)
    for size in range(3):
        path.write_bytes(bytes(size))
        cache.note(path, str(size))
    assert cache.of(path) == "2"
    assert len(json.loads((folder / "digests.json").read_bytes())) == 4096

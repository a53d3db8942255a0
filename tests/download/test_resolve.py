"""Where a model is loaded from, in folders as people and the hub's own library make them."""

from __future__ import annotations

import io
import json
import os
import resource
import shutil
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from aava_cli.app import main
from aava_cli.download.resolving.named import check_file
from aava_cli.download.resolving.surroundings import hub_cache, libraries_are_offline
from aava_cli.errors import IntegrityError
from tests.conftest import Ran
from tests.download.apart import COMMIT, Hub, run_apart
from tests.download.server import Server
from tests.tiny_folders import safetensors
from tests.tiny_models import write_gguf

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.download.conftest import CatalogFile

SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
INDEX = "model.safetensors.index.json"
PLACED = {f"weight.{number}": shard for number, shard in enumerate(SHARDS)}
MODEL = {
    "config.json": b'{"model_type": "llama"}',
    "tokenizer.json": b"{}",
    INDEX: json.dumps({"weight_map": PLACED}).encode(),
    **{shard: safetensors({name: (8, 64)}) for name, shard in PLACED.items()},
}
NETWORK = {"httpx", "huggingface_hub", "requests", "urllib3", "ssl"}


@pytest.fixture
def hub(server: Server) -> Hub:
    """Return a hub that has `org/mini`."""
    made = Hub(server)
    made.add("org/mini", MODEL)
    return made


def write(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Write *files* into *folder*, and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, body in files.items():
        (folder / name).write_bytes(body)
    return folder


@pytest.fixture(scope="module")
def downloaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return what the hub's own program makes of `HF_HOME` when it downloads `org/mini`."""
    home = tmp_path_factory.mktemp("hf")
    server = Server()
    hub = Hub(server)
    hub.add("org/mini", MODEL)
    hf = Path(sys.executable).with_name("hf")
    env = {**os.environ, **hub.env, "HF_HOME": str(home)}
    subprocess.run([hf, "download", "org/mini"], env=env, check=True, capture_output=True)
    server.close()
    return home


@pytest.fixture
def snapshot(downloaded: Path, tmp_path: Path) -> Path:
    """Return the snapshot of `org/mini` in an `HF_HOME` of the test's own: `hf`."""
    shutil.copytree(downloaded, tmp_path / "hf", symlinks=True)
    return tmp_path / "hf" / "hub" / "models--org--mini" / "snapshots" / COMMIT


def resolve(project: Path, *words: str, env: Mapping[str, str] | None = None) -> Ran:
    """Run `aava models resolve` with *words*; apart where a hub is named, or its library is late.

    The library reads the environment once in a process.
    """
    named = env or {}
    if "HF_ENDPOINT" in named:
        return run_apart(project, "models", "resolve", *words, env=named)
    stdout, stderr = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(stdout), redirect_stderr(stderr):
        for name, value in named.items():
            patch.setenv(name, value)
        code = main(["--project", str(project), "models", "resolve", *words])
    return Ran(code, stdout.getvalue(), stderr.getvalue())


def answer(ran: Ran) -> dict[str, Any]:
    """Return the result that *ran* printed."""
    result: dict[str, Any] = json.loads(ran.stdout)["result"]
    return result


def reasons(ran: Ran) -> dict[str, str | None]:
    """Return why each place was not taken."""
    return {each["where"]: each["why_not"] for each in answer(ran)["looked"]}


def test_what_the_hubs_own_program_downloaded_is_found(
    hub: Hub, project: Path, tmp_path: Path, snapshot: Path
) -> None:
    """A whole snapshot is taken without asking the hub, by its branch or by its commit."""
    assert (snapshot / "config.json").is_symlink()
    asked = len(hub.server.asked)
    for name in ("org/mini", "org/mini@main", f"hf:org/mini@{COMMIT}"):
        ran = resolve(project, name, "--json", env={**hub.env, "HF_HOME": str(tmp_path / "hf")})
        found = answer(ran)
        assert (0, "cache") == (ran.exit_code, found["where"]), ran.stderr
        assert (str(snapshot), COMMIT) == (found["path"], found["commit"])
    assert asked == len(hub.server.asked)


def test_another_revision_is_not_taken_for_the_one_that_was_asked_for(
    project: Path, snapshot: Path
) -> None:
    """The library would not take it either; those that are there are named."""
    env = {"HF_HOME": str(snapshot.parents[3]), "HF_HUB_OFFLINE": "1"}
    ran = resolve(project, "org/mini@v2", "--json", env=env)
    assert (13, f"no snapshot of `v2` is there, only of {COMMIT[:12]}") == (
        ran.exit_code,
        reasons(ran)["cache"],
    )


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (lambda s: (s / SHARDS[1]).unlink(), f"`{SHARDS[1]}` is missing"),
        (lambda s: (s / SHARDS[1]).resolve().unlink(), f"`{SHARDS[1]}` is a link to nothing"),
        (lambda s: os.truncate((s / SHARDS[0]).resolve(), 99), f"`{SHARDS[0]}` ends before"),
        (lambda s: os.truncate((s / "config.json").resolve(), 3), "`config.json` is not JSON"),
        (lambda s: os.truncate((s / INDEX).resolve(), 3), f"`{INDEX}` is not JSON"),
        (lambda s: (s / "config.json").unlink(), "`config.json` is missing"),
        (lambda s: (s / "config.json").resolve().unlink(), "`config.json` is a link to nothing"),
        (lambda s: (s / INDEX).resolve().unlink(), f"`{INDEX}` is a link to nothing"),
        (lambda s: (s / INDEX).unlink(), "`model.safetensors` is missing, and so are all other"),
        (lambda s: (s / "tokenizer.json").unlink(), "`tokenizer.json` is missing, and so is"),
    ],
)
def test_broken_snapshot_is_told_by_its_files_and_mended_by_the_command_of_the_hint(
    hub: Hub, project: Path, snapshot: Path, break_it: Callable[[Path], None], said: str
) -> None:
    """Offline it is 7 with the files; the command, run as it stands, makes it whole."""
    cache = snapshot.parents[2]
    break_it(snapshot)
    env = {"HF_HUB_CACHE": str(cache), "TRANSFORMERS_OFFLINE": "1"}
    ran = resolve(project, "org/mini", "--json", env=env)
    error = json.loads(ran.stdout)["error"]
    assert (7, "integrity") == (ran.exit_code, error["code"])
    assert said in error["message"]
    assert said in str(reasons(ran)["cache"])
    assert "not asked: offline" == reasons(ran)["hub"]
    command = error["hint"].split("`")[1]
    assert command.startswith("HF_HUB_OFFLINE=0 hf download org/mini --cache-dir ")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environ = {**os.environ, **hub.env, **env, "PATH": path}
    subprocess.run(["sh", "-c", command], env=environ, check=True, capture_output=True)
    assert 0 == resolve(project, "org/mini", env=env).exit_code


def test_what_is_incomplete_here_is_taken_from_the_hub(
    hub: Hub, project: Path, tmp_path: Path, snapshot: Path
) -> None:
    """Every place is listed with its reason, and the hub says commit and size."""
    (snapshot / SHARDS[0]).unlink()
    write(project / "models/org/mini", {"config.json": b"{}"})
    ran = resolve(project, "org/mini", "--json", env={**hub.env, "HF_HOME": str(tmp_path / "hf")})
    found = answer(ran)
    assert (0, "hub", None, COMMIT) == (
        ran.exit_code,
        found["where"],
        found["path"],
        found["commit"],
    ), ran.stderr
    assert sum(map(len, MODEL.values())) == found["size_bytes"]
    assert ["models-dir", "models-dir-name", "cache", "hub"] == list(reasons(ran))
    assert "`tokenizer.json` is missing" in str(reasons(ran)["models-dir"])
    assert (f"`{SHARDS[0]}` is missing", None) == (reasons(ran)["cache"], reasons(ran)["hub"])
    assert "there is no such folder" == reasons(ran)["models-dir-name"]


def test_places_in_order(project: Path, tmp_path: Path, snapshot: Path) -> None:
    """A folder that was named, both names under LOCAL_MODELS_DIR, then the cache."""
    local = tmp_path / "own"
    env = {"HF_HOME": str(tmp_path / "hf"), "LOCAL_MODELS_DIR": str(local)}
    last, whole = local / "mini", local / "org" / "mini"
    expected = [("cache", snapshot), ("models-dir-name", last), ("models-dir", whole)]
    for number, (where, path) in enumerate(expected):
        if number:
            write(path, MODEL)
        ran = resolve(project, "org/mini", "--json", env=env)
        found = answer(ran)
        assert (0, where, str(path)) == (ran.exit_code, found["where"], found["path"])
        told = [each for each in found["warnings"] if "by the last part of its name" in each]
        assert (where == "models-dir-name") == bool(told) == ("somebody else" in ran.stderr)
    assert "whole, but another place comes first" == reasons(ran)["cache"]
    ran = resolve(project, str(whole), "--json")
    assert (0, "folder", str(whole)) == (
        ran.exit_code,
        answer(ran)["where"],
        answer(ran)["path"],
    )


def test_folder_that_was_named_is_all_that_is_looked_at(project: Path, tmp_path: Path) -> None:
    """An incomplete one is an error, whatever the hub has; one that is not there another."""
    folder = write(tmp_path / "mine", {"config.json": b"{}", "pytorch_model.bin": b""})
    ran = resolve(project, str(folder))
    assert 7 == ran.exit_code
    assert "`tokenizer.json` is missing, and so is every other" in ran.stderr
    assert "`pytorch_model.bin` is empty" in ran.stderr
    assert (10, True) == (
        (ran := resolve(project, "./nothing-there")).exit_code,
        "there is no folder" in ran.stderr,
    )
    file = write_gguf(tmp_path / "a.gguf")
    assert "file" == answer(resolve(project, str(file), "--json"))["where"]


@pytest.mark.parametrize(
    ("name", "body", "said"),
    [
        ("passwd", b"root:x:0:0", "is no model's file: it ends with none of `.gguf`"),
        ("a.gguf", b"<html>", "does not begin with `GGUF`"),
        ("a.safetensors", b"<html>", ""),
        ("a.onnx", b"<html>", ""),
        ("model.bin", b"", "is empty"),
        ("model.bin", b"x", None),
    ],
)
def test_file_that_was_named_is_a_models(
    project: Path, tmp_path: Path, name: str, body: bytes, said: str | None
) -> None:
    """One of another kind, or a damaged one, is 7 with the reason."""
    path = write(tmp_path / "named", {name: body}) / name
    ran = resolve(project, str(path), "--json")
    if said is None:
        assert (0, str(path)) == (ran.exit_code, answer(ran)["path"]), ran.stderr
        return
    assert (7, None) == (ran.exit_code, answer(ran)["where"])
    assert said in str(reasons(ran)["file"])


def test_file_that_cannot_be_read_is_no_model(tmp_path: Path) -> None:
    """That is the reason, and not a crash: no descriptor is left to open it with."""
    path = write_gguf(tmp_path / "a.gguf")
    check_file(path)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        with pytest.raises(IntegrityError, match="cannot be read: Too many open files"):
            check_file(path)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.mark.parametrize("name", ["", " "])
def test_no_name_at_all(project: Path, name: str) -> None:
    """It does not mean the current folder."""
    ran = resolve(project, name)
    assert (2, True) == (ran.exit_code, "name is empty" in ran.stderr)


def test_revision_with_slashes(hub: Hub, project: Path, snapshot: Path) -> None:
    """A pull request's branch is kept as the library keeps it, and asked for by its whole name."""
    cache = snapshot.parents[2]
    env = {"HF_HUB_CACHE": str(cache)}
    name = "org/mini@refs/pr/1"
    ran = resolve(project, name, "--offline", "--json", env=env)
    assert (13, f"no snapshot of `refs/pr/1` is there, only of {COMMIT[:12]}") == (
        ran.exit_code,
        reasons(ran)["cache"],
    )
    assert "--revision refs/pr/1 " in json.loads(ran.stdout)["error"]["hint"]
    serve_status(hub, "/api/models/org/mini/revision/refs/pr/1", 404, "RevisionNotFound")
    ran = resolve(project, name, env=env | hub.env)
    assert (10, True) == (ran.exit_code, "no such revision" in ran.stderr), ran.stderr
    ref = snapshot.parents[1] / "refs" / "refs" / "pr" / "1"
    ref.parent.mkdir(parents=True)
    ref.write_text(COMMIT)
    found = answer(resolve(project, name, "--offline", "--json", env=env))
    assert ("cache", str(snapshot), COMMIT) == (found["where"], found["path"], found["commit"])
    # A folder within a snapshot is no snapshot.
    write(snapshot / "inner", MODEL)
    assert 13 == resolve(project, f"org/mini@{COMMIT}/inner", "--offline", env=env).exit_code


@pytest.mark.parametrize(
    "revision", ["../x", "a/../../x", "/etc", "a//b", "refs/", "a/.", "..", "a\\b"]
)
def test_revision_that_leads_elsewhere(project: Path, revision: str) -> None:
    """It is no revision's name."""
    ran = resolve(project, f"org/mini@{revision}", "--offline")
    assert (2, True) == (ran.exit_code, "is no name of a model" in ran.stderr)


def test_names_without_an_organisation_are_ours(project: Path) -> None:
    """Offline, one of the catalog is known but not here; another is nobody's."""
    ran = resolve(project, "smollm2-135m", "--offline")
    assert (13, True) == (ran.exit_code, "pull smollm2-135m` with a network" in ran.stderr)
    for words in ((), ("--offline",)):
        ran = resolve(project, "nothing-like-it", *words, "--json")
        assert (10, False) == (ran.exit_code, "hub" in reasons(ran))


def test_folder_in_the_models_folder_has_no_revision(project: Path) -> None:
    """What says nothing of its revision is not taken for one."""
    write(project / "models/org/mini", MODEL)
    assert 0 == resolve(project, "org/mini", "--offline").exit_code
    ran = resolve(project, "org/mini@v1", "--offline", "--json")
    assert (13, "nothing there would say that it is at `v1`") == (
        ran.exit_code,
        reasons(ran)["models-dir"],
    )


def test_old_weights_and_their_index(project: Path) -> None:
    """Shards of PyTorch are counted by their index too."""
    placed = {"a": "pytorch_model-1.bin", "b": "pytorch_model-2.bin"}
    files = {
        "config.json": b"{}",
        "qwen.tiktoken": b"x",
        "pytorch_model-1.bin": b"PK",
        "pytorch_model.bin.index.json": json.dumps({"weight_map": placed}).encode(),
    }
    folder = write(project / "models/org/old", files)
    ran = resolve(project, "org/old", "--offline")
    assert (7, True) == (ran.exit_code, "`pytorch_model-2.bin` is missing" in ran.stderr)
    write(folder, {"pytorch_model-2.bin": b"PK"})
    assert 0 == resolve(project, "org/old", "--offline").exit_code


def test_place_that_cannot_be_looked_at(project: Path) -> None:
    """It is no place, and says why: here a name that no file system takes."""
    ran = resolve(project, f"org/{'x' * 300}", "--offline", "--json")
    assert (13, "it cannot be read: File name too long") == (
        ran.exit_code,
        reasons(ran)["models-dir-name"],
    )


def serve_status(hub: Hub, path: str, status: int, code: str) -> None:
    """Have *path* of the hub answer *status* with the hub's own word for it."""
    hub.server.serve(path, b"", headers={"X-Error-Code": code} if code else {})
    hub.server.files[path].statuses = [status] * 9


@pytest.mark.parametrize(
    ("status", "code", "exit_code", "said"),
    [
        (401, "RepoNotFound", 10, "there is none that you may read"),
        (401, "", 12, "answers 401"),
        (404, "RepoNotFound", 10, "there is none that you may read"),
        (404, "RevisionNotFound", 10, "no such revision"),
        (403, "GatedRepo", 12, "the model is gated"),
        (403, "", 12, "answers 403"),
        (503, "", 6, "answers 503"),
    ],
)
def test_what_the_hub_answers_has_its_own_exit_code(
    hub: Hub, project: Path, status: int, code: str, exit_code: int, said: str
) -> None:
    """Not there, not allowed and not working are three things."""
    serve_status(hub, "/api/models/org/other", status, code)
    ran = resolve(project, "org/other", env=hub.env)
    assert (exit_code, True) == (ran.exit_code, said in ran.stderr), ran.stderr


def test_gated_model_whose_list_of_files_is_public(hub: Hub, project: Path) -> None:
    """The hub lists the files of a gated model to everybody, and refuses them."""
    serve_status(hub, f"/org/mini/resolve/{COMMIT}/config.json", 403, "GatedRepo")
    ran = resolve(project, "org/mini", env=hub.env)
    assert (12, True) == (ran.exit_code, "then set `HF_TOKEN`" in ran.stderr), ran.stderr


def test_repository_that_is_no_model_of_transformers(hub: Hub, project: Path) -> None:
    """One of single files cannot be loaded by its name."""
    hub.add("org/tiny-gguf", {"a.gguf": b"GGUF"})
    ran = resolve(project, "org/tiny-gguf", env=hub.env)
    assert (7, True) == (ran.exit_code, "`config.json` is missing" in ran.stderr)


def test_hub_that_cannot_be_reached(project: Path, port: int) -> None:
    """A network that fails is 6, and may be tried again; being offline is 13, and may not."""
    env = {"HF_ENDPOINT": f"http://127.0.0.1:{port}"}
    ran = resolve(project, "org/mini", "--json", env=env)
    error = json.loads(ran.stdout)["error"]
    assert (6, "network", True) == (ran.exit_code, error["code"], error["retryable"])
    ran = resolve(project, "org/mini", "--json", "--offline", env=env)
    error = json.loads(ran.stdout)["error"]
    assert (13, "offline", False) == (ran.exit_code, error["code"], error["retryable"])
    assert "run `hf download org/mini --cache-dir " in error["hint"]


@pytest.mark.parametrize(
    ("env", "offline", "warned"),
    [
        ({"HF_HUB_OFFLINE": "1"}, True, ""),
        ({"HF_HUB_OFFLINE": "yes"}, True, ""),
        ({"TRANSFORMERS_OFFLINE": "1"}, True, ""),
        ({"HF_OFFLINE": "1"}, True, "ignored by huggingface_hub, transformers: set"),
        (
            {"HF_FORCE_OFFLINE": "true"},
            True,
            "ignored by huggingface_hub, transformers, the model server: set",
        ),
        ({"HF_OFFLINE": "1", "HF_HUB_OFFLINE": "1"}, True, ""),
        ({"TRANSFORMERS_OFFLINE": "1", "HF_HUB_OFFLINE": "0"}, True, "`TRANSFORMERS_OFFLINE` is"),
        ({"HF_HUB_OFFLINE": "0"}, False, ""),
        ({"TRANSFORMERS_CACHE": "/old"}, False, "`TRANSFORMERS_CACHE` is read by transformers"),
    ],
)
def test_who_heeds_which_variable(
    hub: Hub,
    project: Path,
    env: dict[str, str],
    offline: bool,  # noqa: FBT001 - a table
    warned: str,
) -> None:
    """All four are honoured; those that the libraries do not know are named."""
    ran = resolve(project, "org/mini", "--json", env=hub.env | env)
    assert (13 if offline else 0, offline) == (ran.exit_code, answer(ran)["offline"])
    told = "\n".join(answer(ran)["warnings"])
    assert warned in told
    assert bool(warned) == bool(told) == ("warning: " in ran.stderr)
    assert offline == (not hub.server.asked)


def test_env_file_says_it_too(project: Path, downloaded: Path) -> None:
    """The daemon is started with what `.env` says, and its cache may be in the models folder."""
    shutil.copytree(downloaded, project / "models/hf", symlinks=True)
    snapshot = project / "models/hf/hub/models--org--mini/snapshots" / COMMIT
    with (project / ".env").open("a") as file:
        file.write("HF_HOME=/app/models/hf\nHF_HUB_OFFLINE=1\n")
    ran = resolve(project, "org/mini", "--json")
    assert (0, str(snapshot), True) == (
        ran.exit_code,
        answer(ran)["path"],
        answer(ran)["offline"],
    )


OF_THE_LIBRARY = (
    "from huggingface_hub import constants as c; print(c.HF_HUB_CACHE); print(c.HF_HUB_OFFLINE)"
)


@pytest.mark.parametrize(
    "env",
    [
        {},
        {"HF_HOME": "~/h"},
        {"HF_HOME": "$HOME/h", "HF_HUB_OFFLINE": "on"},
        {"XDG_CACHE_HOME": "/x"},
        {"HUGGINGFACE_HUB_CACHE": "/legacy", "TRANSFORMERS_OFFLINE": "1"},
        {"HF_HUB_CACHE": "/c", "HUGGINGFACE_HUB_CACHE": "/legacy", "HF_HOME": "/h"},
        {"HF_HUB_OFFLINE": "0", "TRANSFORMERS_OFFLINE": "1"},
        {"HF_HUB_OFFLINE": "", "TRANSFORMERS_OFFLINE": "TRUE"},
        {"HF_OFFLINE": "1", "HF_FORCE_OFFLINE": "1"},
    ],
)
def test_rules_are_those_of_the_library(
    env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is found out without the library is what it finds out."""
    monkeypatch.delenv("XDG_CACHE_HOME")
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    ran = subprocess.run(
        [sys.executable, "-c", OF_THE_LIBRARY], capture_output=True, text=True, check=True
    )
    said = dict(os.environ)
    assert ran.stdout.split() == [hub_cache(said), str(libraries_are_offline(said))]


def test_offline_loads_no_library_of_the_network(project: Path) -> None:
    """It fails within moments: nothing is loaded that could ask."""
    words = ("--project", str(project), "models", "resolve", "org/mini", "--offline")
    program = (sys.executable, "-X", "importtime", "-m", "aava_cli", *words)
    ran = subprocess.run(program, capture_output=True, text=True, check=False)
    lines = [line for line in ran.stderr.splitlines() if line.startswith("import time:")]
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}
    assert (13, set()) == (ran.returncode, imported & NETWORK)
    assert "aava_cli" in imported


def test_models_of_the_catalog_are_where_they_were_put(catalog: CatalogFile, project: Path) -> None:
    """By id; what is not there, or not whole, says how to get it."""
    catalog.add(
        "mini",
        "piper",
        "tts/m.onnx",
        *(f"path='tts/{n}', sources=['file:/x']" for n in ("m.onnx", "m.onnx.json")),
    )
    ran = resolve(project, "mini")
    assert (10, True) == (ran.exit_code, "run `aava models pull mini`" in ran.stderr), ran.stderr
    (project / "models/tts/m.onnx").write_bytes(b"x")
    ran = resolve(project, "mini")
    assert (7, True) == (ran.exit_code, "m.onnx.json` is missing" in ran.stderr)
    (project / "models/tts/m.onnx.json").write_bytes(b"{}")
    ran = resolve(project, "mini", "--json")
    found = answer(ran)
    assert (0, "catalog", str(project / "models/tts/m.onnx")) == (
        ran.exit_code,
        found["where"],
        found["path"],
    )
    assert "the models folder" in resolve(project, "m.onnx").stdout


def test_other_names_of_ours(project: Path) -> None:
    """A file that somebody put there, a model that its engine fetches, and no model at all."""
    (project / "models/llm/own.gguf").write_bytes(b"GGUF")
    assert "own.gguf" in answer(resolve(project, "own", "--json"))["path"]
    found = answer(resolve(project, "groq-cloud", "--json"))
    assert ("engine", None) == (found["where"], found["path"])
    ran = resolve(project, "smollm2-135")
    assert (10, True) == (ran.exit_code, "nearest: `smollm2-135m`" in ran.stderr)
    write(project / "models/alone", {"config.json": b"{}"})
    ran = resolve(project, "alone")
    assert (7, True) == (ran.exit_code, "`tokenizer.json` is missing" in ran.stderr)
    assert 2 == resolve(project, "org/../mini").exit_code

"""`aava models pull`, from the command line to the files."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import free_port
from tests.daemon_fixture import UNMEASURED
from tests.download.conftest import known, sha256, unknown
from tests.download.server import tarball, wheel
from tests.tiny_folders import write_onnx
from tests.tiny_models import write_piper

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.download.conftest import CatalogFile, Models
    from tests.download.server import Server

BODY = bytes(range(256)) * 1024
VOSK = {"v/conf/mfcc.conf": b"--x\n", "v/am/final.mdl": b"weights", "v/README": b"hello"}
RUN = (sys.executable, "-m", "tests.download.run_models")


def answer(stdout: str) -> dict[str, Any]:
    """Return what a command with `--json` answered."""
    result: dict[str, Any] = json.loads(stdout)["result"]
    return result


def receipt_of(project: Path, model: str) -> dict[str, Any]:
    """Return the receipt of *model*."""
    loaded: dict[str, Any] = json.loads((project / f".aava/receipts/{model}.json").read_bytes())
    return loaded


def leftovers(project: Path) -> list[str]:
    """Return what is under the work folder that no finished pull needs."""
    folders = (project / ".aava" / "partial", project / ".aava" / "staging")
    return [each.name for folder in folders if folder.exists() for each in folder.iterdir()]


def test_pull_puts_verified_bytes_in_place(
    server: Server, project: Path, catalog: CatalogFile, models: Models
) -> None:
    """The file is there, readable by the daemon, with a receipt and nothing left over."""
    catalog.add("mine", "kroko", "kroko/mine.onnx", known(BODY, server.serve("/a", BODY)))
    ran = models("pull", "mine")
    path = project / "models/kroko/mine.onnx"
    assert (0, BODY, 0o644) == (ran.exit_code, path.read_bytes(), path.stat().st_mode & 0o777)
    assert ran.stdout == "pulled  mine: kroko/mine.onnx, 262.1 kB, sha256 from catalog\n"
    (file,) = receipt_of(project, "mine")["files"]
    assert (sha256(BODY), "catalog") == (file["sha256"], file["provenance"])
    assert leftovers(project) == []
    assert (project / ".aava/.gitignore").read_text() == "*\n"


def test_second_pull_asks_nobody(
    server: Server, project: Path, catalog: CatalogFile, models: Models
) -> None:
    """What is there and verified is not fetched again, nor touched."""
    catalog.add("mine", "kroko", "kroko/mine.onnx", known(BODY, server.serve("/a", BODY)))
    models("pull", "mine")
    before = (project / "models/kroko/mine.onnx").stat()
    server.asked.clear()
    ran = models("pull", "mine")
    assert ran.stdout.endswith("nothing was downloaded\n")
    assert ([], before) == (server.asked, (project / "models/kroko/mine.onnx").stat())


def test_dry_run_touches_nothing(
    server: Server, project: Path, catalog: CatalogFile, models: Models
) -> None:
    """The plan is shown; neither the network nor the disk notice."""
    catalog.add("mine", "kroko", "kroko/mine.onnx", known(BODY, server.serve("/a", BODY)))
    (project / "models/kroko").mkdir()
    (project / "models/kroko/mine.onnx").write_bytes(bytes(len(BODY)))
    before = sorted(project.rglob("*"))
    plan = answer(models("pull", "mine", "--dry-run", "--json").stdout)
    assert (len(BODY), len(BODY)) == (plan["download_bytes"], plan["disk_bytes"])
    assert plan["models"][0]["files"][0]["action"] == "fetch"
    assert (before, []) == (sorted(project.rglob("*")), server.asked)
    shown = models("pull", "mine", "--dry-run").stdout
    assert "262.1 kB to download, 262.1 kB needed" in shown


def test_no_digest_is_said_out_loud(
    server: Server, project: Path, catalog: CatalogFile, models: Models
) -> None:
    """A file that nobody vouches for is recorded as `tofu`, with a warning."""
    catalog.add("mine", "kroko", "kroko/mine.onnx", unknown(server.serve("/a", BODY)))
    ran = models("pull", "mine", "--quiet")
    assert f"warning: nobody vouches for `kroko/mine.onnx`: its sha256 {sha256(BODY)}" in ran.stderr
    assert receipt_of(project, "mine")["files"][0]["provenance"] == "tofu"
    server.asked.clear()
    assert (0, []) == (models("pull", "mine").exit_code, server.asked)


def test_first_digest_is_trusted_from_then_on(
    server: Server, project: Path, catalog: CatalogFile, models: Models
) -> None:
    """When the file is lost, other bytes from the same source are refused."""
    catalog.add("mine", "kroko", "kroko/mine.onnx", unknown(server.serve("/a", BODY)))
    models("pull", "mine")
    (project / "models/kroko/mine.onnx").unlink()
    server.serve("/a", b"x" * len(BODY))
    assert models("pull", "mine").exit_code == 7
    server.serve("/a", BODY)
    ran = models("pull", "mine")
    assert (0, False) == (ran.exit_code, "warning" in ran.stderr)


def test_damaged_file_is_fetched_again(
    server: Server, project: Path, catalog: CatalogFile, models: Models
) -> None:
    """Bytes that are not the catalog's are replaced."""
    catalog.add("mine", "kroko", "kroko/mine.onnx", known(BODY, server.serve("/a", BODY)))
    models("pull", "mine")
    path = project / "models/kroko/mine.onnx"
    path.write_bytes(bytes(len(BODY)))
    assert models("list", "--installed", "--json").exit_code == 0
    assert models("pull", "mine").exit_code == 0
    assert path.read_bytes() == BODY


def test_file_that_people_put_there_is_recognised(
    server: Server, project: Path, catalog: CatalogFile, models: Models
) -> None:
    """Bytes that the catalog knows need no download, and get a receipt."""
    catalog.add("mine", "kroko", "kroko/mine.onnx", known(BODY, server.serve("/a", BODY)))
    (project / "models/kroko").mkdir()
    (project / "models/kroko/mine.onnx").write_bytes(BODY)
    assert (0, []) == (models("pull", "mine").exit_code, server.asked)
    assert receipt_of(project, "mine")["files"][0]["source"] == "found on disk"


def test_file_that_nobody_knows_is_kept(
    server: Server, project: Path, catalog: CatalogFile, models: Models
) -> None:
    """Where nothing says what the bytes should be, a pull does not overwrite them."""
    catalog.add("mine", "kroko", "kroko/mine.onnx", unknown(server.serve("/a", BODY)))
    (project / "models/kroko").mkdir()
    (project / "models/kroko/mine.onnx").write_bytes(b"by hand")
    ran = models("pull", "mine")
    assert "`kroko/mine.onnx` is kept: nothing says what its bytes should be" in ran.stderr
    assert "not verified" in ran.stdout
    assert (project / "models/kroko/mine.onnx").read_bytes() == b"by hand"


def test_next_source_is_tried(
    server: Server, project: Path, catalog: CatalogFile, models: Models
) -> None:
    """A dead host, a missing file and wrong bytes each lead to the next source."""
    sources = (
        f"http://127.0.0.1:{free_port()}/a",
        f"{server.root}/missing",
        server.serve("/wrong", b"x" * len(BODY)),
        server.serve("/a", BODY),
    )
    catalog.add("mine", "kroko", "kroko/mine.onnx", known(BODY, *sources))
    ran = models("pull", "mine")
    assert (0, BODY) == (ran.exit_code, (project / "models/kroko/mine.onnx").read_bytes())
    assert ran.stderr.count("trying the next source") == 3


@pytest.mark.parametrize(
    ("faults", "exit_code", "code"),
    [
        ({"statuses": [404]}, 6, "network"),
        ({"authorization": "token"}, 12, "access-denied"),
        ({"etag": '"x"'}, 7, "integrity"),
    ],
)
def test_no_source_left(
    server: Server,
    catalog: CatalogFile,
    models: Models,
    faults: dict[str, Any],
    exit_code: int,
    code: str,
) -> None:
    """The failure names each source's reason, and its code tells what to do."""
    url = server.serve("/a", b"x" * len(BODY), **faults)
    catalog.add("mine", "kroko", "kroko/mine.onnx", known(BODY, url))
    ran = models("pull", "mine", "--json")
    error = json.loads(ran.stdout)["error"]
    assert (exit_code, code, exit_code == 6) == (ran.exit_code, error["code"], error["retryable"])
    assert f"cannot get `kroko/mine.onnx`: {url}: " in error["message"]


def test_secrets_of_sources_are_never_shown(
    server: Server, project: Path, catalog: CatalogFile, models: Models
) -> None:
    """Neither output nor state have the credentials of an address."""
    url = f"http://me:s3cret@127.0.0.1:{server.port}"
    server.serve("/a", BODY)
    sources = (f"{url}/missing?key=s3cret", f"{url}/a?key=s3cret")
    catalog.add("mine", "kroko", "kroko/mine.onnx", unknown(*sources))
    ran = models("pull", "mine", "--events")
    assert ran.exit_code == 0
    state = [each.read_text() for each in (project / ".aava").rglob("*.json")]
    assert "s3cret" not in "".join([ran.stdout, ran.stderr, *state])


def test_package_of_two_files_is_fetched_once(
    registries: Server, tmp_path: Path, project: Path, catalog: CatalogFile, models: Models
) -> None:
    """A voice and its description come out of one download, and are published together."""
    voice = write_piper(tmp_path / "v.onnx").read_bytes()
    described = (tmp_path / "v.onnx.json").read_bytes()
    registries.serve_wheel("my-voice", "1.0", {"d/v.onnx": voice, "d/v.onnx.json": described})
    catalog.add(
        "mine",
        "piper",
        "tts/v.onnx",
        known(voice, "pypi:my-voice==1.0#d/v.onnx"),
        known(described, "pypi:my-voice==1.0#d/v.onnx.json", path="tts/v.onnx.json"),
    )
    ran = models("pull", "mine", "--events")
    assert (0, voice) == (ran.exit_code, (project / "models/tts/v.onnx").read_bytes())
    assert (project / "models/tts/v.onnx.json").read_bytes() == described
    assert len(registries.gets("/packages/my_voice-1.0-py3-none-any.whl")) == 1
    assert leftovers(project) == []
    events = [json.loads(line) for line in ran.stdout.splitlines()]
    done = [event["done"] for event in events if event["event"] == "progress"]
    assert (sorted(done), "result") == (done, events[-1]["event"])


def test_npm_package_without_known_digest_is_vouched_for(
    registries: Server, project: Path, catalog: CatalogFile, models: Models
) -> None:
    """The registry's own digest of the package makes its publisher the voucher."""
    registries.serve_npm("ears", "1.0.0", {"models/m.onnx": BODY})
    catalog.add("mine", "kroko", "kroko/m.onnx", unknown("npm:ears@1.0.0#package/models/m.onnx"))
    ran = models("pull", "mine")
    assert (0, BODY) == (ran.exit_code, (project / "models/kroko/m.onnx").read_bytes())
    assert receipt_of(project, "mine")["files"][0]["provenance"] == "publisher"


def test_member_of_another_version_is_refused(
    registries: Server, project: Path, catalog: CatalogFile, models: Models
) -> None:
    """A sound package whose file is not the catalog's is no source, by digest or by size."""
    registries.serve_wheel("ears", "1.0", {"m.onnx": BODY})
    catalog.add("mine", "kroko", "kroko/m.onnx", known(b"x", "pypi:ears==1.0#m.onnx"))
    catalog.add("other", "kroko", "kroko/o.onnx", "sources = ['pypi:ears==1.0#m.onnx'], size = 1")
    assert [7, 7] == [models("pull", name).exit_code for name in ("mine", "other")]
    assert not (project / "models/kroko").exists()


def test_file_source_is_copied(
    tmp_path: Path, project: Path, catalog: CatalogFile, models: Models
) -> None:
    """A file on this host is a source like any other."""
    (tmp_path / "origin").write_bytes(BODY)
    catalog.add("mine", "kroko", "kroko/m.onnx", known(BODY, f"file:{tmp_path}/origin"))
    assert models("pull", "mine").exit_code == 0
    assert (project / "models/kroko/m.onnx").read_bytes() == BODY


def archive_entry(url: str, packed: bytes | None = None) -> str:
    """Return the catalog's line for the Vosk archive at *url*."""
    line = known(packed, url) if packed else unknown(url)
    return f"{line}, archive = {{ format = 'zip', root = 'v' }}"


def test_archive_becomes_a_folder(
    server: Server, project: Path, catalog: CatalogFile, models: Models
) -> None:
    """What lies under the root arrives at once; a second pull fetches nothing."""
    packed = wheel(VOSK)
    entry = archive_entry(server.serve("/v.zip", packed), packed)
    catalog.add("mine", "vosk", "stt/vosk-model-v", entry)
    assert models("pull", "mine").exit_code == 0
    root = project / "models/stt/vosk-model-v"
    assert (root / "am/final.mdl").read_bytes() == b"weights"
    assert {"conf", "am", "README"} == {each.name for each in root.iterdir()}
    assert {sha256(packed)} == {
        each["download_sha256"] for each in receipt_of(project, "mine")["files"]
    }
    server.asked.clear()
    assert (0, []) == (models("pull", "mine").exit_code, server.asked)
    assert leftovers(project) == []


def test_damaged_folder_is_replaced_whole(
    server: Server, project: Path, catalog: CatalogFile, models: Models
) -> None:
    """A folder that lost a file is exchanged for a whole one in one step."""
    packed = wheel(VOSK)
    entry = archive_entry(server.serve("/v.zip", packed), packed)
    catalog.add("mine", "vosk", "stt/vosk-model-v", entry)
    models("pull", "mine")
    root = project / "models/stt/vosk-model-v"
    (root / "am/final.mdl").unlink()
    (root / "README").write_bytes(b"HELLO")
    assert models("pull", "mine").exit_code == 0
    assert (root / "am/final.mdl").read_bytes() == b"weights"
    assert (root / "README").read_bytes() == b"hello"


def test_new_archive_in_the_catalog_replaces_the_old(
    server: Server, project: Path, catalog: CatalogFile, models: Models
) -> None:
    """When the catalog names other bytes, what was pulled before is not good any more."""
    old, new = wheel(VOSK), wheel({**VOSK, "v/new": b"1"})
    catalog.add("mine", "vosk", "stt/vosk-model-v", archive_entry(server.serve("/v", old), old))
    models("pull", "mine")
    catalog.tables.clear()
    catalog.add("mine", "vosk", "stt/vosk-model-v", archive_entry(server.serve("/v", new), new))
    assert models("pull", "mine").exit_code == 0
    assert (project / "models/stt/vosk-model-v/new").read_bytes() == b"1"


def test_folder_that_people_put_there_is_kept(
    server: Server, project: Path, catalog: CatalogFile, models: Models
) -> None:
    """Without a receipt nobody can say what a folder should hold."""
    catalog.add("mine", "vosk", "stt/vosk-model-v", archive_entry(server.serve("/v", b"x")))
    (project / "models/stt/vosk-model-v/conf").mkdir(parents=True)
    ran = models("pull", "mine")
    assert ([], "is kept" in ran.stderr) == (server.asked, True)


def test_file_beside_an_archive_goes_into_its_folder(
    server: Server, project: Path, catalog: CatalogFile, models: Models
) -> None:
    """A folder with a file from elsewhere is published as one, and completed as one."""
    acoustic = write_onnx(project / "model.onnx").read_bytes()
    spelling = {"m/tokens.txt": b"a 1\n", "m/lexicon.txt": b"a a\n"}
    packed = tarball({"m/model.onnx": acoustic, **spelling}, "bz2")
    archive = "archive = { format = 'tar.bz2', root = 'm' }"
    catalog.add(
        "mine",
        "matcha",
        "tts/matcha-icefall-m/model.onnx",
        f"{known(packed, server.serve('/m', packed), path='tts/matcha-icefall-m')}, {archive}",
        known(BODY, server.serve("/v", BODY), path="tts/matcha-icefall-m/vocoder.onnx"),
    )
    assert models("pull", "mine").exit_code == 0
    root = project / "models/tts/matcha-icefall-m"
    there = {"model.onnx", "tokens.txt", "lexicon.txt", "vocoder.onnx"}
    assert there == {each.name for each in root.iterdir()}
    (root / "tokens.txt").unlink()
    assert models("pull", "mine").exit_code == 0
    assert ((root / "vocoder.onnx").read_bytes(), True) == (BODY, (root / "tokens.txt").exists())


def test_file_for_a_folder_that_people_put_there(
    server: Server, project: Path, catalog: CatalogFile, models: Models
) -> None:
    """Only what is missing comes; the rest of the folder stays as it was."""
    archive = "archive = { format = 'tar.bz2', root = 'm' }"
    catalog.add(
        "mine",
        "matcha",
        "tts/matcha-icefall-m/model.onnx",
        f"{unknown(f'{server.root}/m', path='tts/matcha-icefall-m')}, {archive}",
        known(BODY, server.serve("/v", BODY), path="tts/matcha-icefall-m/vocoder.onnx"),
    )
    root = project / "models/tts/matcha-icefall-m"
    by_hand = write_onnx(root / "model.onnx").read_bytes()
    for name in ("tokens.txt", "lexicon.txt"):
        (root / name).write_text("a 1\n")
    assert models("pull", "mine").exit_code == 0
    assert ([], by_hand) == (server.gets("/m"), (root / "model.onnx").read_bytes())
    assert (root / "vocoder.onnx").read_bytes() == BODY


def test_files_without_a_model_are_not_judged(
    server: Server, project: Path, catalog: CatalogFile, models: Models
) -> None:
    """A model that its engine names itself may still have files to pull."""
    line = known(BODY, server.serve("/a", BODY), path="llm/a.gguf")
    catalog.path.write_text(f"[models.mine]\nbackend = 'llama'\nfiles = [{{ {line} }}]\n")
    assert models("pull", "mine").exit_code == 0
    assert (project / "models/llm/a.gguf").read_bytes() == BODY


def test_model_that_no_engine_could_load_is_not_installed(
    server: Server, project: Path, catalog: CatalogFile, models: Models
) -> None:
    """A page that came instead of a model is found out, and not kept for the next time."""
    url = server.serve("/a", b"<html>sorry</html>")
    catalog.add("mine", "llama", "llm/mine.gguf", unknown(url))
    ran = models("pull", "mine")
    assert (7, True) == (ran.exit_code, "`mine.gguf` is a web page" in ran.stderr)
    assert not (project / "models/llm/mine.gguf").exists()
    assert leftovers(project) == []


def test_model_is_published_whole_or_not_at_all(
    server: Server, tmp_path: Path, project: Path, catalog: CatalogFile, models: Models
) -> None:
    """When the second file cannot be had, the first waits, and is not fetched twice."""
    voice = write_piper(tmp_path / "v.onnx").read_bytes()
    described = (tmp_path / "v.onnx.json").read_bytes()
    catalog.add(
        "mine",
        "piper",
        "tts/v.onnx",
        known(voice, server.serve("/v", voice)),
        known(described, f"{server.root}/j", path="tts/v.onnx.json"),
    )
    assert models("pull", "mine").exit_code == 6
    assert list((project / "models/tts").iterdir()) == []
    server.serve("/j", described)
    assert models("pull", "mine").exit_code == 0
    assert len(server.gets("/v")) == 1


def test_missing_half_completes_what_is_there(
    server: Server, tmp_path: Path, project: Path, catalog: CatalogFile, models: Models
) -> None:
    """Only the file that is missing is fetched; the pair is checked together."""
    voice = write_piper(tmp_path / "v.onnx").read_bytes()
    described = (tmp_path / "v.onnx.json").read_bytes()
    catalog.add(
        "mine",
        "piper",
        "tts/v.onnx",
        known(voice, f"{server.root}/v"),
        known(described, server.serve("/j", described), path="tts/v.onnx.json"),
    )
    (project / "models/tts/v.onnx").write_bytes(voice)
    assert models("pull", "mine").exit_code == 0
    sources = [each["source"] for each in receipt_of(project, "mine")["files"]]
    assert sources == ["found on disk", f"{server.root}/j"]


def test_models_that_share_a_file(
    server: Server, project: Path, catalog: CatalogFile, models: Models
) -> None:
    """What two models need is fetched once, and is of both receipts."""
    shared = known(BODY, server.serve("/a", BODY), path="kroko/shared.onnx")
    for name in ("one", "two"):
        own = known(b"", server.serve(f"/{name}", b""))
        catalog.add(name, "kroko", f"kroko/{name}.onnx", own.replace(", size = 0", ""), shared)
    assert models("pull", "one", "two").exit_code == 0
    assert (1, 2) == (len(server.gets("/a")), len(receipt_of(project, "two")["files"]))


def test_engine_that_fetches_its_own_model(models: Models) -> None:
    """There is nothing to pull, and that is said."""
    ran = models("pull", "faster-whisper-small")
    assert "its engine fetches it when it is loaded" in ran.stdout


def test_unknown_model_is_not_found(models: Models) -> None:
    """A name that is in no catalog ends before anything else happens."""
    assert models("pull", "no-such-model").exit_code == 10


def test_folder_in_the_way_of_a_file(
    server: Server, project: Path, catalog: CatalogFile, models: Models
) -> None:
    """A folder where a file belongs is not replaced."""
    catalog.add("mine", "kroko", "kroko/mine.onnx", known(BODY, server.serve("/a", BODY)))
    (project / "models/kroko/mine.onnx").mkdir(parents=True)
    ran = models("pull", "mine")
    assert (1, True) == (ran.exit_code, "is a folder, where a file belongs" in ran.stderr)


def test_file_in_the_way_of_a_folder(
    server: Server, project: Path, catalog: CatalogFile, models: Models
) -> None:
    """A file where a folder belongs is not replaced either."""
    catalog.add("mine", "kroko", "kroko/mine.onnx", known(BODY, server.serve("/a", BODY)))
    (project / "models/kroko").write_bytes(b"")
    ran = models("pull", "mine")
    assert (1, True) == (ran.exit_code, "is a file, where a folder belongs" in ran.stderr)


def test_link_out_of_the_models_folder_is_not_followed(
    server: Server, tmp_path: Path, project: Path, catalog: CatalogFile, models: Models
) -> None:
    """A pull writes within the models folder only."""
    catalog.add("mine", "kroko", "kroko/own/mine.onnx", known(BODY, server.serve("/a", BODY)))
    (tmp_path / "elsewhere").mkdir()
    (project / "models/kroko").mkdir()
    (project / "models/kroko/own").symlink_to(tmp_path / "elsewhere")
    ran = models("pull", "mine")
    assert (1, []) == (ran.exit_code, list((tmp_path / "elsewhere").iterdir()))


def test_not_enough_room_is_told_before(
    server: Server, catalog: CatalogFile, models: Models
) -> None:
    """Needed and free are named, and nothing is fetched."""
    line = f"{unknown(server.serve('/a', BODY))}, size = {1 << 60}"
    catalog.add("mine", "kroko", "kroko/mine.onnx", line)
    ran = models("pull", "mine")
    assert (8, []) == (ran.exit_code, server.asked)
    assert ran.stderr.startswith("error: need 1152921.5 TB, have ")


def run_apart(project: Path, *words: str, **options: Any) -> subprocess.Popen[str]:  # noqa: ANN401 - of Popen
    """Start `aava models` in a process of its own."""
    return subprocess.Popen(
        [*RUN, "--project", str(project), "models", *words],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def wait_for_bytes(project: Path, count: int) -> None:
    """Return once the download's state claims *count* bytes."""
    ticks = threading.Event()
    for _ in range(600):
        for state in (project / ".aava/partial").glob("*/data.json"):
            if json.loads(state.read_bytes())["state"]["done"] >= count:
                return
        ticks.wait(0.05)
    pytest.fail("the download did not get that far")


def test_killed_pull_is_resumed(
    server: Server, project: Path, catalog: CatalogFile, models: Models
) -> None:
    """After a SIGKILL the next pull asks only for what no chunk on disk has."""
    body = BODY * 160
    stalled = threading.Event()
    url = server.serve("/a", body, cuts=[len(body) - 1000], stalled=stalled)
    catalog.add("mine", "kroko", "kroko/mine.onnx", known(body, url))
    with run_apart(project, "pull", "mine") as pulling:
        wait_for_bytes(project, 32 << 20)
        pulling.kill()
        stalled.set()
    before = len(server.gets("/a"))
    assert models("pull", "mine").exit_code == 0
    assert sha256(body) == sha256((project / "models/kroko/mine.onnx").read_bytes())
    ranges = [each["Range"].removeprefix("bytes=") for each in server.gets("/a")[before:]]
    # Parts that were on their way are lost, and no more than one of each connection.
    assert min(int(each.partition("-")[0]) for each in ranges) >= 24 << 20


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_pull_keeps_what_it_had(
    server: Server,
    project: Path,
    catalog: CatalogFile,
    models: Models,
    number: signal.Signals,
    code: int,
) -> None:
    """Ctrl-C and SIGTERM lose not a byte of what arrived."""
    stalled = threading.Event()
    url = server.serve("/a", BODY, cuts=[100_000], stalled=stalled)
    catalog.add("mine", "kroko", "kroko/mine.onnx", known(BODY, url))
    with run_apart(project, "pull", "mine", "--events") as pulling:
        assert pulling.stdout is not None
        for line in pulling.stdout:
            if json.loads(line)["event"] == "progress":
                break
        pulling.send_signal(number)
        pulling.stdout.read()
        assert code == pulling.wait()
        stalled.set()
    (state,) = (project / ".aava/partial").glob("*/data.json")
    assert json.loads(state.read_bytes())["state"]["done"] > 0
    assert models("pull", "mine").exit_code == 0
    assert "Range" in server.gets("/a")[-1]


@pytest.fixture
def other_disk(project: Path) -> Iterator[Path]:
    """Return a folder on another file system than the project's."""
    disk = Path("/dev/shm") / f"aava-test-{os.getpid()}"
    disk.mkdir()
    assert disk.stat().st_dev != project.stat().st_dev
    yield disk
    shutil.rmtree(disk)


@contextmanager
def full_disk(size_bytes: int = 100_000) -> Iterator[None]:
    """Let no file grow beyond *size_bytes* for the block, as on a disk without room."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_full_disk_ends_a_pull(server: Server, catalog: CatalogFile, models: Models) -> None:
    """Where the file finds no room the pull ends with 8, and works once there is some."""
    catalog.add("mine", "kroko", "kroko/mine.onnx", known(BODY, server.serve("/a", BODY)))
    with full_disk():
        ran = models("pull", "mine")
    assert (8, True) == (ran.exit_code, ran.stderr.splitlines()[-2].startswith("error: need "))
    assert models("pull", "mine").exit_code == 0


def test_full_disk_while_unpacking(
    server: Server, project: Path, catalog: CatalogFile, models: Models
) -> None:
    """Unpacking that runs out of room ends with 8 as well, and leaves no half of a model."""
    packed = wheel({**VOSK, "v/am/final.mdl": bytes(1 << 20)})
    entry = archive_entry(server.serve("/v", packed), packed)
    catalog.add("mine", "vosk", "stt/vosk-model-v", entry)
    with full_disk():
        assert models("pull", "mine").exit_code == 8
    assert list((project / "models/stt").iterdir()) == []
    assert models("pull", "mine").exit_code == 0
    assert len(server.gets("/v")) == 1


def test_full_disk_of_one_role(
    server: Server, project: Path, catalog: CatalogFile, models: Models, other_disk: Path
) -> None:
    """When there is no room on the disk that a role's folder links to, nothing is left there."""
    (project / "models/kroko").symlink_to(other_disk)
    second = known(b"2", f"{server.root}/2", path="kroko/second.onnx")
    catalog.add("mine", "kroko", "kroko/1.onnx", known(BODY, server.serve("/1", BODY)), second)
    assert models("pull", "mine").exit_code == 6
    server.serve("/2", b"2")
    with full_disk():
        assert models("pull", "mine").exit_code == 8
    assert [each.name for each in other_disk.iterdir()] == ["second.onnx"]
    assert (0, 1) == (models("pull", "mine").exit_code, len(server.gets("/1")))


def test_two_pulls_fetch_once(server: Server, project: Path, catalog: CatalogFile) -> None:
    """The second waits for the first, says so, and finds the work done."""
    stalled = threading.Event()
    url = server.serve("/a", BODY, cuts=[1000], stalled=stalled)
    catalog.add("mine", "kroko", "kroko/mine.onnx", known(BODY, url))
    with run_apart(project, "pull", "mine", "--events") as first:
        assert first.stdout is not None
        assert '"progress"' in first.stdout.readline()
        with run_apart(project, "pull", "mine") as second:
            assert second.stderr is not None
            assert "waiting for `file kroko/mine.onnx`: `aava" in second.stderr.readline()
            stalled.set()
            assert (0, 0) == (first.wait() if first.stdout.read() else 0, second.wait())
            assert second.stdout is not None
            assert "nothing was downloaded" in second.stdout.read()
    assert len(server.gets("/a")) == 2


@pytest.mark.parametrize("linked", [False, True])
def test_models_on_another_disk(
    server: Server,
    project: Path,
    catalog: CatalogFile,
    models: Models,
    other_disk: Path,
    linked: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """Another file system gets whole files and folders, be it all models or one role's."""
    packed = wheel(VOSK)
    catalog.add("file", "kroko", "stt/mine.onnx", known(BODY, server.serve("/a", BODY)))
    catalog.add("folder", "vosk", "stt/v", archive_entry(server.serve("/v", packed), packed))
    options = [] if linked else ["--models-dir", str(other_disk)]
    stt = other_disk / "stt"
    if linked:
        stt.mkdir()
        (project / "models/stt").rmdir()
        (project / "models/stt").symlink_to(stt)
    for _ in range(2):
        assert models("pull", "file", "folder", *options).exit_code == 0
        assert (stt / "mine.onnx").read_bytes() == BODY
        assert {"mine.onnx", "v"} == {each.name for each in stt.iterdir()}
        (stt / "mine.onnx").write_bytes(b"rot")
        (stt / "v/README").write_bytes(b"rot")


def fake_hub(server: Server, **headers: str) -> dict[str, str]:
    """Serve one file as a model hub does, and return the environment that points there."""
    commit = "c" * 40
    about = {"X-Repo-Commit": commit, **headers}
    for revision in ("v1", commit):
        server.serve(f"/org/repo/resolve/{revision}/a.onnx", BODY, headers=about)
    return {**os.environ, "HF_ENDPOINT": server.root, "HF_TOKEN": "hf_s3cret"}


def test_hub_vouches_for_its_files(server: Server, project: Path, catalog: CatalogFile) -> None:
    """The revision is pinned to its commit, and the hub's digest is checked and recorded."""
    linked = {"X-Linked-Etag": f'"{sha256(BODY)}"', "X-Linked-Size": str(len(BODY))}
    environment = fake_hub(server, **linked)
    catalog.add("mine", "kroko", "kroko/a.onnx", unknown("hf:org/repo@v1/a.onnx"))
    with run_apart(project, "pull", "mine", env=environment) as pulling:
        _, stderr = pulling.communicate()
    assert (0, BODY) == (pulling.returncode, (project / "models/kroko/a.onnx").read_bytes())
    assert receipt_of(project, "mine")["files"][0]["provenance"] == "hub"
    (asked,) = server.gets(f"/org/repo/resolve/{'c' * 40}/a.onnx")
    assert asked["Authorization"] == "Bearer hf_s3cret"
    assert "s3cret" not in stderr


@pytest.mark.parametrize(
    ("fault", "code", "said"),
    [
        ({"X-Error-Code": "GatedRepo"}, 12, "the model is gated"),
        ({"X-Error-Code": "EntryNotFound"}, 6, "has no such file"),
        ({"X-Error-Code": "RepoNotFound"}, 6, "the hub answers 404"),
        ({}, 12, "the hub answers 403"),
        ({"Retry-After": "0"}, 6, "the hub answers 500"),
    ],
)
def test_hub_that_refuses(
    server: Server,
    project: Path,
    catalog: CatalogFile,
    fault: dict[str, str],
    code: int,
    said: str,
) -> None:
    """Gated, missing and broken are told apart."""
    environment = fake_hub(server)
    served = server.files["/org/repo/resolve/v1/a.onnx"]
    status = 403 if code == 12 else 500 if "Retry-After" in fault else 404
    served.statuses, served.headers = [status] * 9, fault
    catalog.add("mine", "kroko", "kroko/a.onnx", unknown("hf:org/repo@v1/a.onnx"))
    with run_apart(project, "pull", "mine", env=environment) as pulling:
        _, stderr = pulling.communicate()
    assert (code, True) == (pulling.returncode, said in stderr), stderr


def test_hub_with_other_bytes_than_the_catalog(
    server: Server, project: Path, catalog: CatalogFile
) -> None:
    """When hub and catalog disagree nothing is downloaded."""
    linked = {"X-Linked-Etag": f'"{"0" * 64}"', "X-Linked-Size": str(len(BODY))}
    environment = fake_hub(server, **linked)
    catalog.add("mine", "kroko", "kroko/a.onnx", known(BODY, "hf:org/repo@v1/a.onnx"))
    with run_apart(project, "pull", "mine", env=environment) as pulling:
        _, stderr = pulling.communicate()
    assert (7, True) == (pulling.returncode, "has other bytes" in stderr)
    assert server.gets(f"/org/repo/resolve/{'c' * 40}/a.onnx") == []


def test_name_that_no_hub_has(server: Server, project: Path, catalog: CatalogFile) -> None:
    """A repository's name that cannot be one is not asked for."""
    catalog.add("mine", "kroko", "kroko/a.onnx", unknown("hf:org/.bad--name/a.onnx"))
    with run_apart(project, "pull", "mine", env=fake_hub(server)) as pulling:
        _, stderr = pulling.communicate()
    assert (6, True) == (pulling.returncode, "is no repository's name" in stderr)


def test_dead_hub_is_asked_once(server: Server, project: Path, catalog: CatalogFile) -> None:
    """A hub that is down costs one attempt, however many files it has."""
    down = f"http://127.0.0.1:{free_port()}"
    # Measuring would take a good part of the half second that the hub is given.
    environment = {**os.environ, **UNMEASURED, "HF_ENDPOINT": down}
    for name in ("a", "b"):
        body = BODY + name.encode()
        url = server.serve(f"/{name}", body)
        source = f"hf:org/repo/{name}.onnx"
        catalog.add(name, "kroko", f"kroko/{name}.onnx", known(body, source, url))
    with run_apart(project, "pull", "a", "b", env=environment) as pulling:
        _, stderr = pulling.communicate()
    assert (0, 2) == (pulling.returncode, stderr.count("the hub cannot be reached"))


def test_hub_whose_name_leads_nowhere(server: Server, project: Path, catalog: CatalogFile) -> None:
    """The next source is asked at once; behind a proxy it is the proxy that knows names."""
    url = server.serve("/a", BODY)
    catalog.add("mine", "kroko", "kroko/a.onnx", known(BODY, "hf:org/repo/a.onnx", url))
    environment = {**os.environ, **UNMEASURED, "HF_ENDPOINT": "https://hub.invalid"}
    with run_apart(project, "pull", "mine", env=environment) as pulling:
        _, stderr = pulling.communicate()
    assert (0, True) == (pulling.returncode, "the hub cannot be reached" in stderr)
    (project / "models/kroko/a.onnx").unlink()
    proxy = {**environment, "HTTPS_PROXY": f"http://127.0.0.1:{free_port()}"}
    with run_apart(project, "pull", "mine", env=proxy) as pulling:
        _, stderr = pulling.communicate()
    assert (0, True) == (pulling.returncode, "the hub cannot be reached" in stderr), stderr

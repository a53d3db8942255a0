"""`aava models fit`: headers alone are fetched, from wherever a model is."""

from __future__ import annotations

import json
import mmap
import socket
import struct
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from aava_cli.download.fitting.headers import Fetched
from aava_cli.download.sources.resolver import Resolver
from aava_cli.errors import NetworkError
from tests.download.apart import Hub, run_apart
from tests.memory.real_models import LLAMA_70B, QWEN_7B, Real, write_header
from tests.tiny_folders import faster_whisper
from tests.tiny_models import write_gguf, write_piper, write_whisper

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Ran
    from tests.download.conftest import CatalogFile, Models
    from tests.download.server import Server

MIB = 1 << 20
SMALL = Real("llama", 16, 2048, 32, 8, 8192, 32_000, head=64)


def result_of(ran: Ran) -> dict[str, Any]:
    """Return what a command answered as JSON."""
    answered: dict[str, Any] = json.loads(ran.stdout)
    found: dict[str, Any] = answered["result"]
    return found


@pytest.fixture
def mapped() -> Iterator[list[mmap.mmap]]:
    """Keep files mapped for the server until the test is over."""
    kept: list[mmap.mmap] = []
    yield kept
    for each in kept:
        each.close()


def serve_file(server: Server, path: Path, mapped: list[mmap.mmap], **faults: object) -> str:
    """Serve the file *path*, however large it is, and return its address."""
    with path.open("rb") as file:
        mapped.append(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    return server.serve(f"/{path.name}", mapped[-1], **faults)


def test_only_the_header_travels(
    models: Models, server: Server, tmp_path: Path, mapped: list[mmap.mmap]
) -> None:
    """Of seven billion weights one MiB is asked for, in a single request."""
    path = write_header(tmp_path / "qwen-Q4_K_M.gguf", QWEN_7B, "Q4_K_M")
    ran = models("fit", serve_file(server, path, mapped), "--gpus", "24GB", "--json")
    assert 0 == ran.exit_code, ran.stderr
    found = result_of(ran)
    (row,) = found["models"]
    assert (MIB, MIB, 1) == (
        row["fetched_bytes"],
        server.sent_bytes,
        len(server.gets("/qwen-Q4_K_M.gguf")),
    )
    assert ("fits", "header", "qwen-Q4_K_M.gguf") == (
        found["verdict"],
        row["fit"]["basis"],
        row["fit"]["id"],
    )
    assert row["fit"]["weights"]["likely_bytes"] == pytest.approx(4.36 * (1 << 30), rel=0.005)
    assert (29, 29) == (found["language"]["layers"], found["language"]["of"])


def test_long_vocabulary_takes_a_few_more(
    models: Models, server: Server, tmp_path: Path, mapped: list[mmap.mmap]
) -> None:
    """The request is doubled until the header is whole; nothing travels twice."""
    path = write_header(tmp_path / "qwen.gguf", QWEN_7B, "Q4_K_M", words=True)
    ran = models("fit", serve_file(server, path, mapped), "--gpus", "24GB", "--json")
    (row,) = result_of(ran)["models"]
    assert 8 * MIB == row["fetched_bytes"] == server.sent_bytes
    ranges = [headers["Range"] for headers in server.gets("/qwen.gguf")]
    assert [
        "bytes=0-1048575",
        "bytes=1048576-2097151",
        "bytes=2097152-4194303",
        "bytes=4194304-8388607",
    ] == ranges


def test_secrets_of_an_address_stay_there(
    models: Models, server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither the answer nor an error shows a password or a signed query."""
    body = write_gguf(tmp_path / "a.gguf").read_bytes()
    for path, content in (("/a.gguf", body), ("/b.gguf", body[:900])):
        url = server.serve(path, content).replace("//", "//someone:hunter2@") + "?signature=hunter2"
        for form in ("--json", "--quiet"):
            ran = models("fit", url, "--gpus", "none", form)
            assert (0 if path == "/a.gguf" else 7) == ran.exit_code, ran.stderr
            assert "hunter2" not in ran.stdout + ran.stderr
    assert "Authorization" in server.gets("/a.gguf")[0]
    assert "" == capsys.readouterr().out


def test_all_parts_are_counted(
    models: Models, server: Server, tmp_path: Path, mapped: list[mmap.mmap]
) -> None:
    """The first part of a split model stands for all, on a server and on disk."""
    whole = write_header(tmp_path / "whole.gguf", SMALL, "Q8_0")
    names = [f"part-0000{number}-of-00002.gguf" for number in (1, 2)]
    write_header(tmp_path / names[0], SMALL, "Q8_0", keep=lambda name: "blk." not in name)
    write_header(tmp_path / names[1], SMALL, "Q8_0", keep=lambda name: "blk." in name)
    first, _ = (serve_file(server, tmp_path / name, mapped) for name in names)
    sizes = [
        result_of(models("fit", word, "--gpus", "none", "--json"))["models"][0]["fit"]["weights"]
        for word in (str(whole), str(tmp_path / names[0]), first)
    ]
    assert sizes[0] == sizes[1] == sizes[2]
    (tmp_path / names[1]).unlink()
    ran = models("fit", str(tmp_path / names[0]))
    assert (10, True) == (ran.exit_code, f"`{names[1]}` is missing" in ran.stderr), ran.stderr
    del server.files[f"/{names[1]}"]
    ran = models("fit", first)
    assert (10, True) == (ran.exit_code, f"{names[1]}`: " in ran.stderr), ran.stderr


def test_what_does_not_fit_is_shown_and_fails(models: Models, tmp_path: Path) -> None:
    """The answer is the same with exit code 9; layers off the GPU fail only where asked."""
    path = write_header(tmp_path / "llama.gguf", LLAMA_70B, "Q4_K_M")
    words = ("fit", str(path), "--gpus", "24GB", "--memory")
    ran = models(*words, "16GB", "--json")
    answered = json.loads(ran.stdout)
    assert (9, False, "does-not-fit", "no") == (
        ran.exit_code,
        answered["ok"],
        answered["error"]["code"],
        answered["result"]["verdict"],
    )
    assert "lacks" in answered["error"]["hint"]
    partly = models(*words, "64GB")
    assert 0 == partly.exit_code
    assert "fits partly" in partly.stdout
    assert "of 81 layers on GPUs" in partly.stdout
    assert 9 == models(*words, "64GB", "--strict").exit_code
    both = models("fit", str(path), "--gpus", "24GB,24GB", "--memory", "64GB")
    assert (0, 2) == (both.exit_code, both.stdout.count("GPU of 24 GiB"))


def test_context_that_is_cut_is_said_and_fails_where_asked(models: Models, tmp_path: Path) -> None:
    """A model that sees fewer tokens than were asked for is judged at what it sees."""
    path = write_header(tmp_path / "small.gguf", SMALL, "Q4_K_M")
    words = ("fit", str(path), "--gpus", "8GB,1GB", "--context", "1000000")
    ran = models(*words)
    assert 0 == ran.exit_code, ran.stderr
    assert "- a context of 1,000,000 was asked for" in ran.stdout
    strict = models(*words, "--strict", "--json")
    answered = json.loads(strict.stdout)
    assert (9, "does-not-fit") == (strict.exit_code, answered["error"]["code"])
    assert 1_000_000 == answered["result"]["cut"]["asked"]
    assert [0] == answered["result"]["gpus"]
    trained = answered["result"]["cut"]["trained"]
    assert f"--context {trained}" in answered["error"]["hint"]
    assert 0 == models(*words[:-1], str(trained), "--strict").exit_code


def test_answer_for_people(models: Models, project: Path) -> None:
    """A row for each model and each device, then what follows."""
    write_whisper(project / "models/stt/ggml-tiny.bin", "hello")
    write_piper(project / "models/tts/en-low.onnx")
    write_gguf(project / "models/llm/own.gguf")
    ran = models("fit", "ggml-tiny", "en-low.onnx", "own", "--gpus", "none")
    assert 0 == ran.exit_code, ran.stderr
    lines = ran.stdout.splitlines()
    assert ["MODEL", "ROLE", "WEIGHTS", "CACHE"] == lines[0].split()[:4]
    assert ["stt", "tts", "llm"] == [line.split()[1] for line in lines[1:4]]
    assert lines[5].split() == ["DEVICE", "LAYERS", "FREE", "USED", "RANGE", "VERDICT"]
    assert "the set fits" in lines
    assert "context 768; the longest that fits: 2,048" in lines


def test_project_says_how_models_run(models: Models, project: Path, tmp_path: Path) -> None:
    """Context, batch and devices are those of `.env`; Compose's daemon keeps windows whole."""
    path = write_header(tmp_path / "a.gguf", QWEN_7B, "Q4_K_M")
    whisper = project / "models/stt/faster-whisper-mini"
    for name, body in faster_whisper().items():
        whisper.mkdir(exist_ok=True)
        (whisper / name).write_bytes(body)
    with (project / ".env").open("a") as file:
        file.write("LOCAL_LLM_CONTEXT=8192\nLOCAL_LLM_BATCH=512\nFASTER_WHISPER_DEVICE=cuda\n")
    words = ("fit", str(path), str(whisper), "--gpus", "24GB", "--json")
    found = result_of(models(*words))
    assert 8192 == found["language"]["context"]
    assert "gpu" == found["models"][1]["fit"]["place"]
    short = result_of(models(*words, "--context", "1024", "--cache-type", "q8_0"))
    assert 1024 == short["language"]["context"]
    caches = [each["models"][0]["fit"]["cache"]["likely_bytes"] for each in (found, short)]
    assert caches[0] * 34 // 64 // 8 == caches[1]
    (project / "docker-compose.yml").write_text("services:\n  local_ai_server:\n    image: x\n")
    container = result_of(models(*words))
    compute = [each["models"][0]["fit"]["compute"]["likely_bytes"] for each in (found, container)]
    assert compute[1] > compute[0]


@pytest.mark.parametrize(
    ("words", "code", "problem"),
    [
        (("nothing-like-it",), 10, "no model named `nothing-like-it`"),
        (("http://127.0.0.1:9/a.gguf",), 6, "`http://127.0.0.1:9/a.gguf`: cannot be reached"),
        (("http://127.0.0.1:9/ggml-a.bin",), 6, "`http://127.0.0.1:9/ggml-a.bin`: cannot be"),
        (("http://127.0.0.1/",), 2, "`http://127.0.0.1/` names no file"),
        (("smollm2-135m", "qwen25-1-5b"), 2, "are both of the role `llm`"),
        (("smollm2-135m", "--gpus", "big"), 2, "`big` is no amount of memory"),
        (("smollm2-135m", "--memory", "much"), 2, "`much` is no amount of memory"),
        (("smollm2-135m", "--cache-type", "q9"), 2, "`q9` is no type of a cache"),
        ((), 2, ""),
    ],
)
def test_what_cannot_be_answered(
    models: Models, words: tuple[str, ...], code: int, problem: str
) -> None:
    """Each reason has its own exit code."""
    ran = models("fit", *words)
    assert code == ran.exit_code
    assert problem in ran.stderr


def test_broken_headers(models: Models, server: Server, tmp_path: Path) -> None:
    """Damage, a model of no architecture, and a file that is too short: integrity, each named."""
    whole = write_gguf(tmp_path / "a.gguf").read_bytes()
    nothing = b"GGUF" + struct.pack("<IQQ", 3, 0, 0) + bytes(64)
    cases = {
        "/page.gguf": (b"<html>" + bytes(500), "does not begin with `GGUF`"),
        "/nothing.gguf": (nothing, "says nothing of its architecture"),
        "/cut.gguf": (whole[: len(whole) // 2], "ends before its last tensor"),
        "/short.gguf": (whole[:1000], "ends before its header does"),
    }
    for path, (body, problem) in cases.items():
        ran = models("fit", server.serve(path, body))
        assert (7, True) == (ran.exit_code, problem in ran.stderr), (path, ran.stderr)
        (tmp_path / "b.gguf").write_bytes(body)
        ran = models("fit", str(tmp_path / "b.gguf"))
        assert 7 == ran.exit_code, (path, ran.stderr)
    assert "`b.gguf`" in ran.stderr
    (tmp_path / "b.gguf").write_bytes(b"GGUF" + bytes(20))
    assert 7 == models("fit", str(tmp_path / "b.gguf")).exit_code


def test_server_without_ranges(models: Models, server: Server, tmp_path: Path) -> None:
    """A header that the first answer holds will do; for a longer one it has to be pulled."""
    small = write_gguf(tmp_path / "a.gguf").read_bytes()
    assert 0 == models("fit", server.serve("/a.gguf", small, ignores_range=True)).exit_code
    real = Real("llama", 1, 64, 4, 4, 64, 128_256)
    big = write_header(tmp_path / "c.gguf", real, "F16", words=True).read_bytes()
    ran = models("fit", server.serve("/c.gguf", big, ignores_range=True))
    assert 1 == ran.exit_code
    assert "the header of `c.gguf` is not to be had" in ran.stderr
    assert "pull the model first" in ran.stderr


def test_what_no_engine_is_known_by(models: Models, server: Server, tmp_path: Path) -> None:
    """The hints name what this command, or the one that is named, takes."""
    (tmp_path / "g").write_bytes(b"?")
    for word in (str(tmp_path / "g"), server.serve("/g", b"?")):
        ran = models("fit", word)
        assert (2, True) == (ran.exit_code, "could be for several engines" in ran.stderr)
        assert "`aava models add SOURCE --backend NAME`" in ran.stderr


def test_each_failure_names_its_model(models: Models, server: Server, tmp_path: Path) -> None:
    """Of several that were asked for, the one that fails is told."""
    there = str(write_piper(tmp_path / "tts/a.onnx"))
    ran = models("fit", there, f"{server.root}/gone.gguf", "--gpus", "none")
    assert (10, True) == (ran.exit_code, f"`{server.root}/gone.gguf`: answers 404" in ran.stderr)


def test_server_that_drips() -> None:
    """One that never stops, and never gets on, is left with a reason."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=drip, args=(listening,), daemon=True).start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/a.gguf"
        fetched = Fetched(Resolver(), limit_s=0.2)
        with pytest.raises(NetworkError) as caught:
            fetched.gguf(url, "a")
    assert f"`{url}`: its server took longer than 0.2 s" in caught.value.message


def drip(listening: socket.socket) -> None:
    """Answer everybody with a byte now and then, for as long as they listen."""
    head = b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-1048575/9999999\r\n"
    head += b"Content-Length: 1048576\r\n\r\nGGUF"
    with suppress(OSError):
        while True:
            connection, _ = listening.accept()
            with connection, suppress(OSError):
                asked = connection.recv(4096)
                connection.sendall(head)
                while not asked.startswith(b"HEAD"):
                    time.sleep(0.01)
                    connection.sendall(b"\0")


def test_models_of_the_catalog(
    models: Models, server: Server, catalog: CatalogFile, tmp_path: Path, mapped: list[mmap.mmap]
) -> None:
    """The source is asked for a header; where it is down, the size has to do, and that is said."""
    path = write_header(tmp_path / "a.gguf", QWEN_7B, "Q4_K_M")
    catalog.add("mine", "llama", "llm/a.gguf", f"sources = ['{serve_file(server, path, mapped)}']")
    there = write_gguf(catalog.path.parents[1] / "models/llm/e.gguf")
    catalog.add("there", "llama", "llm/e.gguf", "sources = ['http://127.0.0.1:9/e.gguf']")
    catalog.add("far", "llama", "llm/b.gguf", "sources = ['http://127.0.0.1:9/b.gguf']")
    catalog.add(
        "sized", "llama", "llm/c.gguf", "size = 4_000_000_000, sources = ['http://127.0.0.1:9/c']"
    )
    catalog.path.write_text(
        catalog.path.read_text()
        + "[models.big]\nbackend = 'llama'\napprox_mb = 4700\npath = 'llm/d.gguf'\n"
        + "files = [{ sources = ['http://127.0.0.1:9/d.gguf'] }]\n"
        + "[models.elsewhere]\nbackend = 'cloud'\nrole = 'stt'\n"
    )
    installed = result_of(models("fit", "there", "--gpus", "none", "--json"))["models"][0]
    assert (str(there), 0) == (installed["source"], installed["fetched_bytes"])
    found = result_of(models("fit", "mine", "--gpus", "8GB", "--json"))
    assert ("header", MIB) == (
        found["models"][0]["fit"]["basis"],
        found["models"][0]["fetched_bytes"],
    )
    assert 6 == models("fit", "far").exit_code
    guessed = models("fit", "big", "--gpus", "24GB", "--json")
    assert "warning: `big` is judged by its size alone" in guessed.stderr
    assert "guess" == result_of(guessed)["models"][0]["fit"]["basis"]
    by_size = result_of(models("fit", "sized", "--gpus", "24GB", "--json"))
    assert 4_000_000_000 == by_size["models"][0]["fit"]["weights"]["likely_bytes"]
    elsewhere = models("fit", "elsewhere")
    assert (2, True) == (elsewhere.exit_code, "runs elsewhere" in elsewhere.stderr)


def test_files_at_addresses_that_are_no_language_models(models: Models, server: Server) -> None:
    """Their size is enough, and one byte tells it."""
    url = server.serve("/ggml-tiny.bin", bytes(300_000))
    found = result_of(models("fit", url, "--gpus", "none", "--json"))
    (row,) = found["models"]
    assert ("stt", "whisper_cpp", 300_000, 1) == (
        row["fit"]["role"],
        row["fit"]["backend"],
        row["fit"]["weights"]["likely_bytes"],
        row["fetched_bytes"],
    )


CONFIG = {
    "model_type": "qwen2",
    "torch_dtype": "bfloat16",
    "hidden_size": 64,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "num_hidden_layers": 2,
    "vocab_size": 1000,
    "max_position_embeddings": 4096,
}


def safetensors(numbers: int) -> bytes:
    """Return a file of so many halves."""
    described = {"w": {"dtype": "F16", "shape": [numbers], "data_offsets": [0, 2 * numbers]}}
    header = json.dumps(described).encode()
    return struct.pack("<Q", len(header)) + header + bytes(2 * numbers)


def test_models_of_the_hub(server: Server, project: Path, tmp_path: Path) -> None:
    """A file, a repository for the model server, and one that an engine of the daemon loads."""
    hub = Hub(server)
    weights = safetensors(200_000)
    index = {"metadata": {"total_size": 600_000}, "weight_map": {}}
    config = json.dumps(CONFIG).encode()
    hub.add("org/one", {"a.gguf": write_gguf(tmp_path / "a.gguf").read_bytes()})
    hub.add("org/two", {"config.json": config, "model.safetensors": weights})
    hub.add(
        "org/three",
        {
            "config.json": config,
            "model.safetensors.index.json": json.dumps(index).encode(),
            "model-00001-of-00001.safetensors": weights,
        },
    )
    hub.add("org/faster-whisper-mini", faster_whisper())
    hub.add("org/broken", {"config.json": b"[]", "model.safetensors": weights})
    hub.add("org/odd", {"config.json": b"{", "model.safetensors": weights})
    hub.add("org/empty", {"config.json": b"{}", "model.safetensors": weights})

    def asked(word: str) -> Ran:
        return run_apart(
            project,
            "models",
            "fit",
            word,
            "--gpus",
            "8GB",
            "--memory",
            "8GB",
            "--json",
            env=hub.env,
        )

    one = result_of(asked("hf:org/one/a.gguf"))
    assert ("llm", "header") == (one["models"][0]["fit"]["role"], one["models"][0]["fit"]["basis"])
    two = result_of(asked("hf:org/two"))
    assert ("4-bit", "fp16") == (two["chain"]["upstream"], two["chain"]["recommended"])
    assert len(config) == two["models"][0]["fetched_bytes"]
    three = result_of(asked("hf:org/three"))
    assert two["chain"]["choices"][3]["amount"] != three["chain"]["choices"][3]["amount"]
    hub.add("org/sized", {"ggml-tiny.bin": bytes(5000)})
    sized = result_of(asked("hf:org/sized/ggml-tiny.bin"))["models"][0]
    assert (5000, 0) == (sized["fit"]["weights"]["likely_bytes"], sized["fetched_bytes"])
    whisper = result_of(asked("hf:org/faster-whisper-mini"))
    assert "faster_whisper" == whisper["models"][0]["fit"]["backend"]
    assert [7, 7, 7] == [asked(f"hf:org/{name}").exit_code for name in ("broken", "odd", "empty")]
    assert 10 == asked("hf:org/none").exit_code


def test_model_server_models_on_disk(models: Models, tmp_path: Path) -> None:
    """A folder with a configuration and weights is read as the library reads it."""
    folder = tmp_path / "mini"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "model.safetensors").write_bytes(safetensors(200_000))
    ran = models("fit", str(folder), "--gpus", "none", "--memory", "8GB")
    assert 0 == ran.exit_code, ran.stderr
    assert "the model server would choose cpu" in ran.stdout
    assert "recommended: cpu" in ran.stdout
    spilling = models("fit", str(folder), "--gpus", "410MB", "--memory", "8GB")
    assert "with layers in the host's memory" in spilling.stdout
    assert "recommended: cpu" in spilling.stdout
    nothing = models("fit", str(folder), "--gpus", "none", "--memory", "1MB")
    assert (9, True) == (nothing.exit_code, "recommended: another model" in nothing.stdout)


def test_files_on_disk_of_other_engines(models: Models, tmp_path: Path) -> None:
    """Their folder says what they are for; elsewhere their name does."""
    placed = write_piper(tmp_path / "tts/a.onnx")
    loose = write_whisper(tmp_path / "ggml-b.bin", "hello")
    found = result_of(models("fit", str(placed), str(loose), "--gpus", "none", "--json"))
    assert ["piper", "whisper_cpp"] == [each["fit"]["backend"] for each in found["models"]]
    named = models("fit", f"file:{placed}", "--gpus", "none", "--json")
    assert str(placed) == result_of(named)["models"][0]["source"]

"""Print what `aava models fit` says of a 7B, a 14B and a 70B model on three hosts.

The files are sparse: true headers of real models, nothing where their weights would be. They are
served over HTTP on loopback, so that what is fetched can be counted. Beside it: our parser and
the `gguf` package on the same header, each as a program of its own.
"""

from __future__ import annotations

import json
import mmap
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.measure import Contender, run_once
from tests.download.server import Server
from tests.memory.real_models import LLAMA_70B, QWEN_7B, QWEN_14B, Real, write_header

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROUNDS = 3
GIB = 1 << 30
MODELS: Mapping[str, Real] = {
    "Qwen2.5 7B Q4_K_M": QWEN_7B,
    "Qwen2.5 14B Q4_K_M": QWEN_14B,
    "Llama 3.1 70B Q4_K_M": LLAMA_70B,
}
HOSTS = ("8GB", "24GB", "24GB,24GB")
CONTEXT = "4096"
_OURS = """\
import sys
from pathlib import Path
from aava_cli.measuring.disk import need_on_disk
need_on_disk(Path(sys.argv[1]), "llm", "llama", "a")
"""
_THEIRS = "import sys, gguf; gguf.GGUFReader(sys.argv[1])"


def main() -> int:
    """Print both tables."""
    with tempfile.TemporaryDirectory() as folder:
        files = {
            name: write_header(Path(folder) / f"{index}.gguf", real, "Q4_K_M", words=True)
            for index, (name, real) in enumerate(MODELS.items())
        }
        _print_answers(files)
        _print_parsers(files)
    return 0


def _print_answers(files: Mapping[str, Path]) -> None:
    server = Server()
    print("| model | host | verdict | layers | weights | cache | total | longest context | -1 |")
    print("|---|---|---|---|---|---|---|---|---|")
    fetched: dict[str, int] = {}
    for name, path in files.items():
        with path.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        url = server.serve(f"/{path.name}", mapped)
        for host in HOSTS:
            result = _ask(url, host)
            fetched[name] = result["models"][0]["fetched_bytes"]
            print(f"| {name} | {host} | " + " | ".join(_cells(result)) + " |")
    server.close()
    for name, count in fetched.items():
        size = files[name].stat().st_size
        print(f"{name}: {count:,} of {size:,} bytes fetched")


def _ask(url: str, host: str) -> dict[str, Any]:
    words = ["fit", url, "--gpus", host, "--memory", "64GB", "--context", CONTEXT, "--json"]
    ran = subprocess.run(
        [sys.executable, "-m", "aava_cli", "models", *words],
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode not in (0, 9):
        raise SystemExit(ran.stderr)
    result: dict[str, Any] = json.loads(ran.stdout)["result"]
    return result


def _cells(result: dict[str, Any]) -> Iterator[str]:
    fit, language = result["models"][0]["fit"], result["language"]
    per_gpu = " + ".join(str(device["layers"]) for device in result["devices"][:-1])
    yield result["verdict"]
    yield f"{per_gpu} of {language['of']}"
    for part in ("weights", "cache"):
        yield f"{fit[part]['likely_bytes'] / GIB:.2f}"
    total = fit["all"]
    low, likely, high = (total[f"{key}_bytes"] / GIB for key in ("low", "likely", "high"))
    yield f"{likely:.2f} ({low:.2f} - {high:.2f})"
    yield f"{language['largest_context']:,}"
    fits = "fits" if language["tier_fits"] else "does not fit"
    yield f"{language['tier_layers']}, {fits}"


def _print_parsers(files: Mapping[str, Path]) -> None:
    print("\n| header | bytes | ours s | ours MB | gguf s | gguf MB | time | memory |")
    print("|---|---|---|---|---|---|---|---|")
    for name, path in files.items():
        ours, theirs = (
            _median(Contender("", ((sys.executable, "-c", code, str(path)),)), path.parent)
            for code in (_OURS, _THEIRS)
        )
        ratios = [ours[key] / theirs[key] for key in ("wall_s", "rss_mb")]
        cells = [f"{ours['wall_s']:.3f}", f"{ours['rss_mb']:.0f}"]
        cells += [f"{theirs['wall_s']:.2f}", f"{theirs['rss_mb']:.0f}"]
        cells += [f"{ratio:.3f}" for ratio in ratios]
        print(f"| {name} | {_header_bytes(path):,} | " + " | ".join(cells) + " |")


def _header_bytes(path: Path) -> int:
    from aava_cli.gguf import read_header

    with path.open("rb") as file:
        return read_header(file, name=path.name).data_offset


def _median(contender: Contender, folder: Path) -> dict[str, float]:
    runs = sorted((run_once(contender, folder) for _ in range(ROUNDS)), key=lambda r: r["wall_s"])
    return runs[ROUNDS // 2]


if __name__ == "__main__":
    sys.exit(main())

"""Time unpacking: ours against tar, lbzip2, rapidgzip and Python's tarfile, in paired rounds.

Run as `python -m benchmarks.unpack.run`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.measure import Contender, Goal, paired, present, print_table, ratio, report

ROOT = Path(__file__).parents[2]

OURS = """
import sys
from pathlib import Path, PurePosixPath
from aava_cli.download.archives.unpack import unpack
unpack(Path(sys.argv[1]), PurePosixPath("model"), Path("out"), lambda done: None)
"""
STREAMED = """
import sys
from pathlib import Path, PurePosixPath
from aava_cli.download.archives.unpack import unpack_stream
with open(sys.argv[1], "rb") as packed:
    unpack_stream(packed, PurePosixPath("model"), Path("out"), lambda done: None)
"""
TARFILE = """
import sys, tarfile
with tarfile.open(sys.argv[1]) as archive:
    archive.extractall("out", filter="data")
"""
RAPIDGZIP = """
import os, sys, rapidgzip, tarfile
with rapidgzip.open(sys.argv[1], parallelization=0) as decoded:
    with tarfile.open(fileobj=decoded, mode="r|") as archive:
        archive.extractall("out", filter="data")
"""


def make_weights(path: Path, size_bytes: int) -> None:
    """Write bytes that compress as badly as quantised weights do: to five sixths."""
    scale = bytes(128 + int((index - 128) * abs(index - 128) / 129) for index in range(256))
    with path.open("wb") as file:
        while file.tell() < size_bytes:
            file.write(os.urandom(1 << 20).translate(scale))


def make_archive(folder: Path, kind: str, megabytes: int) -> Path:
    """Return an archive that unpacks to *megabytes*."""
    model = folder / "model"
    model.mkdir(exist_ok=True)
    make_weights(model / "weights.bin", megabytes * 1_000_000)
    (model / "config.json").write_text("{}")
    archive = folder / f"model.tar.{kind}"
    packer = {"bz2": "bzip2", "gz": "gzip"}[kind]
    words = ("tar", "--use-compress-program", packer, "-cf", str(archive), "model")
    subprocess.run(words, cwd=folder, check=True)
    return archive


def contenders(kind: str, archive: Path) -> tuple[Contender, ...]:
    """Return who unpacks *archive*."""
    python, path = sys.executable, str(archive)
    ours = {"PYTHONPATH": str(ROOT)}
    known = [
        Contender("tarfile", ((python, "-c", TARFILE, path),)),
        Contender("aava", ((python, "-c", OURS, path),), "hashed, fsynced", ours),
        Contender("aava, as it comes", ((python, "-c", STREAMED, path),), "hashed, fsynced", ours),
        Contender("tar", (("tar", "-xf", path),)),
        Contender("rapidgzip to tarfile", ((python, "-c", RAPIDGZIP, path),)),
    ]
    helper = {"bz2": "lbzip2", "gz": "pigz"}[kind]
    # Asked for its version, a program that is not here is noticed.
    words = ("tar", "-I", helper, "-xf", path)
    known.append(Contender(f"tar with {helper}", ((helper, "--version"), words)))
    return present(known)


def main() -> int:
    """Print both tables; return 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--bz2-mb", type=int, default=200)
    parser.add_argument("--gz-mb", type=int, default=500)
    parser.add_argument("--only", choices=("bz2", "gz"), nargs="*", default=("bz2", "gz"))
    parser.add_argument("--more", action="store_true", help="add to the rounds that are in --json")
    parser.add_argument("--json", type=Path, default=Path("bench-unpack.json"))
    chosen = parser.parse_args()
    goals = []
    records: dict[str, Any] = json.loads(chosen.json.read_bytes()) if chosen.more else {}
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for kind in chosen.only:
            megabytes = {"bz2": chosen.bz2_mb, "gz": chosen.gz_mb}[kind]
            named = contenders(kind, make_archive(work, kind, megabytes))
            figures = paired(named, chosen.rounds, work, records.get(kind))
            print_table(f"{megabytes} MB tar.{kind}", named, figures, "tarfile")
            records[kind] = figures
            share = ratio(figures["aava"], figures["tarfile"], "wall_s")
            goals.append(Goal(f"{kind}, wall of tarfile", share, 0.5 if kind == "bz2" else 1.0))
    return report(goals, records, chosen.json)


if __name__ == "__main__":
    sys.exit(main())

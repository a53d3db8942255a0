"""Time downloads against every peer that is here, in paired rounds, verified and fsynced.

Run as `python -m benchmarks.download.run`; nothing but loopback is reached.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import struct
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.download.serving import Link, Wire, behind, build_link, hub, nginx
from benchmarks.measure import (
    Contender,
    Figures,
    Goal,
    median,
    paired,
    present,
    print_table,
    ratio,
    report,
)

ROOT = Path(__file__).parents[2]
FILE = "model.gguf"
GIGABIT = 125_000_000
CATALOG = """
[models.bench]
name = 'bench'
backend = 'llama'
path = 'llm/{file}'
files = [{{ sources = ['{url}'], size = {size}, sha256 = '{sha256}' }}]
"""


@dataclass(frozen=True, slots=True)
class Job:
    """One file that is to be had at *url*, and whose code gets it."""

    url: str
    size_bytes: int
    sha256: str
    tree: Path

    @property
    def environment(self) -> dict[str, str]:
        """What our own programs run with."""
        return {"PYTHONPATH": str(self.tree)}


def gguf_header(weights: int) -> bytes:
    """Return the header of a GGUF with one tensor of so many one-byte *weights*."""
    key, architecture = b"general.architecture", b"llama"
    header = struct.pack("<4sIQQQ", b"GGUF", 3, 1, 1, len(key)) + key
    header += struct.pack("<IQ", 8, len(architecture)) + architecture
    header += struct.pack("<Qc", 1, b"w") + struct.pack("<IQIQ", 1, weights, 24, 0)
    return header + bytes(-len(header) % 32)


def make_model(path: Path, size_bytes: int) -> str:
    """Write a GGUF of *size_bytes*; return its SHA-256."""
    header = gguf_header(size_bytes - len(gguf_header(0)))
    digest, noise = hashlib.sha256(header), os.urandom(1 << 20)
    with path.open("wb") as file:
        file.write(header)
        while left := size_bytes - file.tell():
            digest.update(noise[:left])
            file.write(noise[:left])
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


def engine(job: Job, *, connections: int | None = None, wire: Wire | None = None) -> Contender:
    """Return our engine alone; behind a *wire* it tells how long verification took at the end."""
    words = (sys.executable, str(Path(__file__).with_name("engine.py")))
    asked = (job.url, FILE, str(job.size_bytes), job.sha256)
    limit = ("--connections", str(connections)) if connections else ()

    def judge(printed: str) -> Figures:
        if wire is None:
            return {}
        return {"tail_s": json.loads(printed)["verified_s"] - wire.last_byte_s()}

    name = f"engine, {connections} connections" if connections else "engine"
    return Contender(name, ((*words, *asked, *limit),), "", job.environment, judge)


def command(job: Job, work: Path) -> Contender:
    """Return the whole command, with a catalog of its own."""
    config = work / "config" / "aava"
    config.mkdir(parents=True, exist_ok=True)
    text = CATALOG.format(url=job.url, size=job.size_bytes, sha256=job.sha256, file=FILE)
    (config / "catalog.toml").write_text(text, encoding="utf-8")
    words = (sys.executable, "-m", "aava_cli", "--project", ".", "models", "pull", "bench")
    own = {"XDG_CONFIG_HOME": str(work / "config"), "XDG_CACHE_HOME": str(work / "cache")}
    return Contender("aava models pull", (words,), "", job.environment | own)


def peers(job: Job, endpoint: str, *, synced: bool) -> tuple[Contender, ...]:
    """Return the programs that people use instead; *synced* ones end on the disk, as ours do."""
    sync = (("sync", FILE),) if synced else ()
    check = ("openssl", "dgst", "-sha256", FILE)
    curl = ("curl", "--silent", "--fail", "--output", FILE, job.url)
    wget = ("wget", "--quiet", "--output-document", FILE, job.url)
    hf = ("hf", "download", "org/bench", FILE, "--local-dir", ".")
    own_hub = {"HF_ENDPOINT": endpoint, "HF_HOME": "hub", "HF_HUB_DISABLE_XET": "1"}
    return (
        Contender("curl + openssl", (curl, check, *sync)),
        Contender("curl + sha256sum", (curl, ("sha256sum", FILE), *sync)),
        Contender("aria2c -x4 --checksum", (aria2c(job, 4, checked=True), *sync)),
        Contender("wget + openssl", (wget, check, *sync)),
        Contender("hf download", (hf, *sync), "not verified", own_hub),
    )


def aria2c(job: Job, connections: int, *, checked: bool) -> tuple[str, ...]:
    """Return the command line of aria2c."""
    count = str(connections)
    words = ("aria2c", "--quiet", "--min-split-size=1M", "--file-allocation=falloc", "--no-conf")
    check = (f"--checksum=sha-256={job.sha256}",) if checked else ()
    return (*words, "-x", count, "-s", count, *check, "-o", FILE, job.url)


def loopback(
    job: Job, chosen: argparse.Namespace, work: Path, before: dict[str, list[Figures]]
) -> tuple[list[Goal], object]:
    """Compare on loopback, where the programs themselves are the limit."""
    with hub(job.url, job.size_bytes, job.sha256) as endpoint:
        others = peers(job, endpoint, synced=not chosen.no_peer_sync)
        named = present((command(job, work), engine(job), *others))
        figures = paired(named, chosen.rounds, work, before)
    base = "curl + openssl" if "curl + openssl" in figures else named[0].name
    print_table(f"{job.size_bytes:,} bytes from loopback", named, figures, base)
    return list(loopback_goals(figures)), figures


def loopback_goals(figures: dict[str, list[Figures]]) -> list[Goal]:
    """Return what is promised on loopback, of the peers that are here."""
    ours = figures["aava models pull"]
    goals = [
        Goal(f"{what} of {peer}", ratio(ours, figures[peer], key), most)
        for what, peer, key, most in (
            ("wall", "curl + openssl", "wall_s", 0.45),
            ("wall", "hf download", "wall_s", 0.30),
            ("CPU", "curl + sha256sum", "cpu_s", 0.40),
        )
        if peer in figures
    ]
    return [*goals, Goal("peak RSS in MB", median(ours, "rss_mb"), 80)]


@dataclass(frozen=True, slots=True)
class Section:
    """One emulated network; the engine chooses the number of connections where it is None."""

    title: str
    link: Link
    connections: tuple[int | None, ...]


SECTIONS = {
    "shared": Section("1 Gbit/s for all, 50 ms", Link(50, GIGABIT, 0), (None, 4)),
    "capped": Section("20 MB/s per connection, 50 ms", Link(50, 0, 20_000_000), (4, 8, 16)),
}


def behind_link(
    job: Job,
    section: Section,
    wire: Wire,
    chosen: argparse.Namespace,
    work: Path,
    before: dict[str, Any],
) -> tuple[list[Goal], object]:
    """Compare where the network is the limit, with the same number of connections each."""
    goals: list[Goal] = []
    records: dict[str, object] = {}
    for count in section.connections:
        ours = engine(job, connections=count, wire=wire)
        peer = f"aria2c -x{count or 4}"
        named = present((ours, *aria2cs(job, count or 4)))
        earlier = before.get(ours.name, {}).get("rounds", {})
        figures = paired(named, chosen.rounds, work, earlier)
        limit_s = section.link.limit_s(job.size_bytes, count or 4)
        title = f"{section.title}: {job.size_bytes:,} bytes, at best {limit_s:.2f} s"
        print_table(title, named, figures, ours.name)
        own, name = figures[ours.name], f"{section.title}, {ours.name}"
        records[ours.name] = {"limit_s": limit_s, "rounds": figures}
        goals.append(Goal(f"{name}: tail in s", median(own, "tail_s"), 0.05))
        if section.link.link_bytes_s:
            share = median(own, "wall_s") / limit_s
            goals.append(Goal(f"{name}: wall of the limit", share, 1.06))
        elif peer in figures:
            share = ratio(own, figures[peer], "wall_s")
            goals.append(Goal(f"{name}: wall of {peer}", share, 1.0))
    return goals, records


def aria2cs(job: Job, connections: int) -> tuple[Contender, ...]:
    """Return aria2c as it comes, and as it verifies."""
    return (
        Contender(
            f"aria2c -x{connections}",
            (aria2c(job, connections, checked=False),),
            "not verified",
        ),
        Contender(f"aria2c -x{connections} --checksum", (aria2c(job, connections, checked=True),)),
    )


def parse() -> argparse.Namespace:
    """Return what the command line chooses."""
    parser = argparse.ArgumentParser(description=__doc__)
    sections = ("loopback", *SECTIONS)
    parser.add_argument("--size-mib", type=int, default=256, help="on loopback; 2048 in full")
    parser.add_argument("--link-mib", type=int, default=64, help="behind the link; 512 in full")
    parser.add_argument("--full", action="store_true", help="2048 and 512 MiB")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=sections, nargs="*", default=sections)
    parser.add_argument("--tree", type=Path, default=ROOT, help="whose `aava_cli` is ours")
    parser.add_argument("--no-peer-sync", action="store_true", help="spare the peers the fsync")
    parser.add_argument("--more", action="store_true", help="add to the rounds that are in --json")
    parser.add_argument("--json", type=Path, default=Path("bench-download.json"))
    chosen = parser.parse_args()
    if chosen.full:
        chosen.size_mib, chosen.link_mib = 2048, 512
    return chosen


def main() -> int:
    """Print every table; return 1 when a goal is missed."""
    chosen = parse()
    # The hub's program is installed beside this Python.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    goals: list[Goal] = []
    records: dict[str, Any] = json.loads(chosen.json.read_bytes()) if chosen.more else {}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        work, root = Path(folder), Path(folder) / "served"
        root.mkdir(mode=0o755)
        work.chmod(0o755)
        port = stack.enter_context(nginx(root))
        if "loopback" in chosen.only:
            size_bytes = chosen.size_mib << 20
            sha256 = make_model(root / FILE, size_bytes)
            job = Job(f"http://127.0.0.1:{port}/{FILE}", size_bytes, sha256, chosen.tree)
            found, records["loopback"] = loopback(job, chosen, work, records.get("loopback", {}))
            goals += found
        size_bytes = chosen.link_mib << 20
        sha256 = make_model(root / FILE, size_bytes)
        for name, section in SECTIONS.items():
            if name in chosen.only:
                program = build_link(work)
                with behind(section.link, program, port) as wire:
                    url = f"http://127.0.0.1:{wire.port}/{FILE}"
                    job = Job(url, size_bytes, sha256, chosen.tree)
                    found, records[name] = behind_link(
                        job, section, wire, chosen, work, records.get(name, {})
                    )
                goals += found
    return report(goals, records, chosen.json)


if __name__ == "__main__":
    sys.exit(main())

"""Time the audit of a large log beside grep and ripgrep, and see how much memory it takes.

Run as `python -m benchmarks.audit.run`. Two logs are made and taken away again: one in which
every line is a marker, and one in which nine of ten lines are other services' requests.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measure import Contender, Goal, median, paired, present, report
from tests.audit.logs import (
    Lines,
    Names,
    ai_said,
    barge_in,
    blocking,
    ending,
    opening,
    printed,
    turn,
    window,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
MEGABYTE = 1_000_000
PART_MEGABYTES = 50
TURNS = 24
SECONDS_A_TURN = 7
LOOP_TURNS = 5_000_000
MEMORY_MOST_MB = 100.0


def call(number: int, chance: random.Random) -> Lines:
    """Return the lines of one call of some four minutes."""
    names = Names(number)
    middle: list[Lines] = []
    for index in range(TURNS):
        windows = tuple(
            window(chance.randint(48, 51), chance.randint(200, 400) / 10)
            for _ in range(SECONDS_A_TURN)
        )
        held_back = tuple(blocking(names, index, chance.randint(0, 5)) for _ in range(4))
        said = (ai_said(f"sentence number {chance.randrange(10**6)} of this call"),)
        middle += [turn(names, index, windows), held_back, said]
        if index % 8 == 0:
            middle.append(barge_in(names, index))
    return (*opening(names), *(line for lines in middle for line in lines), *ending(names))


def lines(others: int, chance: random.Random) -> Iterator[bytes]:
    """Yield a log without end; behind each line of a call come *others* of other requests."""
    number = 0
    while True:
        number += 1
        for line in printed(call(number, chance)):
            yield b"prosaas-backend  | %b\n" % line
            for _ in range(others):
                yield (
                    b"prosaas-backend  | INFO:     172.18.0.%d:%d - "
                    b'"GET /api/leads/%d?limit=50&offset=%d HTTP/1.1" 200 OK\n'
                ) % tuple(chance.randrange(1, size) for size in (255, 65_536, 10**6, 10**4))


def make_log(path: Path, megabytes: int, others: int) -> None:
    """Write a log of that size: its first part again and again, each time with calls of its own."""
    chance = random.Random(others)  # noqa: S311 - a benchmark, not a secret
    part = b"".join(_first(lines(others, chance), min(megabytes, PART_MEGABYTES) * MEGABYTE))
    with path.open("wb") as file:
        for number in range(-(-megabytes // PART_MEGABYTES)):
            copy = part
            for name in (b"CA", b"MZ", b"SES-"):
                copy = copy.replace(name + b"0000", name + b"%04x" % number)
            file.write(copy.replace(b"resp_00", b"resp_%02x" % number))


def _first(log: Iterator[bytes], size: int) -> Iterator[bytes]:
    written = 0
    while written < size:
        line = next(log)
        written += len(line)
        yield line


def contenders(path: Path) -> tuple[Contender, ...]:
    """Return who looks through the log at *path*."""
    ours = (sys.executable, "-m", "aava_cli", "audit", str(path), "--json", "--quiet")
    return present(
        (
            Contender("aava audit", (ours,), "every check", {"PYTHONPATH": str(ROOT)}, _told),
            Contender("grep -c", (("grep", "-c", "-F", "[TX_METRICS]", str(path)),), "one tag"),
            Contender("rg -c", (("rg", "-c", "-F", "[TX_METRICS]", str(path)),), "one tag"),
        )
    )


def _told(printed_json: str) -> dict[str, float]:
    result = json.loads(printed_json)["result"]
    return {"calls": result["coverage"]["calls"], "events": result["events"]}


def loop_ns() -> float:
    """Return how long one turn of the plainest loop takes now."""
    begin, total = time.process_time(), 0
    for index in range(LOOP_TURNS):
        total += index
    return (time.process_time() - begin) / LOOP_TURNS * 1e9


def main() -> int:
    """Print both tables; return 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--megabytes", type=int, default=2000)
    parser.add_argument("--json", type=Path, default=Path("bench-audit.json"))
    chosen = parser.parse_args()
    goals: list[Goal] = []
    records: dict[str, object] = {}
    # A busy neighbour slows a processor down as well as it takes it away; this tells how much.
    print(f"a turn of the plainest loop takes {loop_ns():.0f} ns of CPU")
    for title, others, least in (("one line in ten", 9, 200.0), ("every line", 0, 40.0)):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "calls.log"
            # In a process of its own: a child begins with as much memory as its parent has.
            made = multiprocessing.get_context("spawn").Process(
                target=make_log, args=(path, chosen.megabytes, others)
            )
            made.start()
            made.join()
            named = contenders(path)
            figures = paired(named, chosen.rounds, Path(folder))
        print(f"\n{title} is a marker, {chosen.megabytes} MB\n")
        print("| | MB/s of CPU | MB/s of wall | RSS MB | |\n|---|---|---|---|---|")
        for each in named:
            own = figures[each.name]
            cpu, wall = (chosen.megabytes / median(own, key) for key in ("cpu_s", "wall_s"))
            rss = f"{median(own, 'rss_mb'):.0f}"
            print(f"| {' | '.join((each.name, f'{cpu:.0f}', f'{wall:.0f}', rss, each.note))} |")
        own = figures["aava audit"]
        # A shared machine takes wall time away; what the processor did is what was needed.
        cpu_s_per_mb = median(own, "cpu_s") / chosen.megabytes
        goals.append(Goal(f"{title}, CPU s for a GB", 1000 * cpu_s_per_mb, 1000 / least))
        goals.append(Goal(f"{title}, peak MB", median(own, "rss_mb"), MEMORY_MOST_MB))
        records[title] = figures
    return report(goals, records, chosen.json)


if __name__ == "__main__":
    sys.exit(main())

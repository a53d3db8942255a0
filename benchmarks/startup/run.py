"""Time light commands as ratios to `python -c pass`, round-robin, medians of whole processes."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

ROUNDS = 21
BIN = Path(sys.executable).parent

# What each command may cost, as a ratio to the bare interpreter.
COMMANDS: dict[str, tuple[list[str], float | None]] = {
    "python -c pass": ([sys.executable, "-c", "pass"], None),
    "aava --version": ([str(BIN / "aava"), "--version"], 1.5),
    "aava --help": ([str(BIN / "aava"), "--help"], 7.0),
    "aava switch --help": ([str(BIN / "aava"), "switch", "--help"], 7.0),
    "aava models list --json": ([str(BIN / "aava"), "models", "list", "--json"], 10.0),
    "hf --help": ([str(BIN / "hf"), "--help"], None),
    "pip --version": ([str(BIN / "pip"), "--version"], None),
}


def wall_s(argv: list[str]) -> float:
    """Return how long *argv* takes from start to exit."""
    start = time.perf_counter()
    subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def main() -> int:
    """Print the table; return 1 when a goal is missed."""
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _round in range(ROUNDS):
        for name, (argv, _goal) in COMMANDS.items():
            times[name].append(wall_s(argv))
    base, *_others = times.values()
    missed = 0
    print(f"{'command':26}{'median ms':>10}{'ratio':>8}{'goal':>7}")
    for name, (_argv, goal) in COMMANDS.items():
        ratio = statistics.median(own / bare for own, bare in zip(times[name], base, strict=True))
        missed += goal is not None and ratio > goal
        shown = "" if goal is None else f"{goal:.1f}"
        print(f"{name:26}{statistics.median(times[name]) * 1000:10.1f}{ratio:8.2f}{shown:>7}")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())

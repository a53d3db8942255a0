"""Run contenders in paired rounds; each is one or more programs, run one after the other."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Contender:
    """What is timed: *programs* in order, in a folder of their own that is empty before."""

    name: str
    programs: tuple[tuple[str, ...], ...]
    note: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    # Takes what the last program printed, and tells further figures of the run.
    judge: Callable[[str], dict[str, float]] = lambda _printed: {}

    @property
    def missing(self) -> str | None:
        """The first of its programs that is not on this machine."""
        return next((words[0] for words in self.programs if not shutil.which(words[0])), None)


Figures = dict[str, float]


def run_once(contender: Contender, folder: Path) -> Figures:
    """Return what one run of *contender* in *folder* took: wall and CPU seconds, peak RSS."""
    environment = dict(os.environ) | dict(contender.environment)
    cpu_s = rss_mb = 0.0
    printed = ""
    start = time.monotonic()
    for words in contender.programs:
        with tempfile.TemporaryFile() as output:
            process = subprocess.Popen(
                words, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT
            )
            # The usage of one program and its children, as no other call tells it.
            _pid, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            output.seek(0)
            printed = output.read().decode(errors="replace")
        if process.returncode != 0:
            raise SystemExit(f"{contender.name}: {' '.join(words)} failed:\n{printed[-2000:]}")
        cpu_s += usage.ru_utime + usage.ru_stime
        rss_mb = max(rss_mb, usage.ru_maxrss / 1000)
    wall_s = time.monotonic() - start
    return {"wall_s": wall_s, "cpu_s": cpu_s, "rss_mb": rss_mb, **contender.judge(printed)}


def paired(
    contenders: Sequence[Contender],
    rounds: int,
    work: Path,
    before: Mapping[str, Sequence[Figures]] | None = None,
) -> dict[str, list[Figures]]:
    """Return the figures of each contender; all of them run in each round, in turning order.

    The rounds go on after those of *before*, of the same contenders.
    """
    figures = {each.name: list((before or {}).get(each.name, ())) for each in contenders}
    done = min(map(len, figures.values()))
    figures = {name: rounds_of[:done] for name, rounds_of in figures.items()}
    for number in range(done, done + rounds):
        turn = number % len(contenders)
        for contender in (*contenders[turn:], *contenders[:turn]):
            with _empty_folder(work) as folder:
                figures[contender.name].append(run_once(contender, folder))
    return figures


@contextmanager
def _empty_folder(work: Path) -> Iterator[Path]:
    folder = work / "run"
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
        # What one leaves in the page cache to be written is not the next one's burden.
        os.sync()


def present(contenders: Sequence[Contender]) -> tuple[Contender, ...]:
    """Return those *contenders* that are on this machine; name the others."""
    for contender in contenders:
        if contender.missing:
            print(f"left out: {contender.name} (no `{contender.missing}` here)")
    return tuple(each for each in contenders if not each.missing)


def median(figures: Sequence[Figures], key: str) -> float:
    """Return the median of one figure."""
    return statistics.median(each[key] for each in figures)


def ratio(own: Sequence[Figures], base: Sequence[Figures], key: str) -> float:
    """Return the median of the rounds' ratios to *base*."""
    return statistics.median(one[key] / other[key] for one, other in zip(own, base, strict=True))


@dataclass(frozen=True, slots=True)
class Goal:
    """What is promised: a *value* that should be at most *most*."""

    what: str
    value: float
    most: float

    def __str__(self) -> str:
        verdict = "met" if self.value <= self.most else "MISSED"
        return f"{self.what}: {self.value:.3f}, goal {self.most} ({verdict})"


def print_table(
    title: str,
    contenders: Sequence[Contender],
    figures: Mapping[str, Sequence[Figures]],
    base: str,
) -> None:
    """Print medians, and ratios to *base*."""
    print(f"\n{title}\n\n| | wall s | of `{base}` | CPU s | of it | RSS MB | |")
    print("|---" * 7 + "|")
    for contender in contenders:
        own, other = figures[contender.name], figures[base]
        cells = (
            contender.name,
            f"{median(own, 'wall_s'):.2f}",
            f"{ratio(own, other, 'wall_s'):.2f}",
            f"{median(own, 'cpu_s'):.2f}",
            f"{ratio(own, other, 'cpu_s'):.2f}",
            f"{median(own, 'rss_mb'):.0f}",
            contender.note,
        )
        print(f"| {' | '.join(cells)} |")


def report(goals: Sequence[Goal], records: Mapping[str, object], path: Path) -> int:
    """Print the *goals*, write everything to *path*; return 1 when a goal is missed."""
    import json

    print()
    for goal in goals:
        print(goal)
    everything = {**records, "goals": [asdict(goal) for goal in goals]}
    path.write_text(json.dumps(everything, indent=1) + "\n", encoding="utf-8")
    print(f"\nall rounds are in {path}")
    return int(any(goal.value > goal.most for goal in goals))

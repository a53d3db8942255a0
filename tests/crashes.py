"""Crashes and faults from outside: `strace` counts a command's system calls, and spoils one."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.daemon_fixture import UNMEASURED

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# All that changes the world: files, their names, owners and modes, and what is said to a daemon.
CALLS = (
    *("openat", "write", "fsync", "rename", "unlink", "mkdir"),
    *("fchmod", "fchown", "connect", "sendto"),
)
# Children are begun and waited for, where a command has others do its work.
CHILDREN = ("vfork", "clone", "clone3", "wait4")
_LINE = re.compile(r"(?:(\d+) +)?(\w+)\((.*)")
SEED = int(os.environ.get("AAVA_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
_FOR_WRITING = ("O_WRONLY", "O_RDWR", "O_CREAT")
_TRACE = ("strace", "-y", "-qq", "-e", "signal=none")


@dataclass(frozen=True, slots=True)
class Point:
    """The *number*th *call* of a command's main thread, and what it was about."""

    call: str
    number: int
    about: str

    def __str__(self) -> str:
        return f"{self.call} {self.number} ({self.about[:60]})"


@dataclass(frozen=True, slots=True)
class Command:
    """A command line of `aava`, run as a user runs it.

    What is counted and spoiled is its main thread; *calls* are those of it that matter. Where
    it *follows* children and threads, they are spoiled at the same number.
    """

    words: tuple[str, ...]
    folder: Path
    calls: tuple[str, ...] = CALLS
    follows: bool = True

    def run(self, *before: str) -> subprocess.CompletedProcess[str]:
        """Run it, with the words *before* it."""
        # A trace can be repeated only where nothing depends on chance or on caches; and what is
        # written to measure the command is no call of the command's.
        environment = {
            **os.environ,
            **UNMEASURED,
            "PYTHONHASHSEED": "0",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        return subprocess.run(
            [*before, sys.executable, "-m", "aava_cli", *self.words],
            check=False,
            text=True,
            capture_output=True,
            env=environment,
            cwd=self.folder,
            timeout=120,
        )

    def _traced(
        self, calls: tuple[str, ...], trace: Path, *more: str
    ) -> subprocess.CompletedProcess[str]:
        follow = ("-f",) if self.follows else ()
        return self.run(*_TRACE, *follow, "-e", f"trace={','.join(calls)}", *more, "-o", str(trace))

    def points(self, trace: Path) -> list[Point]:
        """Run it once and return every call of it that changes something."""
        ran = self._traced(self.calls, trace)
        assert ran.returncode == 0, ran.stderr
        return parse_trace(trace.read_text("utf-8", "replace").splitlines())

    def spoiled(self, point: Point, fault: str, trace: Path) -> subprocess.CompletedProcess[str]:
        """Run it with *fault* at *point*: `signal=SIGKILL`, `error=ENOSPC`."""
        inject = f"inject={point.call}:{fault}:when={point.number}"
        return self._traced((point.call,), trace, "-e", inject)


def spoils_only_words(trace: Path) -> bool:
    """Return whether what was spoiled by *trace* is a word to whoever runs the command.

    Calls are counted, and a run may have one more or fewer than the one that was measured.
    """
    lines = trace.read_text("utf-8", "replace").splitlines()
    spoiled = [line for line in lines if "(INJECTED)" in line]
    return any(word in line for line in spoiled for word in ("write(1<", "write(2<"))


def parse_trace(lines: Sequence[str]) -> list[Point]:
    """Return the points in a trace: those of its first process that change something."""
    numbers: Counter[str] = Counter()
    points: list[Point] = []
    found = [match for match in map(_LINE.match, lines) if match]
    for thread, call, about in (match.groups() for match in found):
        if thread != found[0][1]:
            continue
        numbers[call] += 1
        if call != "openat" or any(flag in about for flag in _FOR_WRITING):
            points.append(Point(call, numbers[call], about))
    return points


def sampled(points: Sequence[Point], count: int) -> list[Point]:
    """Return *count* of *points* in their order; all of them for 0, or where there are fewer."""
    chosen = random.Random(SEED)  # noqa: S311 - the seed is told, so that a failure can be repeated
    return sorted(chosen.sample(points, min(len(points), count or len(points))), key=points.index)

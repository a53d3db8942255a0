"""Crashes and faults from outside: `strace` counts a command's system calls, and spoils one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# All that changes the world: files, their names, owners and modes, and what is said to a daemon.
CALLS = (
    *("openat", "write", "fsync", "rename", "unlink", "mkdir"),
    *("fchmod", "fchown", "connect", "sendto"),
)
_LINE = re.compile(r"(\d+) +(\w+)\((.*)")
_FOR_WRITING = ("O_WRONLY", "O_RDWR", "O_CREAT")
_TRACE = ("strace", "-f", "-y", "-qq", "-e", "signal=none", "-e")


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
    """A command line of `aava`, run as a user runs it."""

    words: tuple[str, ...]
    folder: Path

    def run(self, *before: str) -> subprocess.CompletedProcess[str]:
        """Run it, with the words *before* it."""
        # A trace can be repeated only where nothing depends on chance or on caches.
        environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.run(
            [*before, sys.executable, "-m", "aava_cli", *self.words],
            check=False,
            text=True,
            capture_output=True,
            env=environment,
            cwd=self.folder,
            timeout=60,
        )

    def points(self, trace: Path) -> list[Point]:
        """Run it once and return every call of it that changes something."""
        ran = self.run(*_TRACE, f"trace={','.join(CALLS)}", "-o", str(trace))
        assert ran.returncode == 0, ran.stderr
        return parse_trace(trace.read_text("utf-8", "replace").splitlines())

    def spoiled(self, point: Point, fault: str, trace: Path) -> subprocess.CompletedProcess[str]:
        """Run it with *fault* at *point*: `signal=SIGKILL`, `error=ENOSPC`."""
        inject = f"inject={point.call}:{fault}:when={point.number}"
        return self.run(*_TRACE, f"trace={point.call}", "-e", inject, "-o", str(trace))


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
    main = lines[0].split()[0]
    for line in lines:
        found = _LINE.match(line)
        if found is None or found[1] != main:
            continue
        call, about = found[2], found[3]
        numbers[call] += 1
        if call != "openat" or any(flag in about for flag in _FOR_WRITING):
            points.append(Point(call, numbers[call], about))
    return points

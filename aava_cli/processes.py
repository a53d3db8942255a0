"""Tell processes apart, also those of other hosts and before a restart, and which still live."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, TypeAlias

Liveness: TypeAlias = Literal["alive", "dead", "unknown"]
"""`unknown` is a process of another host, or one that cannot be looked at."""

_NAME = re.compile(r"(\d+)-(\d+)-([0-9a-f]{8})-([0-9a-f]{8})")
_STATE, _STARTED = 0, 19
_ENDED = frozenset({"Z", "X", "x"})


@dataclass(frozen=True, slots=True)
class Process:
    """One process: *place* is its host and pid namespace, *boot* that host's last start.

    As text it is part of a file's name.
    """

    pid: int
    started: int
    place: str
    boot: str

    def __str__(self) -> str:
        return f"{self.pid}-{self.started}-{self.place}-{self.boot}"


def parse_process(text: str) -> Process | None:
    """Return the process that *text* names, or None if it names none."""
    found = _NAME.fullmatch(text)
    return Process(int(found[1]), int(found[2]), found[3], found[4]) if found else None


def this_process() -> Process:
    """Return the process that asks."""
    return local_process(os.getpid())


def local_process(pid: int) -> Process:
    """Return the process *pid* of this host, which was there a moment ago."""
    _state, started = _look(pid) or ("", 0)
    return Process(pid, started, _place(), _boot())


def liveness(process: Process) -> Liveness:
    """Return whether *process* still runs; a reused pid is another process."""
    if process.place != _place():
        return "unknown"
    if process.boot != _boot():
        return "dead"
    found = _look(process.pid)
    if found is None:
        return _liveness_by_signal(process.pid)
    state, started = found
    return "alive" if started == process.started and state not in _ENDED else "dead"


def _liveness_by_signal(pid: int) -> Liveness:
    # Some hosts hide the processes of others from `/proc`.
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return "dead"
    except PermissionError:
        return "unknown"
    return "unknown"


def _look(pid: int) -> tuple[str, int] | None:
    """Return state and start of the process *pid*, in ticks of the kernel's clock."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The program's name comes second, and may itself hold spaces and brackets.
    fields = text.rpartition(")")[2].split()
    return fields[_STATE], int(fields[_STARTED])


@cache
def _place() -> str:
    try:
        namespace = Path("/proc/self/ns/pid").readlink()
    except OSError:
        namespace = Path()
    # Hosts that were cloned share a name, and containers share a kernel.
    return _short(f"{os.uname().nodename} {_first_line('/etc/machine-id')} {namespace}")


@cache
def _boot() -> str:
    return _short(_first_line("/proc/sys/kernel/random/boot_id"))


def _first_line(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]

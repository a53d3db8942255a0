"""How much of the host's memory a process really has."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

_KIB = 1024
_PROC = Path("/proc")


def host_bytes(pid: int, proc: Path = _PROC) -> int | None:
    """Return what the process *pid* has in memory, its files included; None if it is gone."""
    with suppress(OSError, ValueError, IndexError):
        for line in (proc / str(pid) / "status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * _KIB
    return None

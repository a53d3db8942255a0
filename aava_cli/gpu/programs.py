"""Run a program that may hang in the driver, where no signal reaches it."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_END_S = 0.2


@dataclass(frozen=True, slots=True)
class Ran:
    """How a program ended; *exit_code* is negative for a signal."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def said(self) -> str:
        """The first line that it printed, on either stream."""
        return (self.stdout + self.stderr).strip().partition("\n")[0]


def start(
    argv: Sequence[str], environ: Mapping[str, str] | None = None, folder: Path | None = None
) -> subprocess.Popen[str]:
    """Start *argv* in *folder* and a session of its own, *environ* added to the environment.

    Raises:
        OSError: there is no such program.
    """
    return subprocess.Popen(
        argv,
        cwd=folder,
        env={**os.environ, **(environ or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str], *, timeout_s: float) -> Ran | None:
    """Return how *process* ends within *timeout_s*, else end it and return None."""
    try:
        stdout, stderr = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        _abandon(process)
        return None
    return Ran(process.returncode, stdout, stderr)


def run(argv: Sequence[str], *, timeout_s: float, folder: Path | None = None) -> Ran | None:
    """Return how *argv* ends within *timeout_s*, or None if it does not; raises as `start`."""
    return finish(start(argv, folder=folder), timeout_s=timeout_s)


def _abandon(process: subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    # Inside the driver it cannot be ended: waiting for it would hang as well.
    with suppress(subprocess.TimeoutExpired):
        process.wait(_END_S)
    for stream in filter(None, (process.stdout, process.stderr)):
        stream.close()

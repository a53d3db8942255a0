"""A command that is sent to the background while whoever sends it goes away."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psutil

from aava_cli.jobs.launch import RECORD

if TYPE_CHECKING:
    from pathlib import Path

WAIT_S = 60.0
# Begins a job as `start_job` does, says which process it is, and ends before it wrote that down.
GONE = """
import os, sys
nowhere = os.open(os.devnull, os.O_RDWR)
gate, opening = os.pipe()
streams = [(os.POSIX_SPAWN_DUP2, source, to) for to, source in enumerate((gate, nowhere, nowhere))]
words = ["sh", "-c", *sys.argv[1:]]
print(os.posix_spawnp("sh", words, os.environ, file_actions=streams, setsid=True))
"""


def runs(pid: int) -> bool:
    """Return whether the process *pid* is there and has not ended."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_nothing_is_begun_that_nobody_wrote_down(tmp_path: Path) -> None:
    """No command would know of it, and none could end it."""
    began = tmp_path / "began"
    words = [sys.executable, "-c", GONE, RECORD, str(tmp_path / "exit"), "touch", str(began)]
    pid = int(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
    deadline = time.monotonic() + WAIT_S
    while runs(pid):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert not began.exists()

"""The daemon's processes: stopped for a while, watched, and waited for."""

from __future__ import annotations

import os
import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psutil

from tests.daemon_fixture import DEADLINE_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.daemon_fixture import RunningDaemon

MIB = 1 << 20


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """Have the process *pid* do nothing for the block."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def wait_for(reached: Callable[[], bool]) -> None:
    """Wait until *reached*."""
    deadline = time.monotonic() + DEADLINE_S
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def model_pid(daemon: RunningDaemon, role: str) -> int:
    """Return the id of the process that answers for *role*."""
    return int(daemon.status()["models"][role]["pid"])


def resident(daemon: RunningDaemon) -> int:
    """Return the memory of the daemon."""
    found: int = psutil.Process(daemon.pid).memory_info().rss
    return found

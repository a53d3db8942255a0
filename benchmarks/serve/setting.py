"""A daemon with tiny real models, and what is read from outside of it."""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

import psutil

from tests.daemon_fixture import RunningDaemon, start_daemon, write_env
from tests.engine_models import SELECTED, write_models

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_LOOK_S = 0.05
_CLOSED_S = 1.0


@contextmanager
def serving(limits: Mapping[str, float] | None = None, **env: str) -> Iterator[RunningDaemon]:
    """Run a daemon with three loaded models for the block."""
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        models = write_models(project / "models")
        write_env(project, {**SELECTED, **env})
        (project / ".aava").mkdir(mode=0o700)
        daemon = start_daemon(project, models, limits=limits)
        try:
            daemon.wait_until_loaded()
            yield daemon
        finally:
            daemon.stop()


def left_over(daemon: RunningDaemon) -> dict[str, float]:
    """Return what the daemon holds that must not grow."""
    import httpx

    process = psutil.Process(daemon.pid)
    said = httpx.get(f"http://127.0.0.1:{daemon.port}/metrics", trust_env=False).text.splitlines()
    # The connection that asked is closed on the other side as well by then.
    time.sleep(_CLOSED_S)
    tasks = next(line for line in said if line.startswith("aava_tasks "))
    return {
        "tasks": float(tasks.split()[1]),
        "threads": process.num_threads(),
        "files": process.num_fds(),
        "processes": len(process.children()),
        "resident MB": round(process.memory_info().rss / 1e6, 1),
    }


class Peak:
    """The most memory that a process had while it was watched, in bytes."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.resident_bytes = 0

    def __enter__(self) -> Self:
        """Begin to watch."""
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        """Watch no longer."""
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(_LOOK_S):
            self.resident_bytes = max(self.resident_bytes, self._process.memory_info().rss)


def status_delays_ms(daemon: RunningDaemon, done: threading.Event) -> list[float]:
    """Return how long each status took, asked one after the other until *done*."""
    delays: list[float] = []
    with daemon.connect() as client:
        while not done.wait(0.005):
            start = time.perf_counter()
            client.ask({"type": "status"})
            delays.append((time.perf_counter() - start) * 1000)
    return delays


def beside(daemon: RunningDaemon, work: Callable[[], None]) -> str:
    """Return how long *work* took, and the spread of what a status took meanwhile."""
    done = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(status_delays_ms, daemon, done)
        start = time.monotonic()
        try:
            work()
        finally:
            took_s = time.monotonic() - start
            done.set()
        return f"{took_s:.1f} s, {spread(asking.result())}"


def load_for(daemon: RunningDaemon, seconds: float) -> None:
    """Load the models of *daemon* again and again, for at least so many *seconds*."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        reply = daemon.ask({"type": "reload_models"})
        if reply["status"] != "success":
            raise SystemExit(f"the models do not load: {reply}")


def spread(delays_ms: list[float]) -> str:
    """Return the count and the spread of *delays_ms*."""
    cuts = statistics.quantiles(delays_ms, n=100, method="inclusive")
    return (
        f"{len(delays_ms)} asked, p50 {cuts[49]:.1f} ms, p99 {cuts[98]:.1f} ms, "
        f"max {max(delays_ms):.1f} ms"
    )

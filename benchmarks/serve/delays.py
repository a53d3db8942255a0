"""How long a status takes while models load, and while eight recordings are heard."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from benchmarks.serve.setting import serving, spread, status_delays_ms
from tests.serve.sounds import encoded, tone

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.daemon_fixture import RunningDaemon

_BUSY_S = 5.0
_RECORDING = {"type": "audio", "mode": "stt", "data": encoded(tone(10_000)), "request_id": "r"}


def run() -> bool:
    """Print both spreads; the answers themselves are checked, their speed is the host's."""
    with serving() as daemon:
        print("idle                 ", _beside(daemon, lambda: time.sleep(_BUSY_S)))
        print("while models load    ", _beside(daemon, lambda: _load(daemon)))
        print("8 recordings at once ", _beside(daemon, lambda: _hear(daemon)))
    return True


def _beside(daemon: RunningDaemon, work: Callable[[], None]) -> str:
    done = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(status_delays_ms, daemon, done)
        work()
        done.set()
        return spread(asking.result())


def _load(daemon: RunningDaemon) -> None:
    end = time.monotonic() + _BUSY_S
    while time.monotonic() < end:
        _require("success", daemon.ask({"type": "reload_models"})["status"])


def _hear(daemon: RunningDaemon) -> None:
    def hear(_number: int) -> str:
        with daemon.connect() as client:
            return str(client.ask(_RECORDING)["text"])

    with ThreadPoolExecutor(8) as pool:
        for text in pool.map(hear, range(8)):
            _require("first", text)


def _require(expected: str, got: str) -> None:
    if expected != got:
        raise SystemExit(f"expected `{expected}`, got `{got}`")

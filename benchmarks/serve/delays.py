"""How long a status takes while models load, and while eight recordings are heard."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from benchmarks.serve.setting import beside, load_for, serving
from tests.serve.sounds import encoded, tone

if TYPE_CHECKING:
    from tests.daemon_fixture import RunningDaemon

_BUSY_S = 5.0
_RECORDING = {"type": "audio", "mode": "stt", "data": encoded(tone(10_000)), "request_id": "r"}


def run() -> bool:
    """Print both spreads; the answers themselves are checked, their speed is the host's."""
    with serving() as daemon:
        print("idle                 ", beside(daemon, lambda: time.sleep(_BUSY_S)))
        print("while models load    ", beside(daemon, lambda: load_for(daemon, _BUSY_S)))
        print("8 recordings at once ", beside(daemon, lambda: _hear(daemon)))
    return True


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

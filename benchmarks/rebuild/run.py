"""Time how long no daemon answers while its image is rebuilt: `aava rebuild`, and Compose alone.

Run as `python -m benchmarks.rebuild.run`; asks for a Docker engine with Compose and buildx.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from websockets.exceptions import WebSocketException

from aava_cli.docker.argv import SERVICE
from aava_cli.docker.health import wait_until_well
from tests.docker_fixture import REPOSITORY, ComposeProject, new_daemon_project

if TYPE_CHECKING:
    from collections.abc import Iterator

POLL_S = 0.05
# Who waits longer for a daemon that cannot start has a finding already.
PATIENCE_S = 20.0
LINK = "|| ln -s /parts/whisper_cpp/* /app/site/"
SLOW = f"{LINK}; sleep 3"
BROKEN = f"{LINK}; echo 'raise SystemExit(3)' >/app/site/sitecustomize.py"
OURS = (sys.executable, "-m", "aava_cli", "rebuild", "whisper_cpp", "--timeout", "10")
COMPOSE = ("docker", "compose", "up", "--detach", "--build", SERVICE)


class Probe:
    """Asks the daemon every 50 ms, and remembers when it answered."""

    def __init__(self, project: ComposeProject) -> None:
        self._project = project
        self._stop = threading.Event()
        self._answers = [time.monotonic()]

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Ask for the length of the block."""
        thread = threading.Thread(target=self._ask)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()

    def _ask(self) -> None:
        while not self._stop.wait(POLL_S):
            try:
                self._project.capabilities()
            except (OSError, EOFError, WebSocketException):
                continue
            self._answers.append(time.monotonic())

    def longest_gap_s(self) -> float:
        """Return the longest time without an answer, until now."""
        moments = [*self._answers, time.monotonic()]
        return max(later - earlier for earlier, later in pairwise(moments))

    def answers_now(self) -> bool:
        """Return whether the last answer is recent."""
        return time.monotonic() - self._answers[-1] < 1


def main() -> None:
    """Print a row per way and kind of image."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    print("| image | way | longest time without an answer, s | after it |")
    print("|---|---|---|---|")
    for image, step in (("good", SLOW), ("does not start", BROKEN)):
        for name, command in (
            ("`aava rebuild`", OURS),
            ("`docker compose up -d --build`", COMPOSE),
        ):
            found = [measured(step, command) for _ in range(rounds)]
            gaps = [gap for gap, _end in found]
            ends = ", ".join(sorted({end for _gap, end in found}))
            print(f"| {image} | {name} | {median(gaps):.2f} ({max(gaps):.2f} at most) | {ends} |")


def measured(step: str, command: tuple[str, ...]) -> tuple[float, str]:
    """Return how long nothing answered while *command* ran, and what answers behind it."""
    with tempfile.TemporaryDirectory() as folder:
        project = new_daemon_project(Path(folder) / "compose")
        try:
            return _measured(project, step, command)
        finally:
            project.remove()


def _measured(project: ComposeProject, step: str, command: tuple[str, ...]) -> tuple[float, str]:
    project.build()
    project.up()
    wait_until_well(project.name, SERVICE, timeout_s=60)
    dockerfile = project.folder / "local_ai_server" / "Dockerfile"
    text = dockerfile.read_text(encoding="utf-8")
    dockerfile.write_text(text.replace(LINK, step), encoding="utf-8")
    if command is COMPOSE:
        project.write_env(INCLUDE_WHISPER_CPP="true")
    probe = Probe(project)
    environ = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    with probe.at_work():
        subprocess.run(command, cwd=project.folder, env=environ, capture_output=True, check=False)
        # The last answer of the old container may be a moment ago.
        time.sleep(1)
        deadline = time.monotonic() + PATIENCE_S
        while not probe.answers_now() and time.monotonic() < deadline:
            time.sleep(POLL_S)
        time.sleep(1)
        gap_s = probe.longest_gap_s()
        if not probe.answers_now():
            return gap_s, "nothing answers"
        able = project.capabilities()["whisper_cpp"]
        return gap_s, "the new daemon answers" if able else "the old daemon answers"


if __name__ == "__main__":
    main()

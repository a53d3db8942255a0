"""Rebuilds of projects on a real engine, and what can be seen of them from outside."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from aava_cli.docker.argv import SERVICE
from aava_cli.docker.engine import find_image, image_args
from aava_cli.docker.health import wait_until_well
from tests.docker_fixture import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.docker_fixture import ComposeProject

COMMAND_S = 240.0
ADDING = '[ "$INCLUDE_WHISPER_CPP" != true ]'


@dataclass(frozen=True, slots=True)
class State:
    """All that a rebuild changes: equal before and after one that failed."""

    env: bytes
    image: str | None
    container_image: str
    status: str

    @property
    def able(self) -> bool:
        """Whether the image that runs was built with the backend."""
        return image_args(self.container_image).get("INCLUDE_WHISPER_CPP") == "true"


def state_of(project: ComposeProject) -> State:
    """Return how *project* is now."""
    image, container = find_image(project.image), project.container()
    return State(
        project.env_file.read_bytes(),
        image.id if image else None,
        container.image_id,
        container.status,
    )


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended, and what it said."""

    code: int
    stdout: str
    stderr: str


def start(project: ComposeProject, *words: str, **environ: str) -> subprocess.Popen[str]:
    """Begin `aava` *words* on *project* as a user does, in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "aava_cli", *words],
        cwd=project.folder,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> Ended:
    """Return how *process* ended."""
    stdout, stderr = process.communicate(timeout=COMMAND_S)
    return Ended(process.returncode, stdout, stderr)


def run(project: ComposeProject, *words: str, **environ: str) -> Ended:
    """Run `aava` *words* on *project*."""
    return ended(start(project, *words, **environ))


def wait_until(reached: Callable[[], bool]) -> None:
    """Return once *reached* says so."""
    deadline = time.monotonic() + COMMAND_S
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_building(project: ComposeProject) -> bool:
    """Return whether a step of a build that takes its time is at work."""
    logs = (project.folder / ".aava" / "jobs").glob("*/build.log")
    return any((project.folder / ".aava" / "rebuild" / "compose.json").exists() for _log in logs)


def builds_of(project: ComposeProject) -> int:
    """Return how many builds were begun for *project*."""
    return len(list((project.folder / ".aava" / "jobs").glob("*/build.log")))


def add_step(project: ComposeProject, command: str) -> None:
    """Have the image run *command* while it is built, behind all other steps."""
    dockerfile = project.folder / "local_ai_server" / "Dockerfile"
    text = dockerfile.read_text(encoding="utf-8")
    head, cmd, tail = text.rpartition("CMD ")
    dockerfile.write_text(f"{head}RUN {command}\n{cmd}{tail}", encoding="utf-8")


@pytest.fixture
def serving(daemon_project: ComposeProject) -> ComposeProject:
    """Return a project whose daemon runs, and cannot do `whisper_cpp`."""
    daemon_project.build()
    daemon_project.up()
    wait_until_well(daemon_project.name, SERVICE, timeout_s=COMMAND_S)
    return daemon_project


@pytest.fixture
def looping(shell_project: ComposeProject) -> ComposeProject:
    """Return a project whose container is a loop: nothing in it answers, and it starts at once."""
    shell_project.build()
    shell_project.up()
    return shell_project

"""Rebuilds of projects on a real engine, and what can be seen of them from outside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from aava_cli.app import main
from aava_cli.docker.engine import find_image, image_args
from tests.docker_fixture import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Ran
    from tests.docker_fixture import ComposeProject

_COMMAND_S = 100


@dataclass(frozen=True, slots=True)
class State:
    """All that a rebuild changes: equal before and after one that failed."""

    env: bytes
    image: str | None
    container_image: str
    status: str
    able: bool


def state_of(project: ComposeProject) -> State:
    """Return how *project* is now; a shell project's image says what it can do."""
    image, container = find_image(project.image), project.container()
    return State(
        project.env_file.read_bytes(),
        image.id if image else None,
        container.image_id,
        container.status,
        image_args(container.image_id).get("INCLUDE_WHISPER_CPP") == "true",
    )


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


def jobs_of(project: ComposeProject) -> list[str]:
    """Return the names of the jobs that *project* has had."""
    return sorted(path.name for path in (project.folder / ".aava" / "jobs").glob("*-*"))


def builds_of(project: ComposeProject) -> int:
    """Return how many builds were begun for *project*."""
    return len(list((project.folder / ".aava" / "jobs").glob("*/build.log")))

"""What a real engine says of the daemon's container."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
from typing import TYPE_CHECKING

import pytest

from aava_cli.daemon.environment import container_environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

IMAGE = "aava-test-environment"


def docker(*words: str, stdin: bytes = b"") -> str:
    """Return what `docker` answers."""
    return subprocess.run(
        ("docker", *words), input=stdin, capture_output=True, check=True
    ).stdout.decode()


def engine_answers() -> bool:
    """Return whether there is an engine to ask."""
    if shutil.which("docker") is None:
        return False
    return subprocess.run(("docker", "info"), capture_output=True, check=False).returncode == 0


@pytest.fixture
def made(project: Path) -> Iterator[Path]:
    """Return a Compose project with a container of the daemon; skip without an engine."""
    if not engine_answers() and "CI" not in os.environ:
        pytest.skip("`docker info` fails: no Docker engine is running")
    (project / "docker-compose.yml").write_text("services:\n  local_ai_server:\n    image: x\n")
    empty = io.BytesIO()
    tarfile.open(fileobj=empty, mode="w").close()
    docker("import", "-", IMAGE, stdin=empty.getvalue())
    labels = {"service": "local_ai_server", "project.working_dir": str(project)}
    marked = (f"--label=com.docker.compose.{key}={value}" for key, value in labels.items())
    env = ("--env=LOCAL_STT_BACKEND=vosk", "--env=GREETING=a=b\nc")
    container = docker("create", *marked, *env, IMAGE, "/none").strip()
    yield project
    docker("rm", container)
    docker("rmi", IMAGE)


def test_environment_of_the_projects_container_is_read(made: Path) -> None:
    """It need not run; that of another project is not ours."""
    environment = container_environment(made, timeout_s=30.0)
    assert environment is not None
    assert ("vosk", "a=b\nc") == (environment["LOCAL_STT_BACKEND"], environment["GREETING"])
    moved = made.rename(made.with_name("moved"))
    assert container_environment(moved, timeout_s=30.0) is None

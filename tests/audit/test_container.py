"""A container's log is read through its engine."""

from __future__ import annotations

import subprocess
import uuid
from typing import TYPE_CHECKING

import pytest

from tests.audit.gate_cases import normal
from tests.audit.wrapping import logged
from tests.docker_base import SHELL, base_image

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aava_cli.docker.engine import Engine
    from tests.conftest import Aava


@pytest.fixture
def container(engine: Engine, tmp_path: Path) -> Iterator[str]:
    """Return the name of a container that has printed a call, and ended."""
    del engine
    name = f"aava-audit-{uuid.uuid4().hex[:8]}"
    log = tmp_path / "calls.log"
    log.write_bytes(logged(normal()))
    with log.open("rb") as lines:
        options = ("--interactive", "--network=none", f"--name={name}")
        words = ("docker", "run", *options, base_image(), SHELL, "cat")
        subprocess.run(words, stdin=lines, stdout=subprocess.DEVNULL, check=True, timeout=100)
    yield name
    subprocess.run(("docker", "rm", "--force", name), check=True, capture_output=True, timeout=60)


def test_container_is_audited(container: str, aava: Aava) -> None:
    """What it printed is there after its end; `--follow` ends with it."""
    for words in ((), ("--follow",)):
        done = aava("audit", f"docker:{container}", *words)
        assert 0 == done.exit_code, done.stderr
        assert "coverage: 1 call" in done.stdout


def test_container_that_is_not_there_is_told(engine: Engine, aava: Aava) -> None:
    """With the engine's own words."""
    del engine
    done = aava("audit", "docker:aava-no-such-container")
    assert 2 == done.exit_code
    assert "no such" in done.stderr.lower()


def test_engine_that_does_not_answer_is_no_failed_check(
    aava: Aava, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is nothing to be read there."""
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    assert 2 == aava("audit", "docker:prosaas-backend").exit_code
    monkeypatch.setenv("PATH", "")
    assert 2 == aava("audit", "docker:prosaas-backend").exit_code

"""Rebuilds on an engine that stops in the middle, and on one whose disk is full."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.docker_fixture import ComposeProject, missing, new_shell_project
from tests.rebuild.conftest import (
    ADDING,
    add_step,
    builds_of,
    ended,
    is_building,
    run,
    start,
    state_of,
    wait_until,
)
from tests.rebuild.own_engine import OwnEngine, mount_disk, unmount_disk

if TYPE_CHECKING:
    from collections.abc import Iterator

MIB = 1 << 20
# Enough to begin a build, which wants five gigabytes, and not for what the build then takes.
DISK_BYTES = 5800 * MIB
SMALL_BYTES = 300 * MIB
# The new image is never well.
CHECK = '[ "$$(cat /whisper_cpp)" != true ]'


@pytest.fixture
def disk_bytes(request: pytest.FixtureRequest) -> int:
    """Return how large the engine's disk is."""
    size: int = getattr(request, "param", DISK_BYTES)
    return size


@pytest.fixture
def own_engine(
    tmp_path: Path, disk_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> Iterator[OwnEngine]:
    """Have every `docker` of the test speak to an engine that nobody else uses."""
    if os.geteuid() != 0 or shutil.which("dockerd") is None:
        missing("only root can start an engine")
    # A socket's path may have a hundred letters, and containerd's are deep.
    folder = Path(tempfile.mkdtemp(prefix="aava-"))
    mount_disk(tmp_path / "disk", folder, disk_bytes)
    engine = OwnEngine(folder)
    try:
        if not engine.start():
            missing((folder / "log").read_text(encoding="utf-8")[-2000:])
        monkeypatch.setenv("DOCKER_HOST", engine.address)
        yield engine
    finally:
        engine.stop()
        unmount_disk(folder)
        folder.rmdir()


@pytest.fixture
def looping_apart(own_engine: OwnEngine, tmp_path: Path) -> Iterator[ComposeProject]:
    """Return a project on that engine whose container is a loop."""
    assert own_engine.process is not None
    project = new_shell_project(tmp_path / "compose", check=CHECK)
    project.build()
    project.up()
    yield project
    project.remove()


def runs(project: ComposeProject) -> bool:
    """Return whether the container of *project* is up again."""
    return project.container().status == "running"


def test_engine_that_stops_during_the_build(
    looping_apart: ComposeProject, own_engine: OwnEngine
) -> None:
    """Nothing was begun, so nothing is left to undo."""
    add_step(looping_apart, f"{ADDING} || sleep 60")
    before = state_of(looping_apart)
    process = start(looping_apart, "rebuild", "whisper_cpp")
    wait_until(lambda: is_building(looping_apart))
    own_engine.stop()
    assert 1 == ended(process).code
    assert own_engine.start()
    wait_until(lambda: runs(looping_apart))
    assert before == state_of(looping_apart)


def test_engine_that_stops_while_the_container_is_replaced(
    looping_apart: ComposeProject, own_engine: OwnEngine
) -> None:
    """The undo waits for the engine: `aava recover` brings everything back."""
    before = state_of(looping_apart)
    process = start(looping_apart, "rebuild", "whisper_cpp")
    wait_until(lambda: before.container_image != state_of(looping_apart).container_image)
    own_engine.stop()
    assert 4 == ended(process).code
    assert own_engine.start()
    assert 4 == run(looping_apart, "rebuild", "whisper_cpp").code
    assert 0 == run(looping_apart, "recover").code
    assert before == state_of(looping_apart)


def test_disk_that_fills_up_during_the_build(looping_apart: ComposeProject) -> None:
    """It is said so, and what runs goes on."""
    add_step(looping_apart, f"{ADDING} || fallocate -l 7G /large")
    before = state_of(looping_apart)
    failed = run(looping_apart, "rebuild", "whisper_cpp")
    assert (8, before) == (failed.code, state_of(looping_apart)), failed.stderr
    assert "docker system df" in failed.stderr


@pytest.mark.parametrize("disk_bytes", [SMALL_BYTES], indirect=True)
def test_small_disk_is_noticed_before_the_build(looping_apart: ComposeProject) -> None:
    """What is needed and what is there are named."""
    refused = run(looping_apart, "rebuild", "whisper_cpp")
    assert (8, 0) == (refused.code, builds_of(looping_apart))
    assert "need 5.0 GB for images" in refused.stderr

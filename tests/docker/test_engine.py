"""The engine and Compose, asked for real."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from aava_cli.docker.argv import GPU_OVERLAY, SERVICE, Project
from aava_cli.docker.calls import end_orphans, started
from aava_cli.docker.compose import (
    find_project,
    find_service,
    parse_service,
    read_config,
    read_service,
)
from aava_cli.docker.engine import (
    find_container,
    find_image,
    inspect_container,
    last_words,
    remove_container,
    remove_tag,
    require_engine,
    tag_image,
)
from aava_cli.docker.gpu import compute_capabilities, has_usable_gpu
from aava_cli.docker.health import ContainerFailed, is_well, wait_until_well
from aava_cli.docker.mounts import host_path
from aava_cli.docker.problems import ContainerMissing, EngineFailed
from aava_cli.errors import NotFound
from aava_cli.gpu.facts import Gpu, Gpus
from tests.docker_fixture import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aava_cli.docker.engine import Engine
    from tests.docker_fixture import ComposeProject


GPUS = Gpus((Gpu("NVIDIA L4", "GPU-1", compute=(8, 9)), Gpu("unnamed GPU", "GPU-2")))


@contextmanager
def left_behind(folder: Path) -> Iterator[psutil.Process]:
    """Start what a killed aava would leave running on the project *folder*."""
    with started(("sleep", "1000"), folder=folder) as process:
        yield psutil.Process(process.pid)


def test_engine_says_who_it_is(engine: Engine) -> None:
    """The id tells engines apart; the version is the server's."""
    words = ["docker", "info", "--format", "{{.ID}} {{.ServerVersion}} {{.DockerRootDir}}"]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    assert said == [engine.id, engine.version, str(engine.root)]


def test_image_is_found_tagged_and_untagged(shell_project: ComposeProject) -> None:
    """A tag is a name that moves; the image stays."""
    shell_project.build()
    image = find_image(shell_project.image)
    assert image is not None
    kept = f"{shell_project.name}-kept:1"
    tag_image(image.id, kept)
    found = find_image(kept)
    remove_tag(kept)
    assert found is not None
    assert {kept, shell_project.image} == set(found.tags)
    assert (image.id, image.size_bytes, None) == (found.id, found.size_bytes, find_image(kept))


def test_what_compose_makes_of_the_service(shell_project: ComposeProject) -> None:
    """Name, image and arguments are Compose's, not guesses."""
    shell_project.write_env(INCLUDE_WHISPER_CPP="true")
    service = shell_project.service()
    assert (shell_project.name, shell_project.image, "Dockerfile", False) == (
        service.project.name,
        service.image,
        service.dockerfile,
        service.asks_for_gpu,
    )
    assert {"INCLUDE_WHISPER_CPP": "true", "INCLUDE_LLAMA": "true"} == service.build_args


def test_environment_wins_over_the_file_for_build_arguments(shell_project: ComposeProject) -> None:
    """A build can be tried without a word in `.env`."""
    project = shell_project.target()
    service = read_service(project, environ={"INCLUDE_WHISPER_CPP": "true"})
    assert "true" == service.build_args["INCLUDE_WHISPER_CPP"]


def test_project_is_named_by_compose(
    shell_project: ComposeProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The environment may name it otherwise than the file."""
    monkeypatch.setenv("COMPOSE_PROJECT_NAME", "other")
    assert "other" == shell_project.target().name


def test_overlay_joins_on_a_usable_gpu(shell_project: ComposeProject, engine: Engine) -> None:
    """The GPU image has another name, other defaults, and asks for a device."""
    assert engine.id
    project = shell_project.target()
    overlay = shell_project.folder / GPU_OVERLAY
    service = read_service(replace(project, files=(*project.files, overlay)))
    assert (f"{shell_project.name}-local-ai-server-gpu:latest", "Dockerfile.gpu", True) == (
        service.image,
        service.dockerfile,
        service.asks_for_gpu,
    )


def test_overlay_stays_out_where_the_engine_has_no_gpu(
    shell_project: ComposeProject, engine: Engine
) -> None:
    """A driver alone does not put a device into a container."""
    without = replace(engine, runtimes=("runc",), has_gpu_devices=False)
    files = find_project(shell_project.folder, {}, without).files
    assert (shell_project.folder / "docker-compose.yml",) == files


def test_compose_file_of_env_is_honoured(shell_project: ComposeProject, engine: Engine) -> None:
    """Compose reads it from `.env` when the environment does not name one."""
    env = {"COMPOSE_FILE": "docker-compose.yml;x.yml", "COMPOSE_PATH_SEPARATOR": ";"}
    files = find_project(shell_project.folder, env, engine).files
    assert ["docker-compose.yml", "x.yml"] == [path.name for path in files]


@pytest.mark.parametrize(("gpus", "usable"), [(GPUS, True), (Gpus(), False)])
def test_gpu_is_usable_when_engine_and_driver_agree(
    engine: Engine, gpus: Gpus, *, usable: bool
) -> None:
    """The engine offers devices, and the driver sees one."""
    offering = replace(engine, runtimes=("runc", "nvidia"))
    assert usable == has_usable_gpu(offering, gpus)


def test_gpu_is_no_use_to_an_engine_that_offers_none(engine: Engine) -> None:
    """Containers of it run on the CPU, whatever the driver sees."""
    bare = replace(engine, runtimes=("runc",), has_gpu_devices=False)
    assert not has_usable_gpu(bare, GPUS)


def test_device_of_another_host_is_the_engines_to_know(engine: Engine) -> None:
    """This host's driver says nothing about it."""
    there = replace(engine, endpoint="ssh://gpu-box", has_gpu_devices=True)
    assert has_usable_gpu(there, Gpus())


def test_devices_tell_what_they_can_compute() -> None:
    """As far as they say; here they are what the driver lists."""
    assert ((8, 9),) == compute_capabilities(GPUS)
    nodes = [path for path in Path("/dev").glob("nvidia*") if path.name[6:].isdigit()]
    assert bool(nodes) == bool(compute_capabilities())


def test_build_of_another_tag_is_described(shell_project: ComposeProject) -> None:
    """All that Compose says of the build stays; an empty argument would replace a pinned one."""
    config = read_config(shell_project.target())
    service = find_service(shell_project.target(), {**config, "secrets": {"s": {}}})
    given = {"A": "x$$y", "EMPTY": ""}
    described = service.with_build({**config, "secrets": {"s": {}}}, image="other", args=given)
    built = described["services"][SERVICE]
    expected = {**config["services"][SERVICE]["build"], "args": {"A": "x$$y"}}
    assert ("other", expected, {"s": {}}) == (built["image"], built["build"], described["secrets"])


def test_service_that_is_not_there_is_named(shell_project: ComposeProject) -> None:
    """The nearest names help with a spelling mistake."""
    with pytest.raises(NotFound, match=SERVICE):
        read_service(Project(shell_project.folder, ()), "local-ai-server")


def test_files_that_compose_cannot_read_are_named(shell_project: ComposeProject) -> None:
    """Compose needs the `.env` that the service names."""
    shell_project.env_file.unlink()
    with pytest.raises(EngineFailed, match=r"\.env not found"):
        shell_project.service()


def test_service_without_an_image_is_named_by_its_project() -> None:
    """Compose joins both with a dash."""
    service = parse_service(Project(Path("/x"), (), "agent"), "web", {"build": None})
    assert ("agent-web", None, {}) == (service.image, service.context, service.build_args)


def test_container_is_found_with_its_mounts(shell_project: ComposeProject) -> None:
    """`.env` says /app/models; the host's folder is where the container's mount says."""
    shell_project.build()
    container = shell_project.up()
    assert "running" == container.status
    found = host_path("/app/models/stt/x.bin", container.mounts)
    assert shell_project.folder / "models/stt/x.bin" == found


def test_no_container_before_the_first_start(shell_project: ComposeProject) -> None:
    """A project may never have been started."""
    assert find_container(shell_project.name, SERVICE) is None


def test_container_that_is_gone_is_missing(engine: Engine) -> None:
    """Another program may have removed it."""
    assert engine.id
    with pytest.raises(ContainerMissing):
        inspect_container("aava-no-such-container")


def test_well_container_is_known_before_the_engines_own_round(
    shell_project: ComposeProject,
) -> None:
    """The engine looks once a minute; its check is run at once instead."""
    shell_project.build()
    shell_project.up()
    container = wait_until_well(shell_project.name, SERVICE, timeout_s=30)
    assert ("starting", True) == (container.health, is_well(container))


def test_well_by_the_engines_word_is_well(shell_project: ComposeProject) -> None:
    """What the engine found out need not be asked again, and without a check running is all."""
    shell_project.build()
    container = shell_project.up()
    assert is_well(replace(container, health="healthy"))
    assert is_well(replace(container, check=None))
    assert not is_well(replace(container, status="created"))


def test_container_that_ends_is_quoted(shell_project: ComposeProject) -> None:
    """The last line that it printed says more than its exit code."""
    shell_project.build()
    shell_project.write_env(MODE="dies")
    shell_project.up()
    with pytest.raises(ContainerFailed, match=r"ended.*mode is dies"):
        wait_until_well(shell_project.name, SERVICE, timeout_s=30)


def test_container_that_was_stopped_is_not_waited_for(shell_project: ComposeProject) -> None:
    """Nobody will start it again."""
    shell_project.build()
    shell_project.up()
    shell_project.compose("stop", SERVICE)
    with pytest.raises(ContainerFailed, match="ended with 0"):
        wait_until_well(shell_project.name, SERVICE, timeout_s=30)


def test_container_that_the_engine_gave_up_is_not_waited_for(shell_project: ComposeProject) -> None:
    """The engine has asked as often as the Compose file says."""
    compose_file = shell_project.folder / "docker-compose.yml"
    text = compose_file.read_text(encoding="utf-8")
    for slow, quick in (("60s", "1s"), ("retries: 30", "retries: 1"), ("120s", "0s")):
        text = text.replace(slow, quick)
    compose_file.write_text(text, encoding="utf-8")
    shell_project.build()
    shell_project.write_env(MODE="sick")
    shell_project.up()
    with pytest.raises(ContainerFailed, match="is unhealthy"):
        wait_until_well(shell_project.name, SERVICE, timeout_s=30)


def test_container_that_never_gets_well_is_given_up(shell_project: ComposeProject) -> None:
    """A timeout is a failure."""
    shell_project.build()
    shell_project.write_env(MODE="sick")
    container = shell_project.up()
    with pytest.raises(ContainerFailed, match="is not healthy after 1 s"):
        wait_until_well(shell_project.name, SERVICE, timeout_s=1)
    assert ("mode is sick",) == last_words(container)


def test_container_that_was_not_replaced_is_not_waited_for(shell_project: ComposeProject) -> None:
    """The old one being well proves nothing."""
    shell_project.build()
    old = shell_project.up()
    with pytest.raises(ContainerFailed, match="no new container"):
        wait_until_well(shell_project.name, SERVICE, other_than=old.id, timeout_s=30)


def test_orphans_of_this_project_are_ended(tmp_path: Path) -> None:
    """What a killed aava left at work would overtake whoever recovers."""
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.mkdir()
    theirs.mkdir()
    with left_behind(ours) as orphan, left_behind(theirs) as other:
        end_orphans(ours)
        assert (False, True) == (_runs(orphan), _runs(other))


def _runs(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def test_no_child_outlives_its_call() -> None:
    """Compose is a child of `docker`; both end when the caller does."""
    with started(("sh", "-c", "sleep 1000 & wait")) as process:
        (child,) = _children(process.pid)
    deadline = time.monotonic() + 10
    while _runs_as(child):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _children(pid: int) -> list[int]:
    deadline = time.monotonic() + 10
    while not (found := [each.pid for each in psutil.Process(pid).children()]):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def _runs_as(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_engine_is_the_one_that_the_context_names(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`docker context` decides, as it does for the user."""
    socket = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    words = ["docker", "context", "create", "here", "--docker", f"host={socket}"]
    subprocess.run(words, capture_output=True, check=True)
    monkeypatch.setenv("DOCKER_CONTEXT", "here")
    assert engine == require_engine()


def test_container_that_is_removed_twice_is_gone(shell_project: ComposeProject) -> None:
    """Another program may have been faster."""
    shell_project.build()
    container = shell_project.up()
    remove_container(container.id)
    remove_container(container.id)
    assert find_container(shell_project.name, SERVICE) is None


@pytest.mark.parametrize(("ci", "outcome"), [("", "1 skipped"), ("1", "1 error")])
def test_without_an_engine_tests_are_skipped_but_fail_in_ci(ci: str, outcome: str) -> None:
    """A user may have no Docker; what decides over a change must have it."""
    test = "tests/docker/test_engine.py::test_engine_says_who_it_is"
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", test],
        cwd=REPOSITORY,
        env={**os.environ, "DOCKER_HOST": "tcp://127.0.0.1:1", "CI": ci},
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome in ran.stdout

"""The command lines that Compose gets, and the files that it is given."""

from __future__ import annotations

from pathlib import Path

import pytest

from aava_cli.docker import argv
from aava_cli.docker.argv import GPU_OVERLAY, Project, compose_files

FOLDER = Path("/srv/agent")
PROJECT = Project(FOLDER, (FOLDER / "docker-compose.yml", FOLDER / GPU_OVERLAY), "agent")
START = (
    *("docker", "compose", "--ansi=never", "--file=/srv/agent/docker-compose.yml"),
    *("--file=/srv/agent/docker-compose.gpu.yml", "--project-name=agent"),
)
BUILD = ("--progress=plain", "build")


def names(*paths: str, chosen: str | None = None, on_gpu: bool = False) -> tuple[str, ...]:
    """Return which of the files *paths* Compose is given."""
    files = compose_files(FOLDER, set(paths), chosen, separator=":", on_gpu=on_gpu)
    return tuple(str(path.relative_to(FOLDER)) for path in files)


def test_up_replaces_one_service_and_builds_nothing() -> None:
    """Upstream's files say that a plain `up` builds; other services are left alone."""
    words = ("up", "--detach", "--no-build", "--no-deps", "--force-recreate", "local_ai_server")
    assert (*START, *words) == argv.up(PROJECT, "local_ai_server")


def test_build_arguments_are_passed_in_order() -> None:
    """Each becomes an option of its own."""
    given = {"KROKO_SERVER_SHA256": "ab", "OTHER": "1"}
    words = (*BUILD, "--build-arg=KROKO_SERVER_SHA256=ab", "--build-arg=OTHER=1", "s")
    assert (*START, *words) == argv.build(PROJECT, "s", given)


def test_empty_build_argument_never_replaces_what_the_image_pins() -> None:
    """An empty checksum would turn the check off."""
    assert (*START, *BUILD, "s") == argv.build(PROJECT, "s", {"ONNX_RUNTIME_SHA256": ""})


def test_cache_is_left_out_only_on_request() -> None:
    """A rebuild from nothing takes many minutes."""
    assert (*START, *BUILD, "--no-cache", "s") == argv.build(PROJECT, "s", {}, use_cache=False)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (argv.ps, ("ps", "--all", "--format=json", "s")),
        (argv.images, ("images", "--format=json", "s")),
        (argv.create, ("create", "--no-build", "--force-recreate", "s")),
        (argv.remove, ("rm", "--stop", "--force", "s")),
    ],
)
def test_commands_on_one_service(command: argv.OnService, words: tuple[str, ...]) -> None:
    """Each names the service, and asks for what can be parsed."""
    assert (*START, *words) == command(PROJECT, "s")


def test_project_without_a_name_leaves_it_to_compose() -> None:
    """The first question is what the name is."""
    expected = ("docker", "compose", "--ansi=never", "--profile=*", "config", "--format=json")
    assert expected == argv.config(Project(FOLDER, ()))


def test_override_is_read_as_compose_reads_it() -> None:
    """Naming files turns Compose's own search off."""
    expected = ("docker-compose.yml", "docker-compose.override.yml")
    assert expected == names("docker-compose.override.yml", "docker-compose.yml", "x.yml")


def test_newer_names_go_first() -> None:
    """Compose prefers `compose.yaml` where both are there."""
    assert ("compose.yaml",) == names("docker-compose.yml", "compose.yaml")


def test_overlay_comes_last_on_a_gpu() -> None:
    """The last file wins."""
    expected = ("docker-compose.yml", "docker-compose.override.yml", GPU_OVERLAY)
    present = ("docker-compose.yml", "docker-compose.override.yml", GPU_OVERLAY)
    assert expected == names(*present, on_gpu=True)


def test_overlay_stays_out_without_a_gpu() -> None:
    """With it, the container would not start."""
    assert ("docker-compose.yml",) == names("docker-compose.yml", GPU_OVERLAY)


def test_overlay_that_is_not_there_is_not_named() -> None:
    """A project may have none."""
    assert ("docker-compose.yml",) == names("docker-compose.yml", on_gpu=True)


def test_files_that_the_operator_chose_are_kept() -> None:
    """`COMPOSE_FILE` is the operator's word; the overlay is added to it."""
    chosen = "docker-compose.yml:mine/extra.yml"
    expected = ("docker-compose.yml", "mine/extra.yml", GPU_OVERLAY)
    assert expected == names(GPU_OVERLAY, chosen=chosen, on_gpu=True)


def test_overlay_that_the_operator_chose_is_not_doubled() -> None:
    """Compose would append its list of devices twice."""
    chosen = f"docker-compose.yml:./{GPU_OVERLAY}"
    assert ("docker-compose.yml", GPU_OVERLAY) == names(GPU_OVERLAY, chosen=chosen, on_gpu=True)


def test_folder_without_compose_files_names_none() -> None:
    """Compose then says so better than we could."""
    assert () == names("README.md")

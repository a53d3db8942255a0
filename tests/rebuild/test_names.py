"""Images, files and folders that go by other names than usual."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from aava_cli.docker.argv import SERVICE
from aava_cli.docker.engine import find_image
from aava_cli.docker.tagging import sibling
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

if TYPE_CHECKING:
    from pathlib import Path

    from tests.docker_fixture import ComposeProject


def docker(*words: str) -> str:
    """Return what `docker` *words* prints."""
    return subprocess.run(
        ["docker", *words], check=True, capture_output=True, text=True
    ).stdout.strip()


def built(project: ComposeProject) -> dict[str, object]:
    """Build a backend in, and return what was answered."""
    done = run(project, "rebuild", "whisper_cpp", "--json")
    assert 0 == done.code, done.stderr
    result: dict[str, object] = json.loads(done.stdout)["result"]
    return result


def test_image_that_lost_its_name_is_not_replaced(serving: ComposeProject) -> None:
    """There would be no way back to it; the hint gives it its name again."""
    built(serving)
    before = state_of(serving)
    docker("tag", serving.container().image_id, f"{serving.name}:kept")
    docker("rmi", serving.image)
    for words in (("rebuild", "rollback"), ("rebuild", "--without", "whisper_cpp")):
        refused = run(serving, *words)
        assert (1, True) == (refused.code, "has lost its name" in refused.stderr)
    hint = refused.stderr.partition("`docker tag ")[2].partition("`")[0]
    docker("tag", *hint.split())
    assert before == state_of(serving)
    assert 0 == run(serving, "rebuild", "rollback").code


def test_image_that_was_built_and_never_started_is_not_taken_for_the_old_one(
    serving: ComposeProject,
) -> None:
    """Going back would bring an image that nobody ever ran."""
    built(serving)
    add_step(serving, "echo later >/later")
    serving.build()
    before = state_of(serving)
    refused = run(serving, "rebuild", "rollback")
    assert (1, before) == (refused.code, state_of(serving))
    assert "it was built since" in refused.stderr


@pytest.mark.parametrize("is_good", [True, False])
def test_container_made_under_another_name_is_replaced_and_brought_back(
    serving: ComposeProject, *, is_good: bool
) -> None:
    """The GPU's overlay names another image than the one that was started before it came."""
    first = serving.container()
    override = serving.folder / "docker-compose.override.yml"
    other = f"{serving.name}-local-ai-server-gpu:latest"
    override.write_text(f"services:\n  {SERVICE}:\n    image: {other}\n", encoding="utf-8")
    if not is_good:
        add_step(serving, f"{ADDING} || echo 'raise SystemExit(3)' >/app/site/sitecustomize.py")
    done = run(serving, "rebuild", "whisper_cpp", "--timeout", "20")
    now = serving.container()
    if is_good:
        assert (0, other, True) == (done.code, now.image, serving.capabilities()["whisper_cpp"])
        kept = json.loads(run(serving, "rebuild", "list", "--json").stdout)["result"]
        assert first.image_id.partition(":")[2][:12] == kept["generations"][0]["image"]
    else:
        assert (3, first.image, first.image_id) == (done.code, now.image, now.image_id)
        assert find_image(other) is None
    for tag in ("latest", "aava-generation-1"):
        subprocess.run(["docker", "rmi", sibling(other, tag)], check=False, capture_output=True)


def test_further_names_in_the_file_are_not_moved_by_a_build(serving: ComposeProject) -> None:
    """One of them may be what serves."""
    file = serving.folder / "docker-compose.yml"
    text = file.read_text(encoding="utf-8")
    tags = f"build:\n      tags: ['{serving.image}']"
    file.write_text(text.replace("build:", tags, 1), encoding="utf-8")
    add_step(serving, f"{ADDING} || exit 1")
    before = state_of(serving)
    assert (1, before) == (run(serving, "rebuild", "whisper_cpp").code, state_of(serving))
    add_step(serving, "true")
    dockerfile = serving.folder / "local_ai_server" / "Dockerfile"
    spoiled = dockerfile.read_text(encoding="utf-8")
    dockerfile.write_text(spoiled.replace("|| exit 1", "|| true"), encoding="utf-8")
    built(serving)


def test_service_of_a_profile_is_found(serving: ComposeProject) -> None:
    """Compose itself enables the profile of a service that is named."""
    file = serving.folder / "docker-compose.yml"
    text = file.read_text(encoding="utf-8")
    named = f"{SERVICE}:\n    profiles: [local]"
    file.write_text(text.replace(f"{SERVICE}:", named, 1), encoding="utf-8")
    built(serving)
    assert 0 == run(serving, "rebuild", "rollback").code


def test_project_is_known_by_any_name_of_its_file(looping: ComposeProject) -> None:
    """Compose's own newer name, and one that `.env` gives."""
    file = looping.folder / "docker-compose.yml"
    file = file.rename(looping.folder / "compose.yaml")
    found = run(looping, "rebuild", "whisper_cpp", "--dry-run")
    assert (0, True) == (found.code, "whisper_cpp" in found.stdout), found.stderr
    (looping.folder / "deploy").mkdir()
    file.rename(looping.folder / "deploy" / "dc.yml")
    looping.write_env(COMPOSE_FILE="deploy/dc.yml")
    words = ("rebuild", "whisper_cpp", "--dry-run", "--project", str(looping.folder))
    # The context is now another one; that the file was read is all that counts.
    assert "no Compose file" not in run(looping, *words).stderr


def test_upgrade_is_seen_through_a_link_and_a_folder_above(
    looping: ComposeProject, tmp_path: Path
) -> None:
    """Its container sees the project by another path."""
    link, name = tmp_path / "link", f"aava-update-ephemeral-{looping.name}"
    link.symlink_to(looping.folder)
    mount = f"--volume={tmp_path}:/above"
    docker("run", "--detach", f"--name={name}", "--network=none", mount, looping.image)
    try:
        refused = run(looping, "rebuild", "whisper_cpp", "--project", str(link))
    finally:
        docker("rm", "--force", name)
    assert (5, 0) == (refused.code, builds_of(looping))
    assert name in refused.stderr


def test_other_checkout_of_the_same_project_does_not_replace_it(
    looping: ComposeProject, tmp_path: Path
) -> None:
    """Two folders would overwrite each other's image, and one's `.env` would be wrong."""
    other = tmp_path / "other"
    shutil.copytree(looping.folder, other, ignore=shutil.ignore_patterns(".aava"))
    refused = run(looping, "rebuild", "whisper_cpp", "--project", str(other))
    assert (1, True) == (refused.code, "made from another folder" in refused.stderr)


def test_what_root_makes_belongs_to_whose_project_it_is(looping: ComposeProject) -> None:
    """Its owner sees the job, and is not locked out afterwards."""
    if os.geteuid() != 0:
        pytest.skip("only root makes files for others")
    for path in (looping.folder, *looping.folder.iterdir()):
        os.chown(path, 1234, 1234)
    add_step(looping, f"{ADDING} || sleep 60")
    process = start(looping, "rebuild", "whisper_cpp")
    wait_until(lambda: is_building(looping))
    second = run(looping, "rebuild", "whisper_cpp", "--detach")
    state = looping.folder / ".aava"
    made = (state, *state.rglob("*"))
    others = [path for path in made if path.stat().st_uid != 1234]
    process.terminate()
    assert (143, []) == (ended(process).code, others)
    assert (5, True) == (second.code, "rebuild-1: aava rebuild" in second.stderr)


def test_backend_that_is_not_there_stays_out_of_the_next_build(looping: ComposeProject) -> None:
    """Nothing is built for it; `.env` says so, once."""
    looping.write_env(MODE="well", INCLUDE_WHISPER_CPP="true")
    container = looping.container().id
    done = run(looping, "rebuild", "--without", "whisper_cpp")
    assert (0, 0, container) == (done.code, builds_of(looping), looping.container().id)
    assert "written   INCLUDE_WHISPER_CPP=false" in done.stdout
    assert b"INCLUDE_WHISPER_CPP=false\n" in looping.env_file.read_bytes()
    again = run(looping, "rebuild", "--without", "whisper_cpp")
    assert (0, False) == (again.code, "written" in again.stdout)


def test_generation_that_a_container_holds_stops_no_other_from_going(
    serving: ComposeProject,
) -> None:
    """Somebody looks into an old image; the others go all the same."""
    built(serving)
    held = docker("create", sibling(serving.image, "aava-generation-1"))
    try:
        for number in range(5):
            add_step(serving, f"echo {number} >/number")
            words = ("--without", "whisper_cpp") if number % 2 == 0 else ("whisper_cpp",)
            assert 0 == run(serving, "rebuild", *words).code
        tags = docker("images", "--format={{.Tag}}", serving.image.partition(":")[0]).split()
    finally:
        docker("rm", held)
    assert {"latest", *(f"aava-generation-{each}" for each in (1, 4, 5, 6))} == set(tags)


def test_secret_of_a_build_is_in_no_text(looping: ComposeProject) -> None:
    """Neither as it is written nor as the build sees it, on no screen and in no file."""
    file = looping.folder / "docker-compose.yml"
    text = file.read_text(encoding="utf-8")
    argument = "args:\n        BUILD_TOKEN: ${BUILD_TOKEN}"
    file.write_text(text.replace("args:", argument, 1), encoding="utf-8")
    value = "hun$$ter2secret"
    looping.write_env(MODE="well", BUILD_TOKEN=value)
    told = f'{ADDING} || {{ echo "is $BUILD_TOKEN"; exit 1; }}'
    add_step(looping, f"true\nARG BUILD_TOKEN\nRUN {told}")
    texts = []
    for words in (("--dry-run", "--json"), ("--dry-run",), ("--events",), ("--without=melotts",)):
        ran = run(looping, "rebuild", "whisper_cpp", *words)
        texts += [ran.stdout, ran.stderr]
    logs = (looping.folder / ".aava").rglob("*")
    texts += [path.read_text("utf-8", "replace") for path in logs if path.is_file()]
    assert [] == [each for each in texts if "ter2secret" in each]
    assert any("is ***" in each for each in texts)

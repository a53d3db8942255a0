"""Rebuilds of a real daemon in a real container: done, refused, and taken back."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Self

import pytest
from websockets.exceptions import WebSocketException

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
from tests.tiny_models import write_whisper

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.docker_fixture import ComposeProject


# What a daemon that is not there yet, or not any more, does to who asks.
UNANSWERED = (OSError, EOFError, WebSocketException)


class Probe:
    """Asks the daemon every 50 ms what it can do, and remembers what it said."""

    def __init__(self, project: ComposeProject) -> None:
        self._project = project
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self.answers: list[tuple[float, bool]] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _ask(self) -> None:
        while not self._stop.wait(0.05):
            try:
                able = self._project.capabilities()["whisper_cpp"]
            except UNANSWERED:
                continue
            self.answers.append((time.monotonic(), able))

    @property
    def said(self) -> list[bool]:
        """What the daemon said, each change of it once."""
        found = [able for _when, able in self.answers]
        return [each for index, each in enumerate(found) if found[index - 1 : index] != [each]]


def test_backend_is_built_in_while_the_old_image_serves(serving: ComposeProject) -> None:
    """The old daemon answers through the whole build, then the new one does."""
    add_step(serving, f"{ADDING} || sleep 1")
    before = state_of(serving)
    with Probe(serving) as probe:
        process = start(serving, "rebuild", "whisper_cpp", "--json")
        wait_until(lambda: is_building(serving))
        assert before == state_of(serving)
        done = ended(process)
    result = json.loads(done.stdout)["result"]
    assert (0, ["whisper_cpp"], "rebuild-1") == (done.code, result["added"], result["job"])
    assert [False, True] == probe.said
    assert b"INCLUDE_WHISPER_CPP=true\n" in serving.env_file.read_bytes()
    assert serving.capabilities()["llama"]
    assert find_image(sibling(serving.image, "aava-candidate")) is None
    _require_idle_second_time(serving)


def _require_idle_second_time(project: ComposeProject) -> None:
    container, builds = project.container().id, builds_of(project)
    again = run(project, "rebuild", "whisper-cpp")
    assert (0, "already so: nothing was built, nothing was started again\n") == (
        again.code,
        again.stdout,
    )
    assert (container, builds) == (project.container().id, builds_of(project))


def test_way_back_and_forth_and_what_is_kept(serving: ComposeProject) -> None:
    """Generations are images with the `.env` of their time; three of them stay."""
    first = state_of(serving)
    assert 0 == run(serving, "rebuild", "whisper_cpp").code
    second = state_of(serving)
    undo = run(serving, "undo", "--json")
    assert "aava rebuild rollback" in json.loads(undo.stdout)["error"]["hint"]
    assert "holds" not in run(serving, "rebuild", "rollback", "--dry-run").stdout
    assert 0 == run(serving, "rebuild", "rollback").code
    assert first == state_of(serving)
    assert not serving.capabilities()["whisper_cpp"]
    assert 0 == run(serving, "rebuild", "rollback").code
    assert second.image == state_of(serving).image
    for number in range(4):
        add_step(serving, f"echo {number} >/number")
        words = ("--without", "whisper_cpp") if number % 2 == 0 else ("whisper_cpp",)
        assert 0 == run(serving, "rebuild", *words).code
    listed = json.loads(run(serving, "rebuild", "list", "--json").stdout)["result"]["generations"]
    assert [1, 2, 3] == [each["number"] for each in listed]
    assert ["llama"] == listed[0]["holds"]
    assert (10, 10) == (
        run(serving, "rebuild", "rollback", "4").code,
        run(serving, "rebuild", "rollback", "9", "--dry-run").code,
    )


FAILURES = {
    "source does not compile": ("echo 'x.c:1: fatal error: no such header' >&2; exit 1", 1),
    "no room": ("dd if=/dev/zero of=/dev/full bs=1 count=1", 8),
    "checksum": ("echo 'sha256sum: WARNING: 1 computed checksum did NOT match'; exit 1", 7),
    "name": ("echo 'curl: (6) Could not resolve host: nowhere'; exit 6", 6),
}


@pytest.mark.parametrize("case", FAILURES)
def test_failing_build_touches_nothing(looping: ComposeProject, case: str) -> None:
    """The exit code says what kind of failure, the last lines are shown, the container stays."""
    command, code = FAILURES[case]
    add_step(looping, f"{ADDING} || {{ {command}; }}")
    before, container = state_of(looping), looping.container().id
    failed = run(looping, "rebuild", "whisper_cpp")
    assert (code, before, container) == (failed.code, state_of(looping), looping.container().id)
    assert "  | " in failed.stderr
    assert "error: " in failed.stderr


def spoil(project: ComposeProject, how: str) -> None:
    """Have the next image fail in the way *how*, once it runs."""
    dockerfile = project.folder / "local_ai_server" / "Dockerfile"
    text = dockerfile.read_text(encoding="utf-8")
    link = 'RUN [ "$INCLUDE_WHISPER_CPP" != true ] || ln -s /parts/whisper_cpp/* /app/site/'
    first_lines = {
        "ends": "raise SystemExit(3)",
        "hangs": "from signal import *; signal(15, exit); pause()",
    }
    line = first_lines.get(how)
    spoiled = f"{link}; {ADDING} || echo '{line}' >/app/site/sitecustomize.py"
    assert link in text
    lacking = 'RUN echo "$INCLUDE_WHISPER_CPP"'
    dockerfile.write_text(text.replace(link, spoiled if line else lacking), encoding="utf-8")


@pytest.mark.parametrize("how", ["ends", "hangs", "lacks it"])
def test_image_that_does_not_do_is_taken_back(serving: ComposeProject, how: str) -> None:
    """Tag, `.env` and container are as before, and the old daemon answers."""
    spoil(serving, how)
    before = state_of(serving)
    failed = run(serving, "rebuild", "whisper_cpp", "--timeout", "4")
    assert (3, before) == (failed.code, state_of(serving)), failed.stderr
    assert not serving.capabilities()["whisper_cpp"]
    assert "no earlier image is kept\n" == run(serving, "rebuild", "list").stdout


def test_tag_that_another_program_moved_stops_the_rebuild(serving: ComposeProject) -> None:
    """Somebody else has built the image meanwhile; theirs stays."""
    add_step(serving, f"{ADDING} || sleep 2")
    process = start(serving, "rebuild", "whisper_cpp")
    wait_until(lambda: is_building(serving))
    theirs = subprocess.run(
        ["docker", "commit", serving.container().id, serving.image],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    container, env = serving.container().id, serving.env_file.read_bytes()
    failed = ended(process)
    image = find_image(serving.image)
    assert image is not None
    assert (1, theirs, container, env) == (
        failed.code,
        image.id,
        serving.container().id,
        serving.env_file.read_bytes(),
    )
    assert "another program built it" in failed.stderr
    refused = run(serving, "rebuild", "whisper_cpp")
    assert (1, True) == (refused.code, "it was built since" in refused.stderr)


def test_backend_that_the_image_holds_in_vain_is_named(serving: ComposeProject) -> None:
    """What was built already cannot be cured by building it again."""
    spoil(serving, "lacks it")
    serving.write_env(INCLUDE_WHISPER_CPP="true")
    serving.compose("up", "--detach", "--build")
    wait_until(lambda: _answers(serving))
    before = state_of(serving)
    failed = run(serving, "rebuild", "whisper_cpp")
    assert (1, before) == (failed.code, state_of(serving))
    assert "the image is built so already" in failed.stderr


def _answers(project: ComposeProject) -> bool:
    try:
        return bool(project.capabilities())
    except UNANSWERED:
        return False


@pytest.fixture
def helper(looping: ComposeProject) -> Iterator[str]:
    """Have an upgrade of the project be at work."""
    name = f"aava-update-ephemeral-{looping.name}"
    words = ("docker", "run", "--detach", f"--name={name}", "--network=none")
    mount = f"--volume={looping.folder}:{looping.folder}"
    subprocess.run((*words, mount, looping.image), check=True, capture_output=True)
    yield name
    subprocess.run(("docker", "rm", "--force", name), check=True, capture_output=True)


def test_upgrade_at_work_is_waited_for(looping: ComposeProject, helper: str) -> None:
    """Its container is the only thing that can be seen of it."""
    before = state_of(looping)
    refused = run(looping, "rebuild", "whisper_cpp")
    assert (5, before, 0) == (refused.code, state_of(looping), builds_of(looping))
    assert helper in refused.stderr


def test_switch_builds_what_the_image_lacks(serving: ComposeProject) -> None:
    """Then the daemon can load the model."""
    model = write_whisper(serving.folder / "models" / "stt" / "ggml-hello.bin")
    switched = run(serving, "switch", "--stt", f"whisper_cpp:{model.name}", "--rebuild")
    assert 0 == switched.code, switched.stderr
    assert serving.capabilities()["whisper_cpp"]
    _require_selected_to_stay(serving)
    _require_loaded_to_stay(serving, model)


def _require_selected_to_stay(project: ComposeProject) -> None:
    """Refuse to go back to an image without what `.env` selects."""
    before = state_of(project)
    refused = run(project, "rebuild", "rollback")
    assert (1, before) == (refused.code, state_of(project))
    assert "`.env` selects `whisper_cpp`" in refused.stderr


def _require_loaded_to_stay(project: ComposeProject, model: Path) -> None:
    """Call no daemon a success that comes back without its model."""
    before = state_of(project)
    model.unlink()
    failed = run(project, "rebuild", "--without", "llama")
    assert (3, before) == (failed.code, state_of(project)), failed.stderr
    assert "did not load again: stt" in failed.stderr


def test_first_image_is_built_and_started(daemon_project: ComposeProject) -> None:
    """Nothing ran before, and nothing is kept to go back to."""
    built = run(daemon_project, "rebuild", "whisper_cpp")
    assert (0, True) == (built.code, daemon_project.capabilities()["whisper_cpp"]), built.stderr
    assert "no earlier image is kept\n" == run(daemon_project, "rebuild", "list").stdout


def test_dry_run_builds_nothing(looping: ComposeProject) -> None:
    """It says what would be built, and with which values."""
    shown = run(looping, "rebuild", "whisper_cpp", "--without", "melotts", "--dry-run")
    assert (0, 0) == (shown.code, builds_of(looping))
    assert "INCLUDE_WHISPER_CPP  true" in shown.stdout


def test_backend_that_stays_denied_is_no_failure(serving: ComposeProject) -> None:
    """What Silero needs is behind a mount: the image that has it counts, and it is said so."""
    # An argument is recorded where it was used.
    add_step(serving, "true\nARG INCLUDE_SILERO\nRUN true")
    built = run(serving, "rebuild", "silero")
    assert (0, False) == (built.code, serving.capabilities()["silero"]), built.stderr
    assert "once `models/tts/silero` holds its models" in built.stderr
    again = run(serving, "rebuild", "silero")
    assert (0, 1) == (again.code, builds_of(serving)), again.stdout


def test_project_without_containers_names_the_other_way(looping: ComposeProject) -> None:
    """The native daemon has no image."""
    (looping.folder / "docker-compose.yml").unlink()
    refused = run(looping, "rebuild", "whisper_cpp", "--project", str(looping.folder))
    assert (1, True) == (refused.code, "no Compose file" in refused.stderr)

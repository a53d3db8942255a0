"""A switch on a daemon in a container: its ways, on a real engine."""

from __future__ import annotations

import json
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from aava_cli.app import main
from aava_cli.daemon.exchange import Exchange
from aava_cli.daemon.status import Expectation
from aava_cli.daemon.step import AskDaemon
from aava_cli.output import Output
from aava_cli.session import Session
from tests.conftest import Ran
from tests.daemon_fixture import DEADLINE_S, Client
from tests.tiny_models import write_gguf

if TYPE_CHECKING:
    from tests.conftest import Aava
    from tests.docker_fixture import ComposeProject

FIRST, SECOND = (f"/app/models/llm/{name}.gguf" for name in ("first", "second"))


@pytest.fixture
def running(daemon_project: ComposeProject) -> ComposeProject:
    """Return a project whose container answers with the first of two language models."""
    for name, answer in (("first", "hi there"), ("second", "good day")):
        write_gguf(daemon_project.folder / f"models/llm/{name}.gguf", answer)
    daemon_project.write_env(LOCAL_LLM_MODEL_PATH=FIRST)
    daemon_project.build()
    daemon_project.up()
    wait_for(daemon_project, FIRST)
    return daemon_project


@pytest.fixture
def switch(running: ComposeProject, capsys: pytest.CaptureFixture[str]) -> Aava:
    """Run `aava switch` on the project."""

    def run(*words: str) -> Ran:
        code = main(["--project", str(running.folder), "switch", *words])
        return Ran(code, *capsys.readouterr())

    return run


def status_of(project: ComposeProject) -> dict[str, Any]:
    """Return what the daemon in the container says."""
    from websockets.sync.client import connect

    with connect(f"ws://127.0.0.1:{project.port}", proxy=None) as connection:
        return Client(connection).ask({"type": "status"})


def wait_for(project: ComposeProject, path: str) -> None:
    """Wait until the daemon has the language model *path* loaded."""
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        try:
            llm = status_of(project)["models"]["llm"]
        except OSError:
            llm = {}
        if (llm.get("path"), llm.get("loaded")) == (path, True):
            return
        time.sleep(0.1)
    raise AssertionError(project.compose("logs"))


def environment_of(project: ComposeProject) -> list[str]:
    """Return the environment that the container was made with."""
    words = ["docker", "inspect", "--format={{json .Config.Env}}", project.container().id]
    found: list[str] = json.loads(subprocess.run(words, capture_output=True, check=True).stdout)
    return found


def test_model_is_switched_without_a_new_container(switch: Aava, running: ComposeProject) -> None:
    """The running daemon is asked; the container stays."""
    before = running.container().id
    ran = switch("--llm", "second", "--json")
    assert (0, "hot") == (ran.exit_code, json.loads(ran.stdout)["result"]["way"])
    wait_for(running, SECOND)
    assert running.container().id == before


def test_key_that_no_request_carries_gets_a_new_container(
    switch: Aava, running: ComposeProject
) -> None:
    """It is in the new container's environment, and the models run there."""
    before = running.container().id
    shown = switch("--set", "llm.infer_timeout=33", "--dry-run")
    assert "a new container, because of `LOCAL_LLM_INFER_TIMEOUT_SEC`" in shown.stdout
    assert running.container().id == before
    ran = switch("--llm", "second", "--set", "llm.infer_timeout=33", "--json")
    assert (0, "recreate") == (ran.exit_code, json.loads(ran.stdout)["result"]["way"])
    assert running.container().id != before
    assert "LOCAL_LLM_INFER_TIMEOUT_SEC=33" in environment_of(running)
    assert status_of(running)["models"]["llm"]["path"] == SECOND


def test_new_container_that_does_not_run_the_model_is_undone(
    switch: Aava, running: ComposeProject
) -> None:
    """The image has lost its engine since: the files and the old container come back."""
    before = running.env_file.read_bytes()
    running.compose("build", "--quiet", "--build-arg=INCLUDE_LLAMA=false")
    ran = switch("--set", "llm.infer_timeout=33")
    # The tag names another image now, which the undo cannot know: it says so.
    assert ran.exit_code == 4
    assert running.env_file.read_bytes() == before
    running.compose("build", "--quiet")
    assert main(["--project", str(running.folder), "recover"]) == 0
    wait_for(running, FIRST)


def test_daemon_that_does_not_take_the_inverse_gets_a_new_container(
    switch: Aava, running: ComposeProject
) -> None:
    """What cannot be asked for is what a fresh container reads from the old files."""
    assert switch("--llm", "second").exit_code == 0
    running.write_env(LOCAL_LLM_MODEL_PATH=FIRST)
    before = Expectation({"models.llm.path": FIRST}, ("llm",))
    gone = {"llm_model_path": "/app/models/llm/gone.gguf"}
    session = Session({"project": str(running.folder)}, Output())
    url = f"ws://127.0.0.1:{running.port}"
    step = AskDaemon(session, url, Exchange({"x": "y"}, gone, after=before, before=before))
    step.undo(recovering=False)
    wait_for(running, FIRST)


def test_model_that_the_container_does_not_see_is_refused(
    switch: Aava, running: ComposeProject
) -> None:
    """Its path is on this host, and not in what the container has of it."""
    write_gguf(running.folder / "elsewhere.gguf", "hi")
    env = running.env_file.read_bytes()
    ran = switch("--set", f"llm.path={running.folder}/elsewhere.gguf")
    assert (10, env) == (ran.exit_code, running.env_file.read_bytes())
    assert "the daemon's container sees nothing of this host at" in ran.stderr


def test_compose_project_without_a_container_is_told(
    daemon_project: ComposeProject, capsys: pytest.CaptureFixture[str]
) -> None:
    """A daemon that Compose did not start cannot be started again by it."""
    write_gguf(daemon_project.folder / "models/llm/first.gguf", "hi")
    daemon_project.write_env(LOCAL_LLM_MODEL_PATH=FIRST)
    code = main(["--project", str(daemon_project.folder), "switch", "--set", "llm.threads=1"])
    assert (11, True) == (code, "nothing listens" in capsys.readouterr().err)

"""`aava up` with a real engine: a project without image or `.env` becomes a proven daemon."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from aava_cli.daemon.step import Terms
from aava_cli.docker.argv import SERVICE
from aava_cli.docker.engine import find_container, find_image
from aava_cli.docker.health import ContainerFailed
from aava_cli.errors import RolledBack
from aava_cli.flows.up.starting import start_container
from aava_cli.output import Output
from aava_cli.session import Session
from tests.daemon_fixture import free_port
from tests.docker_fixture import REPOSITORY
from tests.flows.up.conftest import REPLY, ended, steps_of, wait_until

if TYPE_CHECKING:
    from tests.docker_fixture import ComposeProject
    from tests.download.server import Server
    from tests.flows.up.conftest import Ended

pytestmark = pytest.mark.timeout(400)


@dataclass(frozen=True, slots=True)
class Bare:
    """A Compose project as it is when it was just cloned: no `.env`, no image, no container."""

    project: ComposeProject

    def start(self, *words: str, **environ: str) -> subprocess.Popen[str]:
        """Begin `aava` *words* in its folder, without a terminal."""
        return subprocess.Popen(
            [sys.executable, "-m", "aava_cli", *words],
            cwd=self.project.folder,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY), **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def up(self, *words: str) -> Ended:
        """Run `aava up` with *words*, agreed to, and answered in JSON."""
        return ended(self.start("up", "--yes", "--json", *words))

    def container_id(self) -> str | None:
        """Return the daemon's container, if there is one."""
        container = find_container(self.project.name, SERVICE)
        return container.id if container else None


@pytest.fixture
def bare(daemon_project: ComposeProject, tiny_models: Server) -> Bare:
    """Return a project of which only the files of its author are there."""
    assert tiny_models.files
    _know_piper(daemon_project)
    # An engine that is not running cannot be asked for calls, and need not be.
    overlaid = f"health:\n  port: {free_port()}\n"
    (daemon_project.folder / "config" / "ai-agent.yaml").write_text(overlaid, encoding="utf-8")
    daemon_project.env_file.rename(daemon_project.folder / ".env.example")
    return Bare(daemon_project)


def _know_piper(project: ComposeProject) -> None:
    """Have the image take one more build argument: a voice is needed to prove what is heard."""
    compose = project.folder / "docker-compose.yml"
    known = "        INCLUDE_LLAMA: ${INCLUDE_LLAMA:-true}\n"
    text = compose.read_text(encoding="utf-8")
    assert known in text
    more = known.replace("LLAMA", "PIPER").replace("true", "false")
    compose.write_text(text.replace(known, known + more), encoding="utf-8")
    dockerfile = project.folder / "local_ai_server" / "Dockerfile"
    head, copy, tail = dockerfile.read_text(encoding="utf-8").partition("COPY program")
    # Two engines bring some packages both.
    link = '[ "$INCLUDE_PIPER" != true ] || ln -sf /parts/piper/* /app/site/'
    step = f"ARG INCLUDE_PIPER=false\nRUN {link}\n"
    dockerfile.write_text(f"{head}{step}{copy}{tail}", encoding="utf-8")


def test_cloned_project_becomes_a_proven_daemon_once(bare: Bare, tiny_models: Server) -> None:
    """Image, container and models come from nothing; the second run leaves all as it is."""
    shown = ended(bare.start("up", "--dry-run", "--json")).result
    assert ("docker", True) == (shown["way"], all(step["needed"] for step in shown["steps"]))
    assert not bare.project.env_file.exists()
    first = bare.up()
    assert 0 == first.code, first.stdout + first.stderr
    assert ["init", "pull", "build", "start", "switch"] == list(steps_of(first))
    assert REPLY == first.result["smoked"]["reply"]
    assert {"llama", "piper", "whisper_cpp"} == {
        name for name, able in bare.project.capabilities().items() if able
    }
    # A container that the engine starts again by itself still knows the models.
    words = ["docker", "inspect", "--format={{json .Config.Env}}", str(bare.container_id())]
    made_with = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert "LOCAL_LLM_MODEL_PATH=/app/models/llm/mind.gguf" in made_with
    before = (bare.container_id(), find_image(bare.project.image), tiny_models.sent_bytes)
    env = bare.project.env_file.read_bytes()
    second = bare.up()
    assert (0, {None}) == (second.code, set(steps_of(second).values())), second.stderr
    assert before == (bare.container_id(), find_image(bare.project.image), tiny_models.sent_bytes)
    assert env == bare.project.env_file.read_bytes()


def test_interruption_of_the_build_is_gone_on_from(bare: Bare) -> None:
    """Ctrl-C leaves no container and no half an image; what was pulled is there."""
    process = bare.start("up", "--yes")
    compose = bare.project.folder / ".aava" / "rebuild" / "compose.json"
    wait_until(lambda: compose.exists() or process.poll() is not None)
    process.send_signal(signal.SIGINT)
    stopped = ended(process)
    assert (130, None, None) == (
        stopped.code,
        bare.container_id(),
        find_image(bare.project.image),
    ), stopped.stderr
    again = bare.up()
    assert (0, None) == (again.code, steps_of(again)["pull"]), again.stderr


def test_kill_while_the_container_starts_is_gone_on_from(bare: Bare) -> None:
    """What the journal says is undone first, then all is brought about."""
    journal = bare.project.folder / ".aava" / "journal.json"
    process = bare.start("up", "--yes")
    wait_until(lambda: bare.container_id() is not None or process.poll() is not None)
    process.kill()
    process.communicate()
    assert journal.exists()
    again = bare.up()
    assert 0 == again.code, again.stdout + again.stderr
    assert "undid" in str(steps_of(again)["recover"])
    assert not journal.exists()


def test_stopped_container_is_started_again(bare: Bare) -> None:
    """Only what is missing is done: nothing is built or pulled for it."""
    assert 0 == bare.up().code
    bare.project.compose("stop", SERVICE)
    again = bare.up()
    changed = {name for name, what in steps_of(again).items() if what}
    assert (0, {"start"}) == (again.code, changed), again.stderr


def test_container_that_listens_elsewhere_is_replaced(bare: Bare) -> None:
    """Who changes the port in `.env` gets a daemon there; calls on the old one are asked for."""
    assert 0 == bare.up().code
    before, port = bare.container_id(), free_port()
    env = bare.project.env_file.read_text(encoding="utf-8")
    moved = env.replace(f"LOCAL_WS_PORT={bare.project.port}", f"LOCAL_WS_PORT={port}")
    assert moved != env
    bare.project.env_file.write_text(moved, encoding="utf-8")
    refused = bare.up()
    # The engine of this project cannot be asked, and the old daemon could be on a call.
    assert (5, before) == (refused.code, bare.container_id()), refused.stdout
    assert moved == bare.project.env_file.read_text(encoding="utf-8")
    done = bare.up("--force")
    assert (0, REPLY) == (done.code, done.result["smoked"]["reply"]), done.stdout + done.stderr
    assert "the container, with these models" == steps_of(done)["start"]
    assert before != bare.container_id()


def test_container_that_starts_as_told_is_waited_for(shell_project: ComposeProject) -> None:
    """It loads what `.env` selects: it is not replaced; one that does not is."""
    shell_project.write_env(MODE="sick")
    shell_project.build()
    before = shell_project.up().id
    session = Session({"project": str(shell_project.folder)}, Output())
    with pytest.raises(ContainerFailed, match="is not healthy after"):
        start_container(session, Terms(timeout_s=0.2))
    assert before == shell_project.container().id
    shell_project.write_env(MODE="sick", LOCAL_LLM_CONTEXT="512")
    with pytest.raises(RolledBack, match="is not healthy after"):
        start_container(session, Terms(timeout_s=5.0))
    assert before != shell_project.container().id


def test_container_whose_daemon_answers_by_now_is_left_alone(bare: Bare) -> None:
    """It is not replaced, and not said to have been."""
    assert 0 == bare.up().code
    before, session = bare.container_id(), Session({"project": str(bare.project.folder)}, Output())
    assert not start_container(session, Terms())
    assert before == bare.container_id()


def test_richer_profile_gets_a_container_in_full_mode(bare: Bare) -> None:
    """The mode is read when a container is made, so that it is replaced."""
    first = bare.up("--profile", "tiny-speech")
    assert (0, ["tts", "stt"]) == (first.code, first.result["smoked"]["roles"]), first.stderr
    before, env = bare.container_id(), bare.project.env_file.read_bytes()
    refused = bare.up("--profile", "tiny")
    # The engine of this project cannot be asked, and a daemon is there that could be on a call.
    assert (5, before, env) == (
        refused.code,
        bare.container_id(),
        bare.project.env_file.read_bytes(),
    ), refused.stdout
    richer = bare.up("--profile", "tiny", "--force")
    assert (0, REPLY) == (richer.code, richer.result["smoked"]["reply"]), richer.stderr
    assert before != bare.container_id()
    assert b"LOCAL_AI_MODE=full\n" in bare.project.env_file.read_bytes()


def test_engine_that_does_not_answer_stops_it_before_anything(bare: Bare) -> None:
    """Exit 9, with what starts the engine; no `.env` is made."""
    process = bare.start("up", "--yes", "--json", DOCKER_HOST="unix:///nowhere.sock")
    refused = ended(process)
    assert (9, True) == (refused.code, "Cannot connect to the Docker" in refused.error["message"])
    assert not bare.project.env_file.exists()

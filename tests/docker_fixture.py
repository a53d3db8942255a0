"""A real engine, and Compose projects of the daemon's structure on it, for every test that asks.

On a machine without an engine such a test is skipped with the reason; where CI is set it fails.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

from aava_cli.docker.argv import SERVICE, Project
from aava_cli.docker.compose import find_project, read_service
from aava_cli.docker.engine import Engine, find_container, require_engine
from aava_cli.errors import AavaError
from tests.daemon_fixture import Client, free_port
from tests.docker_base import SHELL, base_image

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aava_cli.docker.compose import Service
    from aava_cli.docker.engine import Container

REPOSITORY = Path(__file__).parent.parent
_COMMAND_S = 300

# The structure of the daemon's own project: one service of several, on the host's network.
COMPOSE = """\
name: {name}
services:
  {service}:
    image: {name}-local-ai-server:latest
    pull_policy: build
    build:
      context: ./local_ai_server
      network: host
      args:
        INCLUDE_WHISPER_CPP: ${{INCLUDE_WHISPER_CPP:-false}}
        INCLUDE_LLAMA: ${{INCLUDE_LLAMA:-true}}
    container_name: {name}-{service}
    network_mode: host
    restart: unless-stopped
    tty: true
    env_file: [.env]
    volumes:
      - ./models:/app/models
      - ./data:/app/data
    healthcheck:
      test: {health}
      interval: 60s
      timeout: 5s
      retries: 30
      start_period: 120s
"""

GPU_OVERLAY = """\
services:
  {service}:
    image: {name}-local-ai-server-gpu:latest
    build:
      dockerfile: Dockerfile.gpu
      args:
        INCLUDE_WHISPER_CPP: ${{INCLUDE_WHISPER_CPP:-true}}
        LLAMA_CUDA_ARCHITECTURES: ${{LLAMA_CUDA_ARCHITECTURES:-}}
    deploy:
      resources:
        reservations:
          devices:
            - driver: nvidia
              count: 1
              capabilities: [gpu]
"""

DAEMON_IMAGE = """\
FROM {base}
ENV PYTHONPATH=/app/site:/app/program AAVA_PROJECT=/app
WORKDIR /app
ARG INCLUDE_LLAMA=true
RUN [ "$INCLUDE_LLAMA" != true ] || ln -s /parts/llama/* /app/site/
ARG INCLUDE_WHISPER_CPP=false
RUN [ "$INCLUDE_WHISPER_CPP" != true ] || ln -s /parts/whisper_cpp/* /app/site/
COPY program /app/program
CMD ["python", "-m", "aava_cli", "serve"]
"""

# What the daemon's own check does: connect, ask, and look at both words of the answer.
DAEMON_CHECK = """\
import json, os
from websockets.sync.client import connect
with connect("ws://127.0.0.1:" + os.environ["LOCAL_WS_PORT"], proxy=None) as daemon:
    token = os.environ.get("LOCAL_WS_AUTH_TOKEN")
    if token:
        daemon.send(json.dumps({"type": "auth", "auth_token": token}))
        assert json.loads(daemon.recv(timeout=4))["status"] == "ok"
    daemon.send(json.dumps({"type": "status"}))
    reply = json.loads(daemon.recv(timeout=4))
    assert (reply["type"], reply["status"]) == ("status_response", "ok")
"""

# No daemon, only what a container can do wrong; MODE in `.env` says which.
SHELL_IMAGE = """\
FROM scratch
COPY busybox /bin/busybox
RUN ["/bin/busybox", "--install", "-s", "/bin"]
ARG INCLUDE_LLAMA=true
ARG INCLUDE_WHISPER_CPP=false
RUN echo "$INCLUDE_WHISPER_CPP" >/whisper_cpp
COPY main.sh /main.sh
CMD ["sh", "/main.sh"]
"""

SHELL_PROGRAM = """\
trap 'exit 0' TERM
echo "mode is $MODE"
[ "$MODE" = dies ] && exit 3
while :; do sleep 0.05; done
"""

SHELL_CHECK = '[ "$$MODE" != sick ]'


@dataclass(frozen=True, slots=True)
class ComposeProject:
    """A project folder with images of its own; *port* is where its daemon listens."""

    folder: Path
    name: str
    port: int

    @property
    def env_file(self) -> Path:
        """What the container reads when it is made."""
        return self.folder / ".env"

    @property
    def image(self) -> str:
        """The tag that the service runs."""
        return f"{self.name}-local-ai-server:latest"

    def write_env(self, **values: str) -> None:
        """Have `.env` say *values*, and where the daemon listens."""
        lines = {"LOCAL_WS_HOST": "127.0.0.1", "LOCAL_WS_PORT": str(self.port), **values}
        text = "".join(f"{key}={value}\n" for key, value in lines.items())
        self.env_file.write_text(text, encoding="utf-8")

    def compose(self, *words: str) -> str:
        """Return what Compose prints when a person runs *words* in the project's folder."""
        ran = subprocess.run(
            ["docker", "compose", *words],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=_COMMAND_S,
        )
        assert 0 == ran.returncode, ran.stderr
        return ran.stdout

    def build(self) -> None:
        """Build the service's image, as `.env` says."""
        self.compose("build", "--quiet", SERVICE)

    def up(self) -> Container:
        """Start the service with the image that is there, and return its container."""
        self.compose("up", "--detach", "--no-build", SERVICE)
        return self.container()

    def container(self) -> Container:
        """Return the service's container."""
        container = find_container(self.name, SERVICE)
        assert container is not None
        return container

    def service(self) -> Service:
        """Return what the program makes of the service."""
        return read_service(find_project(self.folder, {}, require_engine()))

    def target(self) -> Project:
        """Return the project as the program names it."""
        return self.service().project

    def capabilities(self) -> dict[str, bool]:
        """Return what the daemon in the container says that it can do."""
        from websockets.sync.client import connect

        with connect(f"ws://127.0.0.1:{self.port}", proxy=None) as connection:
            reply = Client(connection).ask({"type": "capabilities"})
        answer: dict[str, bool] = reply["capabilities"]
        return answer

    def remove(self) -> None:
        """Take away every container and image of the project."""
        label = f"label=com.docker.compose.project={self.name}"
        containers = _lines("docker", "ps", "--all", "--quiet", f"--filter={label}")
        _lines("docker", "rm", "--force", "--volumes", *containers, need=containers)
        images = _lines("docker", "images", "--quiet", f"--filter={label}")
        _lines("docker", "rmi", "--force", *images, need=images)


def _lines(*command: str, need: list[str] | None = None) -> list[str]:
    if need == []:
        return []
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()


@pytest.fixture(scope="session")
def engine() -> Engine:
    """Return the engine of this machine, which has a shell to put into images."""
    try:
        found = require_engine()
        _require_compose()
    except AavaError as error:
        missing(f"{error.message}; {error.hint}")
    if shutil.which(SHELL) is None:
        missing(f"there is no `{SHELL}` to make images with")
    return found


def _require_compose() -> None:
    from aava_cli.docker.calls import ask

    ask(("docker", "compose", "--ansi=never", "version"))


def missing(reason: str) -> NoReturn:
    """Skip on a user's machine, fail where all has to be tested."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture
def shell_project(tmp_path: Path, engine: Engine) -> Iterator[ComposeProject]:
    """Return a project whose service is a loop in a shell: cheap, and able to fail."""
    assert engine.id
    project = new_shell_project(tmp_path / "compose")
    yield project
    project.remove()


def new_shell_project(folder: Path, *, check: str = SHELL_CHECK) -> ComposeProject:
    """Make a project whose service is a loop in a shell, well as long as *check* is."""
    project = _new_project(folder, json.dumps(["CMD-SHELL", check]))
    context = folder / "local_ai_server"
    shutil.copy(str(shutil.which(SHELL)), context / "busybox")
    (context / "Dockerfile").write_text(SHELL_IMAGE, encoding="utf-8")
    (context / "main.sh").write_text(SHELL_PROGRAM, encoding="utf-8")
    project.write_env(MODE="well")
    return project


@pytest.fixture
def daemon_project(tmp_path: Path, engine: Engine) -> Iterator[ComposeProject]:
    """Return a project whose service is our own daemon, able to do what was built in."""
    assert engine.id
    project = new_daemon_project(tmp_path / "compose")
    yield project
    project.remove()


def new_daemon_project(folder: Path) -> ComposeProject:
    """Make a project whose service is our own daemon, with its real check."""
    project = _new_project(folder, json.dumps(["CMD", "python", "-c", DAEMON_CHECK]))
    context = folder / "local_ai_server"
    image = DAEMON_IMAGE.format(base=base_image())
    for name in ("Dockerfile", "Dockerfile.gpu"):
        (context / name).write_text(image, encoding="utf-8")
    shutil.copytree(REPOSITORY / "aava_cli", context / "program" / "aava_cli")
    shutil.copy(REPOSITORY / "catalog.toml", context / "program" / "aava_cli")
    return project


def _new_project(folder: Path, health: str) -> ComposeProject:
    project = ComposeProject(folder, f"aava-test-{uuid.uuid4().hex[:8]}", free_port())
    for name in ("local_ai_server", "config", "data", "models/stt", "models/tts", "models/llm"):
        (folder / name).mkdir(parents=True)
    words = {"name": project.name, "service": SERVICE, "health": health}
    for name, text in (("docker-compose.yml", COMPOSE), ("docker-compose.gpu.yml", GPU_OVERLAY)):
        (folder / name).write_text(text.format(**words), encoding="utf-8")
    project.write_env()
    return project

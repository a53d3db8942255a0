"""What `docker` prints when it fails, as errors with the next command; texts are recorded ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aava_cli.docker.calls import ask, run, succeeds
from aava_cli.docker.engine import require_engine
from aava_cli.docker.problems import (
    ContainerMissing,
    EngineFailed,
    EngineUnreachable,
    ImageMissing,
    problem_of,
)
from aava_cli.errors import AavaError, NoSpace

if TYPE_CHECKING:
    from tests.docker.conftest import Pose

UP = ("docker", "compose", "--ansi=never", "--file=/x.yml", "up", "--detach", "local_ai_server")


@pytest.mark.parametrize(
    ("printed", "kind", "hint"),
    [
        (
            (
                "permission denied while trying to connect to the Docker daemon socket at "
                "unix:///var/run/docker.sock: Get ...: dial unix: connect: permission denied"
            ),
            EngineUnreachable,
            "usermod -aG docker",
        ),
        (
            (
                "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. "
                "Is the docker daemon running?"
            ),
            EngineUnreachable,
            "systemctl start docker",
        ),
        (
            "error during connect: Get ...: command [ssh ...] has exited with exit status 255",
            EngineUnreachable,
            "docker context ls",
        ),
        (
            (
                'Failed to initialize: unable to resolve docker endpoint: context "nope": '
                "context not found"
            ),
            EngineUnreachable,
            "docker context ls",
        ),
        ("docker: 'compose' is not a docker command.", EngineUnreachable, "compose-plugin"),
        ("docker: unknown command: docker compose", EngineUnreachable, "compose-plugin"),
        ("unknown flag: --ansi\nSee 'docker --help'.", EngineUnreachable, "compose-plugin"),
        (
            "Error response from daemon: No such image: a:latest",
            ImageMissing,
            "docker compose build",
        ),
        ("Error response from daemon: No such container: a", ContainerMissing, "docker ps"),
        (
            'could not select device driver "nvidia" with capabilities: [[gpu]]',
            EngineFailed,
            "nvidia-ctk",
        ),
        ("write /var/lib/x: no space left on device", NoSpace, "docker system df"),
        ("service x is not valid", EngineFailed, "aava preflight"),
    ],
)
def test_cause_is_named_with_the_next_command(
    printed: str, kind: type[AavaError], hint: str
) -> None:
    """Each known cause has a class of its own and something to do."""
    problem = problem_of(UP, printed)
    assert (kind, True) == (type(problem), hint in problem.hint)


def test_unknown_failure_quotes_the_last_line() -> None:
    """The command is shown without its options."""
    problem = problem_of(UP, "Container x Creating\nError: bind: address in use\n\n")
    expected = "`docker compose up local_ai_server` failed: Error: bind: address in use"
    assert expected == problem.message


def test_failure_without_a_word_says_so() -> None:
    """A killed program prints nothing."""
    assert "no reason given" in problem_of(UP, "").message


def test_missing_program_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host without Docker still has the native daemon."""
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(EngineUnreachable) as caught:
        ask(("docker", "--version"))
    assert "aava serve" in caught.value.hint


def test_podman_under_the_name_of_docker_is_refused(pose: Pose) -> None:
    """It would run the container without its GPU, and not say so."""
    pose("echo podman version 4.3.1")
    with pytest.raises(EngineUnreachable, match="Podman"):
        require_engine()


def test_podman_behind_a_docker_program_is_refused(pose: Pose) -> None:
    """`DOCKER_HOST` may name Podman's socket."""
    pose(
        'case "$1" in --version) echo "Docker version 28.2.2, build e6534b4" ;;\n'
        """*) echo '{"Version":"4.3.1","Components":[{"Name":"Podman Engine"}]}' ;; esac"""
    )
    with pytest.raises(EngineUnreachable, match="Podman"):
        require_engine()


def test_command_that_hangs_is_ended_with_its_children(pose: Pose) -> None:
    """Compose is a child of `docker`; a signal to `docker` alone would leave it at work."""
    pose("sleep 1000 & wait")
    with pytest.raises(EngineFailed, match=r"did not finish in 0\.2 s"):
        run(UP, timeout_s=0.2)


def test_check_that_hangs_has_failed(pose: Pose) -> None:
    """A daemon that does not answer is not well."""
    pose("exec sleep 1000")
    assert not succeeds(("docker", "exec"), timeout_s=0.2)


def test_command_that_ignores_its_end_is_killed(pose: Pose) -> None:
    """Nobody is waited for without an end."""
    pose("trap '' TERM; while :; do sleep 0.1; done")
    with pytest.raises(EngineFailed, match="did not finish"):
        run(UP, timeout_s=0.2)


def test_engine_that_is_not_there_is_named(engine: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real program, asked for an engine where none listens."""
    assert engine
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    with pytest.raises(EngineUnreachable, match="does not answer"):
        require_engine()


@pytest.mark.parametrize(
    "printed",
    [
        'failed to read /srv/.env: Invalid template: "${supersecret"',
        (
            "invalid interpolation format for services.a.environment.HF_TOKEN.\n"
            "You may need to escape any $ with another $.\n${supersecret\n"
        ),
    ],
)
def test_value_that_compose_quotes_is_not_shown(printed: str) -> None:
    """It is what `.env` says, and may be a token."""
    message = problem_of(UP, printed).message
    assert ("supersecret" not in message, True) == (True, "nvalid " in message)

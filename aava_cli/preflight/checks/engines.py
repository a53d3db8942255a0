"""What runs the models: Docker, or the native engines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aava_cli.preflight.checks.room import GB, judge_room
from aava_cli.preflight.findings import Failed, Passed, Skipped, Warned, check, known
from aava_cli.preflight.versions import version_of

if TYPE_CHECKING:
    from aava_cli.preflight.facts import Docker, Facts
    from aava_cli.preflight.findings import Finding

_IMAGE_BYTES = (5 * GB, 20 * GB)
_OLD_DOCKER = (20,)
_GOOD_DOCKER = (25,)
_COMPOSE_2 = (2,)
_GOOD_COMPOSE = (2, 20)
_NATIVE = "`aava serve` runs the native engines"
_INSTALL_DOCKER = "install Docker's own packages, Engine and Compose plugin"


@check("engines")
def something_runs_models(facts: Facts) -> Finding:
    """Require Docker or the native engines."""
    native = native_engines(facts)
    if native:
        return Passed(f"native: {', '.join(native)}")
    docker = known(facts.docker)
    if docker is not None and docker.version is not None:
        return Passed(f"Docker {docker.version}")
    evidence = "no Docker engine answers, and no native engine is installed"
    return Failed(evidence, "run `pip install 'aava[whisper-cpp,piper,llama]'`, or install Docker")


@check("docker")
def docker_answers(facts: Facts) -> Finding:
    """Look for the engine that the daemon's images need; `aava serve` needs none."""
    docker = known(facts.docker)
    if docker is None:
        return Skipped(f"not installed; {_NATIVE}")
    if docker.version is not None:
        return _judge_docker(docker, docker.version)
    if known(facts.machine).container and native_engines(facts):
        return Skipped(f"no engine inside a container; {_NATIVE}")
    return Warned(docker.problem or "no answer", _docker_fix(docker))


def native_engines(facts: Facts) -> tuple[str, ...]:
    """Return the backends that `aava serve` can run."""
    return known(facts.engines)


def _judge_docker(docker: Docker, version: str) -> Finding:
    evidence = f"{'Podman' if docker.is_podman else 'Docker'} {version}"
    if docker.remote:
        fix = "run aava on that host: disks, ports and GPUs are looked at here"
        return Warned(f"{evidence} at {docker.remote}", fix)
    if docker.is_podman:
        return Warned(f"{evidence} stands in for Docker", "use Docker if a compose file misbehaves")
    if version_of(version) < _OLD_DOCKER:
        return Failed(f"{evidence} is too old", _INSTALL_DOCKER)
    if version_of(version) < _GOOD_DOCKER:
        return Warned(f"{evidence} is old", _INSTALL_DOCKER)
    return Passed(evidence)


def _docker_fix(docker: Docker) -> str:
    if "permission denied" in (docker.problem or "").lower():
        return "run `sudo usermod -aG docker $USER`, then log in again"
    return "run `sudo systemctl start docker`, or use `aava serve`"


@check("compose")
def compose_is_new_enough(facts: Facts) -> Finding:
    """Expect Compose 2: version 1 reads the project's file differently."""
    docker = known(facts.docker)
    if docker is None or docker.version is None:
        return Skipped("no Docker engine")
    fix = "install the plugin: package `docker-compose-plugin`"
    needed = known(facts.is_compose_project)
    if docker.compose is None:
        missing = "Docker Compose is not installed"
        return Failed(missing, fix) if needed else Skipped(missing)
    if version_of(docker.compose) < _COMPOSE_2:
        return (Failed if needed else Warned)(f"{docker.compose} is Compose 1", fix)
    if version_of(docker.compose) < _GOOD_COMPOSE:
        return Warned(f"{docker.compose} is old", fix)
    return Passed(docker.compose)


@check("disk-docker")
def room_for_images(facts: Facts) -> Finding:
    """Expect room for the old image and the new one of a rebuild."""
    docker = known(facts.docker)
    if docker is None or docker.root_free_bytes is None:
        return Skipped("no Docker engine on this host")
    finding = judge_room(docker.root_free_bytes, f"on {docker.root}", _IMAGE_BYTES)
    fix = "run `docker system df`, then `docker image prune`"
    match finding:
        case Failed(evidence) if known(facts.is_compose_project):
            return Failed(evidence, fix)
        case Failed(evidence) | Warned(evidence):
            return Warned(evidence, fix)
        case _:
            return finding

"""What the container engine and its plugins have to be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aava_cli.preflight.checks.room import GB, judge_room
from aava_cli.preflight.facts import Unknown
from aava_cli.preflight.findings import Failed, Passed, Skipped, Warned, check, known
from aava_cli.preflight.versions import is_older, version_of

if TYPE_CHECKING:
    from aava_cli.preflight.facts import Docker, Facts
    from aava_cli.preflight.findings import Finding

_IMAGE_BYTES = (5 * GB, 20 * GB)
_OLD_DOCKER = (20,)
_GOOD_DOCKER = (25,)
_COMPOSE_2 = (2,)
_GOOD_COMPOSE = (2, 20)
# CVE-2025-62725: a file that is included from a registry writes anywhere (GHSA-gv8h-7v7w-r22q).
_SAFE_COMPOSE = (2, 40, 2)
# Since docker/compose#13295 a build with an older one is refused.
_GOOD_BUILDX = (0, 17)
_NATIVE = "`aava serve` runs the native engines"
_INSTALL_DOCKER = "install Docker's own packages, Engine and Compose plugin"
_INSTALLERS = {
    "apt-get": ("debian", "linuxmint", "ubuntu"),
    "dnf": ("almalinux", "centos", "fedora", "ol", "rhel", "rocky"),
}
_NO_ENGINE = "no Docker engine"


@check("docker")
def docker_answers(facts: Facts) -> Finding:
    """Look for the engine that the daemon's images need; `aava serve` needs none."""
    docker = known(facts.docker)
    if docker is None:
        needed = known(facts.is_compose_project) and not known(facts.engines)
        missing = "not installed"
        return Failed(missing, _INSTALL_DOCKER) if needed else Skipped(f"{missing}; {_NATIVE}")
    if docker.version is not None:
        return _judge_docker(docker, docker.version)
    problem = docker.problem or "no answer"
    if known(facts.is_compose_project):
        return Failed(problem, _docker_fix(docker, facts))
    is_expected = docker.socket is not None or docker.is_named
    if not is_expected and known(facts.machine).container and known(facts.engines):
        return Skipped(f"no engine inside a container; {_NATIVE}")
    return Warned(problem, _docker_fix(docker, facts))


def _judge_docker(docker: Docker, version: str) -> Finding:
    evidence = f"{'Podman' if docker.is_podman else 'Docker'} {version}"
    if docker.remote:
        fix = "run aava on that host: disks, ports and GPUs are looked at here"
        return Warned(f"{evidence} at {docker.remote}", fix)
    if docker.is_podman:
        return Warned(f"{evidence} stands in for Docker", "use Docker if a compose file misbehaves")
    if is_older(version, _OLD_DOCKER):
        return Failed(f"{evidence} is too old", _INSTALL_DOCKER)
    if docker.is_snap:
        fix = f"{_INSTALL_DOCKER}, in place of the snap"
        return Warned(f"{evidence} from snap sees few folders and no NVIDIA toolkit", fix)
    if is_older(version, _GOOD_DOCKER):
        return Warned(f"{evidence} is old", _INSTALL_DOCKER)
    return Passed(evidence)


def _docker_fix(docker: Docker, facts: Facts) -> str:
    if "permission denied" in (docker.problem or "").lower():
        group = docker.socket.group if docker.socket else "docker"
        return f"run `sudo usermod -aG {group} $USER`, then log in again"
    if docker.remote or docker.is_named:
        return "run `docker context ls` to see which engine is asked"
    if not isinstance(facts.machine, Unknown) and not facts.machine.has_systemd:
        return "start the engine, or hand its socket to this container; or use `aava serve`"
    return "run `sudo systemctl start docker`, or use `aava serve`"


def _installing(package: str, facts: Facts) -> str:
    """Return how *package* of Docker's own is installed, or a newer one of it."""
    os_id = known(facts.machine).os_id
    found = (name for name, systems in _INSTALLERS.items() if os_id in systems)
    installer = next(found, None)
    if installer is None:
        return f"install Docker's own package `{package}`"
    return f"run `sudo {installer} install {package}`, from Docker's own packages"


@check("docker-socket")
def socket_opens(facts: Facts) -> Finding:
    """Expect that this user may talk to the engine without being root."""
    docker = known(facts.docker)
    if docker is None or docker.socket is None:
        return Skipped("no socket of an engine on this host")
    socket = docker.socket
    evidence = f"{socket.path}, mode {socket.mode:o}, group {socket.group}"
    if not socket.is_open:
        fix = f"run `sudo usermod -aG {socket.group} $USER`, then log in again"
        return Warned(f"{evidence}: closed to this user", fix)
    if socket.mode & 0o002:
        evidence = f"{evidence}: whoever is on this host is root through it"
        return Warned(evidence, f"run `sudo chmod o-rw {socket.path}`")
    return Passed(evidence)


@check("docker-rootless")
def engine_has_roots_rights(facts: Facts) -> Finding:
    """Name what is different where the engine is not root."""
    docker = known(facts.docker)
    if docker is None or docker.version is None:
        return Skipped(_NO_ENGINE)
    if not docker.is_rootless:
        return Passed("no")
    details = (
        "`network_mode: host` is the engine's own network, not this host's\n"
        "uid 1000 in a container is another one here: folders of models cannot be given to it\n"
        "a GPU needs `no-cgroups = true` in the NVIDIA toolkit's file, or CDI"
    )
    fix = "use the engine of the system, or `aava serve`, if calls do not reach the daemon"
    return Warned("the engine runs as a user", fix, details)


@check("compose")
def compose_is_new_enough(facts: Facts) -> Finding:
    """Expect Compose 2 or later: version 1 reads the project's file differently."""
    docker = known(facts.docker)
    if docker is None or docker.version is None:
        return Skipped(_NO_ENGINE)
    fix = _installing("docker-compose-plugin", facts)
    needed = known(facts.is_compose_project)
    if docker.compose is None:
        missing = "Docker Compose is not installed"
        return Failed(missing, fix) if needed else Skipped(missing)
    if is_older(docker.compose, _COMPOSE_2):
        return (Failed if needed else Warned)(f"{docker.compose} is Compose 1", fix)
    if is_older(docker.compose, _GOOD_COMPOSE):
        return Warned(f"{docker.compose} is old", fix)
    if is_older(docker.compose, _SAFE_COMPOSE):
        return Warned(f"{docker.compose} has the hole CVE-2025-62725, closed in 2.40.2", fix)
    return Passed(docker.compose)


@check("buildx")
def builder_is_new_enough(facts: Facts) -> Finding:
    """Expect the builder that this Compose needs; a project without images needs none."""
    docker = known(facts.docker)
    if docker is None or docker.version is None or docker.is_podman:
        return Skipped(_NO_ENGINE)
    if not known(facts.is_compose_project):
        return Skipped("no image to build here")
    fix = _installing("docker-buildx-plugin", facts)
    if docker.buildx is None:
        return Failed("not installed: `aava rebuild` and Compose cannot build", fix)
    if not is_older(docker.buildx, _GOOD_BUILDX):
        return Passed(docker.buildx)
    evidence = f"{docker.buildx} is older than 0.17"
    if version_of(docker.compose or "") >= _SAFE_COMPOSE:
        return Failed(f"{evidence}: Compose {docker.compose} refuses to build with it", fix)
    return Warned(evidence, fix)


@check("compose-config")
def compose_reads_the_project(facts: Facts) -> Finding:
    """Have Compose read the project's files: what it refuses, no start can get past."""
    config = known(facts.compose_config)
    docker = known(facts.docker)
    if config is None or docker is None or docker.compose is None:
        return Skipped("no Compose, or no Compose project")
    if config.problem is not None:
        return Failed(config.problem, "correct the file that is named; run `docker compose config`")
    if config.warnings:
        fix = "run `docker compose config` to see what Compose makes of it"
        return Warned(config.warnings[0], fix, "\n".join(config.warnings[1:]))
    return Passed("read without a word")


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

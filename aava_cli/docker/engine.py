"""What the engine says about images and containers, and the few changes asked of it."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aava_cli.docker import problems
from aava_cli.docker.calls import ANSWER_S, ask, run
from aava_cli.docker.mounts import Mount
from aava_cli.redact import scrub, secrets_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_ELSEWHERE = ("tcp://", "ssh://", "http://", "https://")
_NANOSECONDS = 1e9
_PROJECT = "com.docker.compose.project"
# What the builder writes before a command: how many arguments, and each with its value.
_RECORDED_ARGS = re.compile(r"(?:RUN )?\|(\d+) (.*)", re.DOTALL)
_ARGUMENT = re.compile(r"[A-Za-z_]\w*=")
_DEFAULT_CHECK_S = 30.0


@dataclass(frozen=True, slots=True)
class Engine:
    """The engine that answers; *root* is a folder of its host, which may be another one.

    *processor* is that of its host, as `uname -m` has it.
    """

    id: str
    endpoint: str
    version: str
    root: Path
    runtimes: tuple[str, ...]
    has_gpu_devices: bool
    processor: str

    @property
    def is_elsewhere(self) -> bool:
        """Whether it runs on another host, about which this one knows nothing."""
        return self.endpoint.startswith(_ELSEWHERE)

    @property
    def offers_gpu(self) -> bool:
        """Whether a container can ask for an NVIDIA device here."""
        return "nvidia" in self.runtimes or self.has_gpu_devices


@dataclass(frozen=True, slots=True)
class Image:
    """An image that is here."""

    id: str
    tags: tuple[str, ...]
    size_bytes: int
    created: str


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """The command with which a container is asked whether it is well."""

    argv: tuple[str, ...]
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Container:
    """A container as it is now; *health* is None where nothing checks it.

    *image* is the name that it was made with. *files* are the Compose files that it was made
    from, and *folder* is theirs; *secrets* are values of its environment that no text may show.
    """

    id: str
    name: str
    image_id: str
    image: str
    status: str
    health: str | None
    restarts: int
    exit_code: int
    check: HealthCheck | None
    mounts: tuple[Mount, ...]
    files: tuple[Path, ...] = ()
    folder: Path | None = None
    secrets: tuple[str, ...] = field(default=(), repr=False)


def require_engine() -> Engine:
    """Return the engine that the user's `docker` talks to.

    Raises:
        EngineUnreachable: none answers, this user may not ask it, or it is Podman.
    """
    if "podman" in ask(("docker", "--version")).lower():
        raise problems.is_podman()
    version = json.loads(ask(("docker", "version", "--format={{json .Server}}")))
    if any("podman" in part["Name"].lower() for part in version.get("Components") or ()):
        raise problems.is_podman()
    info = json.loads(ask(("docker", "info", "--format={{json .}}")))
    devices = (str(each.get("ID")) for each in info.get("DiscoveredDevices") or ())
    return Engine(
        id=info["ID"],
        endpoint=_endpoint(),
        version=version["Version"],
        root=Path(info["DockerRootDir"]),
        runtimes=tuple(info.get("Runtimes") or ()),
        has_gpu_devices=any(device.startswith("nvidia.com/gpu") for device in devices),
        processor=info["Architecture"],
    )


def _endpoint() -> str:
    # The default context is what `DOCKER_HOST` says, where it says something.
    return ask(("docker", "context", "inspect", "--format={{.Endpoints.docker.Host}}")).strip()


def find_image(reference: str) -> Image | None:
    """Return the image that *reference*, a tag or an id, names; None if it is not here."""
    try:
        (found,) = json.loads(ask(("docker", "image", "inspect", reference)))
    except problems.ImageMissing:
        return None
    tags = tuple(found.get("RepoTags") or ())
    return Image(found["Id"], tags, found["Size"], found["Created"])


def image_args(reference: str) -> dict[str, str]:
    """Return the build arguments that the image *reference* was made with, as it records them."""
    history = ("docker", "image", "history", "--no-trunc", "--format={{.CreatedBy}}", reference)
    return parse_args(ask(history))


def parse_args(history: str) -> dict[str, str]:
    """Return the build arguments in an image's *history*, whose newest line comes first."""
    found: dict[str, str] = {}
    for line in reversed(history.splitlines()):
        recorded = _RECORDED_ARGS.match(line)
        if recorded:
            found |= _arguments(recorded[2].split(" "), int(recorded[1]))
    return found


def _arguments(words: Iterable[str], count: int) -> dict[str, str]:
    """Return the first *count* arguments in *words*; a value may have blanks, but for the last."""
    found: dict[str, str] = {}
    name = ""
    for word in words:
        if _ARGUMENT.match(word):
            name, _, found[name] = word.partition("=")
        elif len(found) < count:
            found[name] += f" {word}"
        if len(found) == count:
            break
    return found


def running_named(name: str) -> tuple[Container, ...]:
    """Return the running containers that are called like *name*."""
    listed = ask(("docker", "ps", "--quiet", "--no-trunc", f"--filter=name={name}"))
    return tuple(_still_there(listed.split()))


def tag_image(image_id: str, tag: str) -> None:
    """Have *tag* name the image *image_id*, whatever it named before."""
    ask(("docker", "image", "tag", image_id, tag))


def remove_tag(tag: str) -> None:
    """Take *tag* away; the image goes with its last tag unless a container needs it."""
    ask(("docker", "image", "rm", "--no-prune", tag))


def find_container(project: str, service: str) -> Container | None:
    """Return the container of *service*, running or not; None if Compose made none.

    A replacement that was interrupted leaves two: the one that was to come is returned.
    """
    containers = find_containers(project, service)
    return containers[0] if containers else None


def find_containers(project: str, service: str) -> tuple[Container, ...]:
    """Return every container that Compose made for *service*, the newest first."""
    labels = {"project": project, "service": service, "oneoff": "False"}
    filters = (f"--filter=label=com.docker.compose.{key}={value}" for key, value in labels.items())
    listed = ask(("docker", "ps", "--all", "--quiet", "--no-trunc", *filters))
    return tuple(_still_there(listed.split()))


def _still_there(container_ids: Iterable[str]) -> Iterator[Container]:
    for container_id in container_ids:
        # One that another program is replacing may be gone by now.
        with suppress(problems.ContainerMissing):
            yield inspect_container(container_id)


def remove_container(container_id: str) -> None:
    """Take the container *container_id* away; one that is already gone is fine."""
    with suppress(problems.ContainerMissing):
        ask(("docker", "rm", "--force", container_id))


def inspect_container(container_id: str) -> Container:
    """Return the container *container_id* as it is now.

    Raises:
        ContainerMissing: there is none.
    """
    (found,) = json.loads(ask(("docker", "container", "inspect", container_id)))
    return parse_container(found)


def parse_container(found: Mapping[str, Any]) -> Container:
    """Return what the engine's description *found* of a container says."""
    state, config = found["State"], found["Config"]
    labels = config.get("Labels") or {}
    files, folder = (labels.get(f"{_PROJECT}.{each}") for each in ("config_files", "working_dir"))
    return Container(
        id=found["Id"],
        name=found["Name"].lstrip("/"),
        image_id=found["Image"],
        image=config["Image"],
        status=state["Status"],
        health=(state.get("Health") or {}).get("Status"),
        restarts=found["RestartCount"],
        exit_code=state["ExitCode"],
        check=_parse_check(config.get("Healthcheck")),
        mounts=tuple(
            Mount(each["Destination"], Path(each["Source"]), writable=each["RW"])
            for each in found.get("Mounts") or ()
            if each.get("Source")
        ),
        files=tuple(map(Path, files.split(","))) if files else (),
        folder=Path(folder) if folder else None,
        secrets=secrets_in(
            dict(word.split("=", 1) for word in config.get("Env") or () if "=" in word)
        ),
    )


def _parse_check(healthcheck: Mapping[str, Any] | None) -> HealthCheck | None:
    form, *words = (healthcheck or {}).get("Test") or ("NONE",)
    if form == "NONE":
        return None
    timeout_s = (healthcheck or {}).get("Timeout", 0) / _NANOSECONDS
    shell = ("/bin/sh", "-c") if form == "CMD-SHELL" else ()
    return HealthCheck((*shell, *words), timeout_s or _DEFAULT_CHECK_S)


def last_words(container: Container, *, lines: int = 20) -> tuple[str, ...]:
    """Return the last *lines* that *container* printed, without the secrets that it was given."""
    printed = run(
        ("docker", "logs", f"--tail={lines}", container.id), timeout_s=ANSWER_S, merge=True
    )
    said = scrub(printed, container.secrets)
    return tuple(line for line in said.splitlines() if line.strip())

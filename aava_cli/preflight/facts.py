"""What the checks judge: facts about this host and this project, or why there are none."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from aava_cli.gpu.facts import ContainerGpu, EngineGpu, Gpus


@dataclass(frozen=True, slots=True)
class Unknown:
    """A fact that could not be found out."""

    reason: str


@dataclass(frozen=True, slots=True)
class Machine:
    """The system that the program runs on."""

    python: tuple[int, int, int]
    arch: str
    os_id: str
    os_version: str
    os_name: str
    container: str | None
    cpus: float
    open_files: int


@dataclass(frozen=True, slots=True)
class Memory:
    """Main memory; a container's limit counts, not the host's total."""

    total_bytes: int
    available_bytes: int
    limit_bytes: int | None

    @property
    def usable_bytes(self) -> int:
        """What this program and the daemon may use together."""
        return min(self.total_bytes, self.limit_bytes or self.total_bytes)


@dataclass(frozen=True, slots=True)
class Disk:
    """The file system below a folder that will grow."""

    purpose: Literal["models", "project"]
    path: Path
    free_bytes: int


@dataclass(frozen=True, slots=True)
class Docker:
    """The container engine; without a *version* it does not answer, and *problem* says why."""

    version: str | None = None
    problem: str | None = None
    compose: str | None = None
    root: Path | None = None
    root_free_bytes: int | None = None
    runtimes: tuple[str, ...] = ()
    has_cdi: bool = False
    is_podman: bool = False
    is_snap: bool = False
    remote: str | None = None


@dataclass(frozen=True, slots=True)
class EnvFile:
    """What matters of `.env`; it holds secrets, so its other values stay out."""

    path: Path
    exists: bool = False
    problem: str | None = None
    host: str = "127.0.0.1"
    has_token: bool = False
    comments_as_values: tuple[str, ...] = ()
    others_may_read: bool = False
    gpu_settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Parsed:
    """A file that people write, and that exists; *problem* is why it does not parse."""

    path: Path
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Folder:
    """What files are written to; one that does not exist yet is judged by the folder above it."""

    path: Path
    exists: bool
    writable: bool


@dataclass(frozen=True, slots=True)
class Port:
    """Who listens where the daemon is to listen."""

    address: str
    answer: Literal["nobody", "daemon", "silence", "stranger"]
    detail: str = ""
    holder: str | None = None
    gpu: EngineGpu | None = None


@dataclass(frozen=True, slots=True)
class Network:
    """Which loopback addresses a program can listen on."""

    ipv4: bool
    ipv6: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything the checks look at; gathered once."""

    machine: Machine | Unknown
    memory: Memory | Unknown
    gpus: Gpus | Unknown
    container_gpu: ContainerGpu | Unknown | None
    disks: tuple[Disk, ...] | Unknown
    docker: Docker | Unknown | None
    engines: tuple[str, ...] | Unknown
    env_file: EnvFile | Unknown
    yaml_files: tuple[Parsed, ...] | Unknown
    catalogs: tuple[Parsed, ...] | Unknown
    models: Folder | Unknown
    written: tuple[Folder, ...] | Unknown
    port: Port | Unknown
    network: Network | Unknown
    is_compose_project: bool | Unknown

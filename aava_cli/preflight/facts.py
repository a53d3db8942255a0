"""What the checks judge: facts about this host and this project, or why there are none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from pathlib import Path

    from aava_cli.gpu.facts import ContainerGpu, Gpus
    from aava_cli.preflight.networkfacts import (
        Answered,
        Listener,
        Names,
        Network,
        Port,
        Proxies,
    )
    from aava_cli.preflight.projectfacts import (
        Drift,
        EnvFile,
        Folder,
        Label,
        Overlay,
        Parsed,
        Pending,
        Selected,
    )


@dataclass(frozen=True, slots=True)
class Unknown:
    """A fact that could not be found out."""

    reason: str


NOT_ASKED = Unknown("nobody asked for it")


@dataclass(frozen=True, slots=True)
class Learned:
    """One fact: what it is, how it was learned, and how long that took."""

    name: str
    how: str
    took_s: float
    value: Any


@dataclass(frozen=True, slots=True)
class Machine:
    """The system that the program runs on; *today* is an ISO date, as *support_end* is.

    *virtual* is what the machine runs in, None where nothing says that it is no real one.
    """

    python: tuple[int, int, int]
    arch: str
    os_id: str
    os_version: str
    os_name: str
    container: str | None
    cpus: float
    open_files: int
    virtual: str | None = None
    has_systemd: bool = True
    support_end: str | None = None
    today: str = ""
    user_id: int = 0
    cpu_flags: tuple[str, ...] = ()
    locale: str = ""
    encoding: str = "utf-8"


@dataclass(frozen=True, slots=True)
class Clock:
    """Whether something keeps the clock right; the kernel's word."""

    is_synchronised: bool


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
class Socket:
    """The engine's door on this host; *group* may open it."""

    path: Path
    group: str
    mode: int
    is_open: bool


@dataclass(frozen=True, slots=True)
class Docker:
    """The container engine; without a *version* it does not answer, and *problem* says why.

    *remote* is where it is, if that is another host. *is_named*: the user says where it is, by
    `DOCKER_HOST` or a context.
    """

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
    buildx: str | None = None
    is_rootless: bool = False
    socket: Socket | None = None
    is_named: bool = False


@dataclass(frozen=True, slots=True)
class ComposeConfig:
    """What Compose says of the project's files: a *problem*, or only *warnings*."""

    problem: str | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything the checks look at; what nobody asked for is unknown."""

    machine: Machine | Unknown = NOT_ASKED
    memory: Memory | Unknown = NOT_ASKED
    gpus: Gpus | Unknown = NOT_ASKED
    container_gpu: ContainerGpu | Unknown | None = NOT_ASKED
    disks: tuple[Disk, ...] | Unknown = NOT_ASKED
    docker: Docker | Unknown | None = NOT_ASKED
    engines: tuple[str, ...] | Unknown = NOT_ASKED
    env_file: EnvFile | Unknown = NOT_ASKED
    yaml_files: tuple[Parsed, ...] | Unknown = NOT_ASKED
    catalogs: tuple[Parsed, ...] | Unknown = NOT_ASKED
    models: Folder | Unknown = NOT_ASKED
    written: tuple[Folder, ...] | Unknown = NOT_ASKED
    port: Port | Unknown = NOT_ASKED
    network: Network | Unknown = NOT_ASKED
    is_compose_project: bool | Unknown = NOT_ASKED
    clock: Clock | Unknown = NOT_ASKED
    compose_config: ComposeConfig | Unknown | None = NOT_ASKED
    overlay: Overlay | Unknown = NOT_ASKED
    owned: tuple[Folder, ...] | Unknown = NOT_ASKED
    label: Label | Unknown = NOT_ASKED
    selected: tuple[Selected, ...] | Unknown = NOT_ASKED
    drift: Drift | Unknown = NOT_ASKED
    pending: Pending | Unknown | None = NOT_ASKED
    listeners: tuple[Listener, ...] | Unknown = NOT_ASKED
    proxies: Proxies | Unknown = NOT_ASKED
    names: Names | Unknown = NOT_ASKED
    hub: Answered | Unknown = NOT_ASKED
    downloads: Answered | Unknown | None = NOT_ASKED

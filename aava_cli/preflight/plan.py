"""Decide which of what was found wrong can be put right safely: facts in, repairs out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from aava_cli.folders import Ownership
from aava_cli.preflight.checks.address import UNGUARDED
from aava_cli.preflight.checks.gpu_use import decide_gpu
from aava_cli.preflight.checks.project import CONTAINER_USER
from aava_cli.preflight.facts import Docker, Unknown
from aava_cli.preflight.findings import NotKnown, known

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from aava_cli.preflight.facts import Facts
    from aava_cli.preflight.projectfacts import EnvFile

# What the project's own installer gives its folders: the group writes, and what is made in
# them belongs to it.
_SHARED_MODE = 0o2775
_OWN_MODE = 0o755
_LAYERS, _TOKEN = "LOCAL_LLM_GPU_LAYERS", "LOCAL_WS_AUTH_TOKEN"


@dataclass(frozen=True, slots=True)
class MissingFolder:
    """A folder to make."""

    name: ClassVar[str] = "make-folder"
    path: Path
    mode: int
    owner: int | None

    @property
    def message(self) -> str:
        """What is done."""
        return f"make {self.path}"

    @property
    def command(self) -> str:
        """The same for a shell."""
        owner = f" -o {self.owner}" if self.owner is not None else ""
        return f"install -d -m {self.mode:o}{owner} {self.path}"


@dataclass(frozen=True, slots=True)
class ClosedFolder:
    """A folder that the containers' user has to be let into."""

    name: ClassVar[str] = "open-folder"
    path: Path
    old: Ownership
    new: Ownership

    @property
    def message(self) -> str:
        """What is done."""
        return f"let user {CONTAINER_USER} write to {self.path}"

    @property
    def command(self) -> str:
        """The same for a shell."""
        owned = (
            f"chown {self.new.owner} {self.path} && " if self.old.owner != self.new.owner else ""
        )
        return f"{owned}chmod {self.new.mode:o} {self.path}"


@dataclass(frozen=True, slots=True)
class MissingEnvFile:
    """A `.env` to make from the example beside it."""

    name: ClassVar[str] = "make-env"
    path: Path
    example: Path

    @property
    def message(self) -> str:
        """What is done."""
        return f"make {self.path} from {self.example.name}"

    @property
    def command(self) -> str:
        """The same for a shell."""
        return f"install -m 600 {self.example} {self.path}"


@dataclass(frozen=True, slots=True)
class MissingValue:
    """A value of `.env` to set; None is a secret that is made up when it is set."""

    name: ClassVar[str] = "set-value"
    key: str
    value: str | None

    @property
    def message(self) -> str:
        """What is done; a secret is not told."""
        return f"set {self.key} in `.env` to {self.value or 'a new secret'}"

    @property
    def command(self) -> str:
        """The same for a shell."""
        return f"echo {self.key}={self.value or '$(openssl rand -hex 32)'} >>.env"


Repair: TypeAlias = MissingFolder | ClosedFolder | MissingEnvFile | MissingValue


def plan_repairs(facts: Facts, checks: Collection[str]) -> tuple[Repair, ...]:
    """Return what of the *checks* this user can put right here, in the order of doing it."""
    folders = _folders(facts) if "owners" in checks else ()
    return (*folders, *(repair for check, repair in _env(facts) if check in checks))


def _folders(facts: Facts) -> Iterator[Repair]:
    try:
        user, owned = known(facts.machine).user_id, known(facts.owned)
        shared = known(facts.is_compose_project)
        # Where there is no project, `aava init` makes one.
        if not (shared or known(facts.env_file).exists):
            return
    except NotKnown:
        return
    rootless = isinstance(facts.docker, Docker) and facts.docker.is_rootless
    # Whoever may write here can put a link to anything: what it leads to is not given away.
    for folder in (each for each in owned if each.leads_to is None):
        if not folder.exists and folder.writable:
            owner = CONTAINER_USER if shared and user == 0 and not rootless else None
            yield MissingFolder(folder.path, _SHARED_MODE if shared else _OWN_MODE, owner)
        elif folder.held and shared and not rootless and not folder.is_open_to(CONTAINER_USER):
            yield from _opened(folder.path, folder.held, user)


def _opened(path: Path, held: Ownership, user: int) -> Iterator[Repair]:
    # Only root gives a folder away, and only its owner changes who may use it.
    if user == 0 or user == held.owner == CONTAINER_USER:
        new = Ownership(CONTAINER_USER, held.group, held.mode | _SHARED_MODE)
        yield ClosedFolder(path, held, new)


def _env(facts: Facts) -> Iterator[tuple[str, Repair]]:
    """Yield the repairs of `.env`, each with the check that asks for it."""
    env = facts.env_file
    if isinstance(env, Unknown) or env.problem is not None:
        return
    if not env.exists:
        if env.has_example:
            yield "env", MissingEnvFile(env.path, env.path.with_name(".env.example"))
        return
    if env.gpu_settings.get(_LAYERS, "0") == "0" and decide_gpu(facts).usable:
        yield "gpu-layers", MissingValue(_LAYERS, "-1")
    if _is_open(env):
        yield "access", MissingValue(_TOKEN, None)


def _is_open(env: EnvFile) -> bool:
    return bool(env.host) and env.host not in UNGUARDED and not env.has_token

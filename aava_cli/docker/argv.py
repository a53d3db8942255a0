"""The command lines of every call on a Compose project; nothing here runs them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from aava_cli.settings import COMPOSE_FILES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path

    OnService: TypeAlias = "Callable[[Project, str], Argv]"

Argv: TypeAlias = tuple[str, ...]

SERVICE = "local_ai_server"
GPU_OVERLAY = "docker-compose.gpu.yml"


@dataclass(frozen=True, slots=True)
class Project:
    """A Compose project: its folder, the files that Compose reads, the name it gives it.

    No profile is chosen: Compose reads the choice itself, and enables those of a named service.
    """

    folder: Path
    files: tuple[Path, ...]
    name: str = ""

    def named(self, name: str) -> Project:
        """Return the project under the *name* that Compose gave it, whatever `.env` says later."""
        return replace(self, name=name)

    def command(self, *words: str) -> Argv:
        """Return the command line that runs *words* of Compose on this project."""
        files = (f"--file={path}" for path in self.files)
        name = (f"--project-name={self.name}",) if self.name else ()
        return ("docker", "compose", "--ansi=never", *files, *name, *words)


def compose_files(
    folder: Path, present: Collection[str], chosen: str | None, *, separator: str, on_gpu: bool
) -> tuple[Path, ...]:
    """Return the files that Compose reads in *folder*, and *on_gpu* the overlay behind them.

    *present* are the names of the files there; *chosen* is what `COMPOSE_FILE` says.
    """
    names = tuple(chosen.split(separator)) if chosen else _found(present)
    has_overlay = any(name.rpartition("/")[2] == GPU_OVERLAY for name in names)
    if on_gpu and not has_overlay and GPU_OVERLAY in present:
        names = (*names, GPU_OVERLAY)
    return tuple(folder / name for name in names)


def _found(present: Collection[str]) -> tuple[str, ...]:
    for name in COMPOSE_FILES:
        if name in present:
            stem, _, suffix = name.rpartition(".")
            override = f"{stem}.override.{suffix}"
            return (name, override) if override in present else (name,)
    return ()


def config(project: Project) -> Argv:
    """Return the command that prints what Compose makes of the files, all profiles together."""
    return project.command("--profile=*", "config", "--format=json")


def up(project: Project, service: str) -> Argv:
    """Return the command that replaces the container of *service*, and no other's."""
    options = ("--detach", "--no-build", "--no-deps", "--force-recreate")
    return project.command("up", *options, service)


def create(project: Project, service: str) -> Argv:
    """Return the command that replaces the container of *service* and does not start it."""
    return project.command("create", "--no-build", "--force-recreate", service)


def remove(project: Project, service: str) -> Argv:
    """Return the command that ends the container of *service* and takes it away."""
    return project.command("rm", "--stop", "--force", service)


def build(
    project: Project, service: str, args: Mapping[str, str], *, use_cache: bool = True
) -> Argv:
    """Return the command that builds the image of *service*, with build arguments *args*.

    An empty value is left out: it would stand in for the one that the image's file pins.
    """
    given = (f"--build-arg={key}={value}" for key, value in args.items() if value)
    cache = () if use_cache else ("--no-cache",)
    # The one form of progress that every Compose and buildx of version 2 prints alike.
    return project.command("--progress=plain", "build", *cache, *given, service)


def ps(project: Project, service: str) -> Argv:
    """Return the command that lists the containers of *service*, stopped ones too."""
    return project.command("ps", "--all", "--format=json", service)


def images(project: Project, service: str) -> Argv:
    """Return the command that lists the images that the containers of *service* run."""
    return project.command("images", "--format=json", service)

"""Ask Compose what the project is, and have it do things."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aava_cli.docker import argv
from aava_cli.docker.argv import SERVICE, Project
from aava_cli.docker.calls import ANSWER_S, run
from aava_cli.docker.gpu import has_usable_gpu
from aava_cli.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from aava_cli.docker.engine import Engine

_PUBLISHED = ("tags", "cache_to")


@dataclass(frozen=True, slots=True)
class Service:
    """What Compose makes of one service of a project.

    *build_args* are the arguments with the values that a build would use now.
    """

    project: Project
    name: str
    image: str
    context: str | None
    dockerfile: str | None
    build_args: Mapping[str, str]
    asks_for_gpu: bool

    def with_build(
        self, config: Mapping[str, Any], *, image: str, args: Mapping[str, str]
    ) -> dict[str, Any]:
        """Return a Compose file that builds what *config* says under another tag, with *args*.

        *args* are written as *config* writes them, with `$$` for a dollar. An empty one is left
        out: it would stand in for what the image's file pins. Further names of the image, and
        what a build would publish, are left out too: nothing that serves may change.
        """
        described: Mapping[str, Any] = config["services"][self.name]["build"]
        build = {key: value for key, value in described.items() if key not in _PUBLISHED}
        given = {key: value for key, value in args.items() if value}
        parts = {key: config[key] for key in ("secrets",) if config.get(key)}
        service = {"image": image, "build": {**build, "args": given}}
        return {"name": self.project.name, **parts, "services": {self.name: service}}


def find_project(folder: Path, env: Mapping[str, str], engine: Engine) -> Project:
    """Return the Compose project in *folder*, whose `.env` holds *env*.

    The GPU overlay joins its files where *engine* can give containers a GPU that is there.
    """
    # Compose lets the environment win over `.env`.
    said = {**env, **os.environ}
    files = argv.compose_files(
        folder,
        {path.name for path in folder.iterdir()},
        said.get("COMPOSE_FILE"),
        separator=said.get("COMPOSE_PATH_SEPARATOR") or os.pathsep,
        on_gpu=has_usable_gpu(engine),
    )
    return Project(folder, files)


def read_service(
    project: Project, service: str = SERVICE, *, environ: Mapping[str, str] | None = None
) -> Service:
    """Return what Compose makes of *service*; its project is named from then on.

    Raises:
        EngineFailed: Compose cannot read the files.
        NotFound: they have no such service.
    """
    return find_service(project, read_config(project, environ=environ), service)


def read_config(project: Project, *, environ: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return what Compose makes of the files of *project*, with *environ* before `.env`.

    Raises:
        EngineFailed: Compose cannot read the files.
    """
    printed = run(argv.config(project), timeout_s=ANSWER_S, folder=project.folder, environ=environ)
    config: dict[str, Any] = json.loads(printed)
    return config


def find_service(project: Project, config: Mapping[str, Any], service: str = SERVICE) -> Service:
    """Return what *config* says of *service*.

    Raises:
        NotFound: it has no such service.
    """
    services: Mapping[str, Any] = config.get("services") or {}
    if service not in services:
        raise NotFound.named("service", service, services, listing="docker compose config")
    return parse_service(project.named(config["name"]), service, services[service])


def parse_service(project: Project, name: str, described: Mapping[str, Any]) -> Service:
    """Return the service that Compose *described* under *name*."""
    build: Mapping[str, Any] = described.get("build") or {}
    return Service(
        project=project,
        name=name,
        image=described.get("image") or f"{project.name}-{name}",
        context=build.get("context"),
        dockerfile=build.get("dockerfile"),
        build_args={key: value or "" for key, value in (build.get("args") or {}).items()},
        asks_for_gpu=_asks_for_gpu(described),
    )


def _asks_for_gpu(described: Mapping[str, Any]) -> bool:
    devices: Any = described.get("deploy") or {}
    for key in ("resources", "reservations", "devices"):
        devices = devices.get(key) or {}
    return any("gpu" in (device.get("capabilities") or ()) for device in devices)

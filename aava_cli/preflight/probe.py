"""Find out the facts: every probe at the same time, each within a deadline, changing nothing."""

from __future__ import annotations

import os
import platform
import re
import shutil
import socket
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aava_cli import envfile
from aava_cli.backends import BACKENDS
from aava_cli.daemon.address import find_address
from aava_cli.errors import AavaError, ConfigError
from aava_cli.gpu.facts import GPU_SETTINGS
from aava_cli.gpu.probe import find_gpus
from aava_cli.limits import cpu_limit, memory_limit_bytes
from aava_cli.preflight import facts
from aava_cli.preflight.engine import find_docker
from aava_cli.preflight.port import find_port
from aava_cli.session import read_text
from aava_cli.settings import is_compose_project

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aava_cli.gpu.facts import ContainerGpu
    from aava_cli.session import Session
    from aava_cli.settings import Settings

# A driver that nobody has used since the start of the host takes seconds to answer.
DEADLINE_S = 5.0
# The first container of an image of many gigabytes takes its time.
DEEP_DEADLINE_S = 90.0

_ROOT = Path("/")
# Docker Compose takes a comment that nothing but blanks precede for the value.
_COMMENT_AS_VALUE = re.compile(r"^\s*(?:export\s+)?(\w+)[^\S\n]*=[^\S\n]+#", re.MULTILINE)


def gather_facts(
    session: Session, *, deadline_s: float = DEADLINE_S, deep: bool = False
) -> facts.Facts:
    """Return everything the checks look at; what does not answer in time is unknown."""
    settings = session.settings
    probes: dict[str, Callable[[], Any]] = {
        "machine": find_machine,
        "memory": find_memory,
        "gpus": find_gpus,
        "container_gpu": lambda: try_container(session) if deep else None,
        "disks": lambda: find_disks(settings),
        "docker": find_docker,
        "engines": find_engines,
        "env_file": lambda: read_env_file(settings.env_file),
        "yaml_files": lambda: read_yaml_files(settings),
        "catalogs": lambda: read_catalogs(settings),
        "models": lambda: find_folder(settings.models_dir),
        "written": lambda: find_written(settings),
        "port": lambda: find_port(session),
        "network": find_network,
        "is_compose_project": lambda: is_compose_project(settings.project),
    }
    return facts.Facts(**ask_all(probes, deadline_s=DEEP_DEADLINE_S if deep else deadline_s))


def try_container(session: Session) -> ContainerGpu | None:
    """Return what a container of the project's own image finds of the GPU, if it has one."""
    from aava_cli.docker.proof import prove_gpu

    folder = session.settings.project
    return prove_gpu(folder, session.env()) if is_compose_project(folder) else None


def ask_all(probes: Mapping[str, Callable[[], Any]], *, deadline_s: float) -> dict[str, Any]:
    """Return what each of *probes* answers within *deadline_s*; they run side by side."""
    late = facts.Unknown(f"no answer within {deadline_s:g} s")
    answers: dict[str, Any] = dict.fromkeys(probes, late)
    # A program that hangs in the driver cannot be ended: daemon threads do not hold up the exit.
    threads = [
        threading.Thread(target=_ask, args=(name, probe, answers), daemon=True)
        for name, probe in probes.items()
    ]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + deadline_s
    for thread in threads:
        thread.join(max(deadline - time.monotonic(), 0))
    return dict(answers)


def _ask(name: str, probe: Callable[[], Any], answers: dict[str, Any]) -> None:
    try:
        answers[name] = probe()
    except (OSError, ValueError, subprocess.SubprocessError, AavaError) as error:
        answers[name] = facts.Unknown(str(error))


def find_machine(root: Path = _ROOT) -> facts.Machine:
    """Describe the system that the program runs on."""
    import resource

    release = _os_release(root)
    cpus = float(len(os.sched_getaffinity(0)))
    return facts.Machine(
        python=sys.version_info[:3],
        arch=platform.machine(),
        os_id=release.get("ID", ""),
        os_version=release.get("VERSION_ID", ""),
        os_name=release.get("PRETTY_NAME", platform.system()),
        container=find_container(os.environ, root),
        cpus=min(cpus, cpu_limit(root) or cpus),
        open_files=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
    )


def _os_release(root: Path) -> dict[str, str]:
    path = root / "etc/os-release"
    return envfile.read(read_text(path), name=str(path)) if path.exists() else {}


def find_container(environ: Mapping[str, str], root: Path = _ROOT) -> str | None:
    """Return what kind of container this is, if it is one."""
    if "VAST_CONTAINERLABEL" in environ:
        return "Vast.ai"
    if "KUBERNETES_SERVICE_HOST" in environ:
        return "Kubernetes"
    marks = {"Docker": root / ".dockerenv", "Podman": root / "run/.containerenv"}
    found = (kind for kind, mark in marks.items() if mark.exists())
    return next(found, environ.get("container"))


def find_memory() -> facts.Memory:
    """Return how much memory there is, and how much of it this container may use."""
    import psutil

    memory = psutil.virtual_memory()
    return facts.Memory(memory.total, memory.available, memory_limit_bytes())


def find_disks(settings: Settings) -> tuple[facts.Disk, ...]:
    """Return the room for models and for the project's own files."""
    return (
        facts.Disk("models", settings.models_dir, _free_bytes(settings.models_dir)),
        facts.Disk("project", settings.project, _free_bytes(settings.project)),
    )


def _free_bytes(folder: Path) -> int:
    return shutil.disk_usage(_existing(folder)).free


def _existing(folder: Path) -> Path:
    """Return *folder*, or the nearest folder above it that exists."""
    return next(each for each in (folder, *folder.parents) if each.exists())


def find_engines() -> tuple[str, ...]:
    """Return the backends that the native daemon can run here, without importing them."""
    from importlib.util import find_spec

    return tuple(
        backend.name
        for backend in BACKENDS.values()
        if backend.package is not None and find_spec(backend.package) is not None
    )


def read_env_file(path: Path) -> facts.EnvFile:
    """Return what matters of `.env`."""
    if not path.exists():
        return facts.EnvFile(path)
    try:
        text = read_text(path)
        values = envfile.read(text, name=str(path))
        find_address(None, values, env_file=path)
    except ConfigError as error:
        return facts.EnvFile(path, exists=True, problem=error.message)
    return facts.EnvFile(
        path,
        exists=True,
        host=values.get("LOCAL_WS_HOST") or "127.0.0.1",
        has_token=bool(values.get("LOCAL_WS_AUTH_TOKEN")),
        comments_as_values=tuple(_COMMENT_AS_VALUE.findall(text)),
        others_may_read=bool(path.stat().st_mode & stat.S_IROTH),
        gpu_settings={name: values[name] for name in GPU_SETTINGS if values.get(name)},
    )


def read_yaml_files(settings: Settings) -> tuple[facts.Parsed, ...]:
    """Parse those configuration files of the engine that exist."""
    paths = filter(Path.is_file, (settings.base_yaml, settings.overlay_yaml))
    return tuple(facts.Parsed(path, _yaml_problem(path)) for path in paths)


def _yaml_problem(path: Path) -> str | None:
    import yaml

    try:
        loaded = yaml.load(read_text(path), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are the safe loader
    except ConfigError as error:
        return error.message
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        return f"{path}:{line}: {getattr(error, 'problem', None) or 'not YAML'}"
    if loaded is None or isinstance(loaded, dict):
        return None
    return f"{path}:1: expected keys and values"


def read_catalogs(settings: Settings) -> tuple[facts.Parsed, ...]:
    """Parse those catalogs that exist beside the shipped one."""
    paths = filter(Path.exists, settings.user_catalogs())
    return tuple(facts.Parsed(path, _catalog_problem(path)) for path in paths)


def _catalog_problem(path: Path) -> str | None:
    from aava_cli.catalog import parse_catalog

    try:
        parse_catalog(read_text(path), name=str(path))
    except ConfigError as error:
        return error.message
    return None


def find_folder(path: Path) -> facts.Folder:
    """Return whether *path* can be written to, or could be made."""
    there = _existing(path)
    writable = there.is_dir() and os.access(there, os.W_OK | os.X_OK)
    return facts.Folder(path, path.is_dir(), writable)


def find_written(settings: Settings) -> tuple[facts.Folder, ...]:
    """Return the folders that a change writes to."""
    files = (settings.env_file, settings.overlay_yaml)
    folders = (
        *(settings.project, settings.state_dir, settings.overlay_yaml.parent),
        # A file is replaced by a new one beside it, or beside what it is a link to.
        *(file.resolve().parent for file in files if file.is_symlink()),
    )
    return tuple(map(find_folder, dict.fromkeys(folders)))


def find_network() -> facts.Network:
    """Return on which loopback addresses a program can listen."""
    return facts.Network(
        ipv4=can_listen(socket.AF_INET, "127.0.0.1"), ipv6=can_listen(socket.AF_INET6, "::1")
    )


def can_listen(family: socket.AddressFamily, host: str) -> bool:
    """Return whether a program can listen on *host*."""
    try:
        with socket.socket(family) as listener:
            listener.bind((host, 0))
    except OSError:
        return False
    return True

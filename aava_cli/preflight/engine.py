"""What the container engine says about itself."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aava_cli.gpu import programs
from aava_cli.preflight.facts import Docker, Socket
from aava_cli.preflight.versions import is_older
from aava_cli.redact import scrub

if TYPE_CHECKING:
    from collections.abc import Mapping

TIMEOUT_S = 4.0
_ELSEWHERE = ("tcp://", "ssh://", "http://", "https://")
_FIRST_WITH_CRUN = (20,)
_DEFAULT_ENDPOINT = "unix:///var/run/docker.sock"


def find_docker(*, timeout_s: float = TIMEOUT_S) -> Docker | None:
    """Ask the `docker` program; None without one."""
    program = shutil.which("docker")
    if program is None:
        return None
    endpoint = find_endpoint(os.environ)
    remote = scrub(endpoint, ()) if endpoint.startswith(_ELSEWHERE) else None
    ran = programs.run((program, "info", "--format", "{{json .}}"), timeout_s=timeout_s)
    if ran is None:
        docker = Docker(problem=f"`docker info` did not answer in {timeout_s:g} s")
    else:
        docker = parse_info(ran.stdout, ran.stderr)
    return replace(
        docker,
        compose=docker.compose or _standalone_compose(timeout_s),
        remote=remote,
        is_named=bool(os.environ.get("DOCKER_HOST") or _named_context(os.environ)),
        root_free_bytes=None if remote else _free_bytes(docker.root),
        is_snap=docker.is_snap or "/snap/" in str(Path(program)),
        socket=_socket(endpoint),
    )


def find_endpoint(environ: Mapping[str, str]) -> str:
    """Return where `docker` looks for the engine, as it does: `DOCKER_HOST`, then its context."""
    if environ.get("DOCKER_HOST"):
        return environ["DOCKER_HOST"]
    name = _named_context(environ)
    if not name:
        return _DEFAULT_ENDPOINT
    # A context's folder is called by the digest of its name.
    digest = hashlib.sha256(name.encode()).hexdigest()
    kept = _config_folder(environ) / "contexts" / "meta" / digest
    endpoints = _read_json(kept / "meta.json").get("Endpoints") or {}
    return str((endpoints.get("docker") or {}).get("Host") or _DEFAULT_ENDPOINT)


def _named_context(environ: Mapping[str, str]) -> str | None:
    kept = _read_json(_config_folder(environ) / "config.json").get("currentContext")
    name = str(environ.get("DOCKER_CONTEXT") or kept or "default")
    return None if name == "default" else name


def _config_folder(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("DOCKER_CONFIG") or Path(environ.get("HOME", "/")) / ".docker")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        loaded = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return loaded if isinstance(loaded, dict) else {}


def _socket(endpoint: str) -> Socket | None:
    import grp

    path = Path(endpoint.removeprefix("unix://"))
    if not endpoint.startswith("unix://") or not path.exists():
        return None
    found = path.stat()
    try:
        group = grp.getgrgid(found.st_gid).gr_name
    except KeyError:
        group = str(found.st_gid)
    return Socket(path, group, stat.S_IMODE(found.st_mode), os.access(path, os.R_OK | os.W_OK))


def parse_info(stdout: str, stderr: str) -> Docker:
    """Return what the answer of `docker info` says."""
    try:
        info = json.loads(stdout)
    except ValueError:
        return Docker(problem=_first_line(stderr) or "`docker info` answered nothing")
    if not isinstance(info, dict):
        return Docker(problem="what `docker info` answered is not an engine's answer")
    if "host" in info:
        # Podman's own answer, where `docker` is another name for it.
        rootless = ((info.get("host") or {}).get("security") or {}).get("rootless")
        version = _text(info, "version", "Version")
        return Docker(version, is_podman=True, is_rootless=bool(rootless))
    root = info.get("DockerRootDir")
    return Docker(
        version=info.get("ServerVersion") or None,
        problem=None if info.get("ServerVersion") else _engine_problem(info, stderr),
        compose=_plugin_version(info, "compose"),
        root=Path(root) if root else None,
        runtimes=tuple(info.get("Runtimes") or ()),
        has_cdi=_has_cdi(info),
        is_podman=_is_podman(info),
        is_snap=str(root).startswith("/var/snap/"),
        buildx=_plugin_version(info, "buildx"),
        is_rootless="name=rootless" in (info.get("SecurityOptions") or ()),
    )


def _is_podman(info: Mapping[str, Any]) -> bool:
    """Return whether Podman answers in Docker's words, as its service does to Docker's program.

    It keeps its images in `containers/storage` (containers-storage.conf(5), `graphroot`), and its
    versions are not as high as those of any Docker that could have `crun` as its default.
    """
    in_storage = "/containers/storage" in str(info.get("DockerRootDir"))
    is_early = is_older(str(info.get("ServerVersion") or ""), _FIRST_WITH_CRUN)
    return in_storage or (info.get("DefaultRuntime") == "crun" and is_early)


def _engine_problem(info: Mapping[str, Any], stderr: str) -> str:
    errors = info.get("ServerErrors") or [_first_line(stderr)]
    return str(errors[0]) or "the engine does not answer"


def _plugin_version(info: Mapping[str, Any], name: str) -> str | None:
    client = info.get("ClientInfo") or {}
    plugins = client.get("Plugins") or ()
    versions = (each.get("Version") for each in plugins if each.get("Name") == name)
    return next(versions, None)


def _has_cdi(info: Mapping[str, Any]) -> bool:
    """Return whether containers can get a GPU by its CDI name, `nvidia.com/gpu=all`."""
    devices = (str(each.get("ID")) for each in info.get("DiscoveredDevices") or ())
    specs = (
        path for folder in info.get("CDISpecDirs") or () for path in Path(folder).glob("nvidia*")
    )
    return any(device.startswith("nvidia.com/") for device in devices) or any(specs)


def _standalone_compose(timeout_s: float) -> str | None:
    if shutil.which("docker-compose") is None:
        return None
    ran = programs.run(("docker-compose", "version", "--short"), timeout_s=timeout_s)
    return _first_line(ran.stdout) or None if ran else None


def _free_bytes(root: Path | None) -> int | None:
    """Return the room for images, where their folder is on this host."""
    try:
        return shutil.disk_usage(root).free if root else None
    except OSError:
        # An engine in a virtual machine or on another host has its own folders.
        return None


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]


def _text(info: Mapping[str, Any], *keys: str) -> str | None:
    value: Any = info
    for key in keys:
        value = value.get(key) or {}
    return value or None

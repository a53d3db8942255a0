"""What the daemon was started with: its container's environment, or its process's own."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aava_cli.daemon.status import is_native
from aava_cli.gpu import programs
from aava_cli.processes import local_process
from aava_cli.settings import is_compose_project

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

# An engine that is well answers in a tenth of this.
TIMEOUT_S = 2.0
_LABEL = "com.docker.compose"
_SERVICE = "local_ai_server"
# From the start of the process until the daemon starts its own clock.
_START_S = 60.0


def container_environment(
    project: Path, *, timeout_s: float = TIMEOUT_S
) -> Mapping[str, str] | None:
    """Return what the daemon's container in *project* was made with.

    None where there is no such container, or where no engine says so in *timeout_s*.
    """
    if not is_compose_project(project):
        return None
    found = _configuration(project, ("--all",), timeout_s)
    return None if found is None else _variables(found.get("Env") or ())


def container_runs(project: Path) -> bool:
    """Return whether the daemon's container in *project* runs, as far as an engine says so."""
    return is_compose_project(project) and _configuration(project, (), TIMEOUT_S) is not None


def _configuration(
    project: Path, which: tuple[str, ...], timeout_s: float
) -> Mapping[str, Any] | None:
    label = f"label={_LABEL}.service={_SERVICE}"
    listed = _ask(("ps", *which, "--quiet", "--no-trunc", "--filter", label), timeout_s)
    if not listed:
        return None
    described = _ask(("inspect", "--format={{json .Config}}", *listed.split()), timeout_s)
    own = (each for each in _configurations(described) if _is_of(project, each))
    return next(own, None)


def process_environment(reply: Mapping[str, Any]) -> Mapping[str, str] | None:
    """Return what the native daemon that sent the status *reply* was started with.

    None where its process is not one of ours on this host.
    """
    pid, uptime_s = reply.get("pid"), reply.get("uptime_s", 0)
    if not is_native(reply) or not isinstance(pid, int) or not isinstance(uptime_s, int | float):
        return None
    try:
        data = Path(f"/proc/{pid}/environ").read_bytes()
        age_s = _age_s(pid)
    except OSError:
        return None
    # The daemon of another host may have a pid that is somebody else's here.
    if not -1 <= age_s - uptime_s <= _START_S:
        return None
    return _variables(data.decode("utf-8", "replace").split("\0"))


def _ask(words: tuple[str, ...], timeout_s: float) -> str:
    try:
        ran = programs.run(("docker", *words), timeout_s=timeout_s)
    except OSError:
        return ""
    return ran.stdout if ran else ""


def _configurations(described: str) -> Iterator[dict[str, Any]]:
    for line in described.splitlines():
        found = json.loads(line) if line.startswith("{") else None
        if found:
            yield found


def _is_of(project: Path, configuration: Mapping[str, Any]) -> bool:
    folder = (configuration.get("Labels") or {}).get(f"{_LABEL}.project.working_dir", "")
    return Path(folder).resolve() == project.resolve()


def _variables(pairs: Iterable[str]) -> dict[str, str]:
    split = (pair.partition("=") for pair in pairs)
    return {name: value for name, equals, value in split if equals}


def _age_s(pid: int) -> float:
    up_s = float(Path("/proc/uptime").read_text(encoding="ascii").split()[0])
    return up_s - local_process(pid).started / os.sysconf("SC_CLK_TCK")

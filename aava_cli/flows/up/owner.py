"""Whose daemon it is that answers, and where one of our own may listen instead."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from aava_cli.docker.argv import SERVICE
from aava_cli.errors import UsageError
from aava_cli.files import read_holder
from aava_cli.preflight.findings import CheckFailed
from aava_cli.settings import is_project

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from aava_cli.flows.up.plan import Way
    from aava_cli.session import Session
    from aava_cli.settings import Settings

PORT_KEY = "LOCAL_WS_PORT"
_USUAL_PORT = 8765
_LAST_PORT = 65_535


def is_made(settings: Settings) -> bool:
    """Return whether the project is set up; an `.env` alone is that of some other program."""
    return settings.env_file.exists() and is_project(settings.project)


def require_own(session: Session, way: Way, status: Mapping[str, Any] | None) -> None:
    """Refuse a daemon that is another project's, and to start one that was named elsewhere.

    *status* is what the daemon answers, None where nothing listens. One that was named is meant.

    Raises:
        CheckFailed: it is none of this project, or there is none where it was named.
    """
    settings = session.settings
    if settings.daemon_url is not None:
        if status is None:
            where = f"nothing listens at {settings.daemon_url}"
            message = f"{where}, and only `.env` says where to start"
            raise CheckFailed(message, hint="start it there, or leave out `--daemon`")
        return
    if status is not None and not _is_own(session, way, status):
        message = "another project's daemon answers where this one's is to listen"
        raise CheckFailed(message, hint=f"choose another port: {_how_to_move(session)}")


def _is_own(session: Session, way: Way, status: Mapping[str, Any]) -> bool:
    if status.get("pid") is not None and status["pid"] == _serving_pid(session.settings):
        return True
    return way == "docker" and is_made(session.settings) and _has_container(session)


def _serving_pid(settings: Settings) -> int | None:
    """Return which process said last that it is the project's `aava serve`."""
    holder = read_holder(settings.state_dir / "serve.lock")
    return holder.pid if holder else None


def _has_container(session: Session) -> bool:
    from aava_cli.docker.compose import find_project, read_service
    from aava_cli.docker.engine import find_container, require_engine

    found = find_project(session.settings.project, session.env(), require_engine())
    container = find_container(read_service(found).project.name, SERVICE)
    return container is not None and container.status == "running"


def _how_to_move(session: Session) -> str:
    said = session.env().get(PORT_KEY)
    free = _free_port(int(said) if said else _USUAL_PORT)
    return f"set `{PORT_KEY}={free}` in `.env`" if said else f"`aava up --port {free}`"


def _free_port(after: int) -> int:
    """Return the first port of loopback above *after* where nothing listens."""
    for port in range(after + 1, _LAST_PORT):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port
    return _USUAL_PORT


def port_to_write(session: Session, port: int | None) -> int | None:
    """Return the *port* that was asked for where `.env` has to be told of it.

    Raises:
        UsageError: `.env` names another one, or the project's daemon already listens elsewhere.
    """
    said = session.env().get(PORT_KEY)
    if port is None or said == str(port):
        return None
    if said:
        message = f"`--port {port}` is for a new project: `.env` says `{PORT_KEY}={said}`"
        raise UsageError(message, hint=f"change `{PORT_KEY}` there, or leave out `--port`")
    if port != _USUAL_PORT and _serving_pid(session.settings) is not None:
        message = f"this project's daemon runs already, where no `{PORT_KEY}` was set"
        raise UsageError(message, hint="leave out `--port`, or stop it first: `aava jobs list`")
    return port

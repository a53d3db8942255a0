"""Who listens where the daemon is to listen."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from aava_cli.errors import AccessDenied, DaemonUnreachable, NotPossible
from aava_cli.preflight.networkfacts import Port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aava_cli.session import Session

TIMEOUT_S = 2.0


def find_port(session: Session, *, timeout_s: float = TIMEOUT_S) -> Port:
    """Return who answers where the daemon is to listen."""
    from aava_cli.daemon.address import find_address
    from aava_cli.daemon.client import connect
    from aava_cli.gpu.engine import engine_gpu

    settings = session.settings
    url = find_address(settings.daemon_url, session.env(), env_file=settings.env_file).urls[0]
    try:
        with connect(session, timeout_s=timeout_s) as daemon:
            said = engine_gpu(daemon.status(timeout_s=timeout_s))
    except (AccessDenied, NotPossible) as error:
        # Only a daemon refuses in these words.
        return Port(url, "daemon", error.message, find_holder(url))
    except DaemonUnreachable as error:
        return _unreachable(url, error)
    return Port(url, "daemon", holder=find_holder(url), gpu=said)


def _unreachable(url: str, error: DaemonUnreachable) -> Port:
    match error.__cause__:
        case TimeoutError():
            return Port(url, "silence", error.message, find_holder(url))
        case OSError():
            return Port(url, "nobody")
        case _:
            return Port(url, "stranger", error.message, find_holder(url))


def find_holder(url: str) -> str | None:
    """Return the program that listens on the port of *url*, where this user may know."""
    from urllib.parse import urlsplit

    import psutil

    port = urlsplit(url).port
    with contextlib.suppress(psutil.Error):
        for pid in _listeners(port):
            return f"{psutil.Process(pid).name()} (pid {pid})"
    return None


def _listeners(port: int | None) -> Iterator[int]:
    import psutil

    for each in psutil.net_connections("tcp"):
        if each.pid and each.status == psutil.CONN_LISTEN and each.laddr[1:2] == (port,):
            yield each.pid

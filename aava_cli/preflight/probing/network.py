"""Which addresses and ports this host has, and who uses them."""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from aava_cli.preflight.networkfacts import Listener, Network, Proxies
from aava_cli.redact import shown_proxy
from aava_cli.settings import is_compose_project

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aava_cli.settings import Settings

# What the other services of the project listen on with TCP, all on the host's own network.
SERVICE_PORTS = {
    3003: "admin_ui",
    8090: "ai_engine, AudioSocket",
    15_000: "ai_engine, health",
}
_PROXY_SCHEMES = ("http", "https", "socks5", "socks5h")
_LOOPBACK = ("127.0.0.1", "localhost")


def find_network() -> Network:
    """Return on which loopback addresses a program can listen, and what else there is."""
    addresses = tuple(_addresses())
    return Network(
        ipv4=can_listen(socket.AF_INET, "127.0.0.1"),
        ipv6=can_listen(socket.AF_INET6, "::1"),
        outward_ipv4=any(family == socket.AF_INET for family, _text in addresses),
        outward_ipv6=any(family == socket.AF_INET6 for family, _text in addresses),
    )


def _addresses() -> Iterator[tuple[int, str]]:
    """Yield the addresses with which others are reached."""
    import psutil

    for found in psutil.net_if_addrs().values():
        for each in found:
            if not each.address.startswith(("127.", "::1", "fe80:")):
                yield each.family, each.address


def can_listen(family: socket.AddressFamily, host: str) -> bool:
    """Return whether a program can listen on *host*."""
    try:
        with socket.socket(family) as listener:
            listener.bind((host, 0))
    except OSError:
        return False
    return True


def find_listeners(
    settings: Settings, ports: Mapping[int, str] | None = None
) -> tuple[Listener, ...]:
    """Return who listens on the *ports* of the project's other services; nobody if it has none."""
    import psutil

    wanted = SERVICE_PORTS if ports is None else ports
    if not is_compose_project(settings.project):
        return ()
    listening = (
        each for each in psutil.net_connections("tcp") if each.status == psutil.CONN_LISTEN
    )
    found = {port: each.pid for each in listening for port in each.laddr[1:2] if port in wanted}
    return tuple(
        Listener(port, wanted[port], named(pid), in_container(pid))
        for port, pid in sorted(found.items())
    )


def named(pid: int | None) -> str | None:
    """Return the program that runs as *pid*; None where it is gone, or not ours to see."""
    import psutil

    with contextlib.suppress(psutil.Error):
        return f"{psutil.Process(pid).name()} (pid {pid})" if pid else None
    return None


def in_container(pid: int | None) -> bool:
    """Return whether the engine made the group that *pid* is in."""
    try:
        groups = Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8") if pid else ""
    except OSError:
        return False
    return any(name in groups for name in ("docker", "libpod", "containerd"))


def find_proxies(environ: Mapping[str, str] = os.environ) -> Proxies:
    """Return the proxies that *environ* names; passwords in them are left out."""
    # Of both spellings programs take the small one, which sorts behind the other.
    given = {
        name.lower(): value
        for name, value in sorted(environ.items())
        if name.lower() in ("http_proxy", "https_proxy", "all_proxy") and value
    }
    exceptions = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    listed = exceptions.replace(",", " ").split()
    return Proxies(
        named=tuple((name, shown_proxy(value)) for name, value in sorted(given.items())),
        exceptions=exceptions,
        problems=tuple(_proxy_problems(environ, given)),
        spares_loopback="*" in listed or all(each in listed for each in _LOOPBACK),
    )


def _proxy_problems(environ: Mapping[str, str], given: Mapping[str, str]) -> Iterator[str]:
    for name, value in sorted(given.items()):
        upper = environ.get(name.upper())
        if upper and environ.get(name) and upper != environ[name]:
            yield f"`{name}` and `{name.upper()}` differ"
        whole = value if "://" in value else f"http://{value}"
        try:
            parts = urlsplit(whole)
            usable = parts.scheme in _PROXY_SCHEMES and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable:
            yield f"`{name}` is no address of a proxy"

"""Which proxy leads to a server: that of a registry's configuration, else the environment's."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass, field
from typing import Literal, TypeAlias
from urllib.parse import unquote, urlsplit

from aava_cli.download.sources.http import basic, without_secrets
from aava_cli.errors import NetworkError

Scheme: TypeAlias = Literal["http", "https", "socks5"]

# Whoever looks a name up for a SOCKS proxy may know another network than the proxy does:
# names are left to the proxy, however it is spelt.
_SCHEMES: dict[str, Scheme] = {
    "http": "http",
    "https": "https",
    "socks5": "socks5",
    "socks5h": "socks5",
}
_PORTS: dict[Scheme, int] = {"http": 80, "https": 443, "socks5": 1080}
_SERVER_PORTS = {"http": 80, "https": 443}
_HINT = "give an address that starts with `http:`, `https:` or `socks5:`"


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy; nobody but itself gets to see *user* and *password*."""

    scheme: Scheme
    host: str
    port: int
    user: str | None = None
    password: str = field(default="", repr=False)

    @property
    def authorization(self) -> str | None:
        """What an HTTP proxy is told of who asks."""
        if self.user is None:
            return None
        return basic(self.user, self.password)[1]


def proxy_for(url: str, named: str | None = None) -> Proxy | None:
    """Return the proxy that leads to *url*: the one *named*, else that of the environment.

    `NO_PROXY` counts for both.

    Raises:
        NetworkError: the proxy is of an unknown kind, or no address.
    """
    # Looking is much faster than loading what knows how to look.
    if not named and not any(name.lower().endswith("_proxy") for name in os.environ):
        return None
    from urllib.request import getproxies_environment

    proxies, parts = getproxies_environment(), urlsplit(url)
    address = named or proxies.get(parts.scheme) or proxies.get("all")
    if not address:
        return None
    host, port = parts.hostname or "", parts.port or _SERVER_PORTS.get(parts.scheme, 0)
    exceptions = proxies.get("no", "").replace(",", " ").split()
    if any(_covers(each.lower(), host, port) for each in exceptions):
        return None
    return _parse(address)


def _covers(exception: str, host: str, port: int) -> bool:
    """Return whether an *exception* of `NO_PROXY` (a name, a network, `*`) is about *host*."""
    if exception == "*":
        return True
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(exception, strict=False)
    except ValueError:
        name, colon, number = exception.rpartition(":")
    if not colon or not number.isdecimal():
        name = exception
    elif int(number) != port:
        return False
    name = name.strip("[]").removeprefix("*").removeprefix(".")
    return bool(name) and f".{host}".endswith(f".{name}")


def _parse(address: str) -> Proxy:
    whole = address if "://" in address else f"http://{address}"
    try:
        parts = urlsplit(whole)
        scheme, host, port = _SCHEMES.get(parts.scheme), parts.hostname, parts.port
    except ValueError as error:
        # What it is may hold a password wherever it is cut.
        raise NetworkError("the address of the proxy makes no sense", hint=_HINT) from error
    if scheme is None or not host:
        message = f"the proxy `{without_secrets(whole)}` is not one that downloads can use"
        raise NetworkError(message, hint=_HINT)
    user = None if parts.username is None else unquote(parts.username)
    return Proxy(scheme, host, port or _PORTS[scheme], user, unquote(parts.password or ""))

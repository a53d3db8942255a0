"""The way to a server: straight or through the proxy of the environment, with or without TLS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, quote, urlsplit

from aava_cli import __version__
from aava_cli.download.sources.http import (
    Access,
    check_address,
    check_sendable,
    without_secrets,
)
from aava_cli.download.sources.proxies import Proxy, proxy_for
from aava_cli.download.sources.trust import trust_of
from aava_cli.errors import NetworkError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable

_PORTS = {"http": 80, "https": 443}
# What may stand in a request as it is; percent signs were put there by whoever made the address.
_AS_IT_IS = "%/:=&?~+!$,;'@()*[]"


@dataclass(frozen=True, slots=True)
class Route:
    """How one server is reached; two addresses of one route can share a connection."""

    scheme: str
    host: str
    port: int
    proxy: Proxy | None
    trust: ssl.SSLContext | None
    proxy_trust: ssl.SSLContext | None = None

    @property
    def first_hop(self) -> tuple[str, int]:
        """Whom to connect to."""
        return (self.proxy.host, self.proxy.port) if self.proxy else (self.host, self.port)

    @property
    def needs_tunnel(self) -> bool:
        """Whether the proxy must pass bytes on that it cannot read."""
        return self.proxy is not None and (self.trust is not None or self._has_socks)

    @property
    def _has_socks(self) -> bool:
        return self.proxy is not None and self.proxy.scheme == "socks5"

    def tunnel_request(self) -> bytes:
        """Return what asks the proxy for a tunnel."""
        name = f"{_bracketed(self.host)}:{self.port}"
        return _head(f"CONNECT {name} HTTP/1.1", [("Host", name), *self._for_proxy()])

    def request(self, url: str, headers: Iterable[tuple[str, str]]) -> bytes:
        """Return a GET of *url* as this route wants it."""
        parts = urlsplit(url)
        target = _target(parts)
        extra: list[tuple[str, str]] = []
        if self.proxy is not None and not self.needs_tunnel:
            target = f"{self.scheme}://{self._authority()}{target}"
            extra = self._for_proxy()
        fixed = [
            ("Host", self._authority()),
            ("User-Agent", f"aava/{__version__}"),
            ("Accept", "*/*"),
            ("Accept-Encoding", "identity"),
        ]
        return _head(f"GET {target} HTTP/1.1", [*fixed, *extra, *headers])

    def _authority(self) -> str:
        host = _bracketed(self.host)
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    def _for_proxy(self) -> list[tuple[str, str]]:
        authorization = self.proxy.authorization if self.proxy else None
        return [("Proxy-Authorization", authorization)] if authorization else []


def route_to(url: str, access: Access) -> Route:
    """Return the way to *url*.

    Raises:
        NetworkError: it is not HTTPS where it must be, or leads nowhere.
    """
    check_address(url, access)
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("idna").decode()
        port = parts.port or _PORTS[parts.scheme]
    except (ValueError, KeyError) as error:
        message = f"`{without_secrets(url)}` is no address"
        raise NetworkError(message, hint="check the address of the source") from error
    secure = trust_of(access) if parts.scheme == "https" else None
    proxy = proxy_for(url, access.proxy)
    proxy_trust = trust_of(access) if proxy and proxy.scheme == "https" else None
    return Route(parts.scheme, host, port, proxy, secure, proxy_trust)


def _target(parts: SplitResult) -> str:
    path = quote(parts.path or "/", safe=_AS_IT_IS)
    return f"{path}?{quote(parts.query, safe=_AS_IT_IS)}" if parts.query else path


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _head(first: str, headers: Iterable[tuple[str, str]]) -> bytes:
    every = tuple(headers)
    check_sendable(every)
    lines = [first, *(f"{name}: {value}" for name, value in every)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")

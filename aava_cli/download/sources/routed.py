"""Let httpx take the same way through proxies as the connections of downloads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from aava_cli.download.sources.proxies import Proxy, proxy_for

if TYPE_CHECKING:
    import ssl


class Routed(httpx.BaseTransport):
    """Sends each request through the proxy that leads to its server, redirects included."""

    def __init__(self, trust: ssl.SSLContext, named: str | None) -> None:
        self._trust = trust
        self._named = named
        self._ways: dict[Proxy | None, httpx.HTTPTransport] = {}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Return what the server answers.

        Raises:
            NetworkError: the proxy is not one that can be used.
        """
        proxy = proxy_for(str(request.url), self._named)
        if proxy not in self._ways:
            through = self._spoken(proxy) if proxy else None
            self._ways[proxy] = httpx.HTTPTransport(verify=self._trust, proxy=through)
        return self._ways[proxy].handle_request(request)

    def close(self) -> None:
        """Close all connections."""
        for way in self._ways.values():
            way.close()

    def _spoken(self, proxy: Proxy) -> httpx.Proxy:
        url = httpx.URL(scheme=proxy.scheme, host=proxy.host, port=proxy.port)
        auth = None if proxy.user is None else (proxy.user, proxy.password)
        trust = self._trust if proxy.scheme == "https" else None
        return httpx.Proxy(url, ssl_context=trust, auth=auth)

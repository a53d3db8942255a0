"""Whether the hub and the servers that it keeps files on can be reached, as downloads would.

Endpoint, proxies and certificates are those of the environment, as the hub's own library and
downloads read them. Nothing is asked where a variable forbids it.
"""

from __future__ import annotations

import os
import socket
import time
from dataclasses import replace
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import quote, urljoin, urlsplit

from aava_cli.preflight.networkfacts import Answered, Names
from aava_cli.redact import scrub

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from email.message import Message

    from aava_cli.catalog import Catalog

NETWORK_S = 0.35
"""How long a server may take: the rest of a run takes about as long."""

# The first two are those that the hub's library reads, the others are set by people who trust
# that something does.
_OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_OFFLINE", "HF_FORCE_OFFLINE")
_ON = ("1", "ON", "YES", "TRUE")
_LATE = "no answer in time"
_REDIRECTS = range(300, 400)


def find_names() -> Names:
    """Look up the hub's name, where it is for this host to know names."""
    host, offline, proxy = _host(endpoint()), offline_by(os.environ), _proxy_of(endpoint())
    if offline or proxy:
        return Names(host, offline=offline, proxy=proxy and scrub(proxy, ()))
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        return Names(host, problem=error.strerror or str(error))
    return Names(host, tuple(dict.fromkeys(str(each[4][0]) for each in found)))


def ask_hub(*, timeout_s: float = NETWORK_S) -> Answered:
    """Ask the hub whether it is there, and for the time."""
    return _asked(endpoint(), timeout_s)[0]


def ask_downloads(
    catalog: Callable[[], Catalog], *, timeout_s: float = NETWORK_S
) -> Answered | None:
    """Ask the server that the hub sends a download to; None without a model that is there."""
    deadline = time.monotonic() + timeout_s
    offline = offline_by(os.environ)
    if offline:
        return Answered(_host(endpoint()), offline=offline)
    url = file_url(catalog())
    if url is None:
        return None
    answer, headers = _asked(url, timeout_s)
    place = headers.get("Location") if headers and answer.status in _REDIRECTS else None
    if place is None:
        # A hub that answers for itself keeps its files itself.
        return answer
    target = urljoin(url, place)
    if _host(target) == _host(url):
        return answer
    left_s = max(deadline - time.monotonic(), 0.01)
    return _asked(target, left_s)[0]


def late() -> Answered:
    """Return that the hub took longer than anybody waits."""
    return Answered(_host(endpoint()), problem=_LATE)


def late_names() -> Names:
    """Return that looking a name up took longer than anybody waits."""
    return Names(_host(endpoint()), problem=_LATE)


def endpoint() -> str:
    """Return the hub's address, as its own library knows it."""
    from huggingface_hub.constants import ENDPOINT

    return (os.environ.get("HF_ENDPOINT") or ENDPOINT).rstrip("/")


def offline_by(environ: Mapping[str, str]) -> str | None:
    """Return the variable that forbids to ask the hub, if one does."""
    return next((name for name in _OFFLINE if environ.get(name, "").upper() in _ON), None)


def file_url(catalog: Catalog) -> str | None:
    """Return the address of the first file of *catalog* that is on the hub."""
    from huggingface_hub.constants import ENDPOINT, HUGGINGFACE_CO_URL_TEMPLATE

    sources = (
        source
        for model in catalog.models.values()
        for file in model.files
        for source in file.sources
        if source.startswith("hf:") and source.count("/") > 1
    )
    source = next(sources, None)
    if source is None:
        return None
    owner, name, path = source.removeprefix("hf:").split("/", 2)
    repository, _, revision = f"{owner}/{name}".partition("@")
    url: str = HUGGINGFACE_CO_URL_TEMPLATE.format(
        repo_id=repository, revision=revision or "main", filename=quote(path)
    )
    return url.replace(ENDPOINT, endpoint(), 1)


def _asked(url: str, timeout_s: float) -> tuple[Answered, Message | None]:
    proxy = _proxy_of(url)
    answer = Answered(_host(url), offline=offline_by(os.environ), proxy=proxy and scrub(proxy, ()))
    if answer.offline:
        return answer, None
    if proxy and proxy.startswith("socks"):
        return _ask_proxy(answer, proxy, timeout_s), None
    from http.client import HTTPException

    try:
        status, headers = _head(url, proxy, timeout_s)
    except (OSError, HTTPException, ValueError) as error:
        return replace(answer, problem=_reason(error, timeout_s)), None
    return replace(answer, status=status, skew_s=_skew_s(headers)), headers


def _head(url: str, proxy: str | None, timeout_s: float) -> tuple[int, Message]:
    from urllib.error import HTTPError
    from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

    class NoRedirect(HTTPRedirectHandler):
        """Answers with the redirect itself."""

        def redirect_request(self, *_about: object) -> None:
            return None

    request = Request(url, method="HEAD", headers={"User-Agent": "aava"})  # noqa: S310 - configured
    proxies = ProxyHandler({urlsplit(url).scheme: proxy} if proxy else {})
    try:
        with build_opener(proxies, NoRedirect).open(request, timeout=timeout_s) as found:
            return found.status, found.headers
    except HTTPError as refusal:
        with refusal:
            return refusal.code, refusal.headers


def _ask_proxy(answer: Answered, proxy: str, timeout_s: float) -> Answered:
    """Return whether *proxy*, behind which nothing can be asked here, is there itself."""
    parts = urlsplit(proxy)
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 1080), timeout_s):
            return answer
    except OSError as error:
        return replace(answer, problem=f"the proxy: {_reason(error, timeout_s)}")


def _proxy_of(url: str) -> str | None:
    """Return the proxy that leads to *url*, if one does."""
    from urllib.request import getproxies_environment, proxy_bypass

    proxies = getproxies_environment()
    parts = urlsplit(url)
    address = proxies.get(parts.scheme) or proxies.get("all")
    if not address or proxy_bypass(parts.netloc):
        return None
    return address if "://" in address else f"http://{address}"


def _skew_s(headers: Message) -> float | None:
    try:
        there = parsedate_to_datetime(headers["Date"]).timestamp()
    except (TypeError, ValueError):
        return None
    return time.time() - there


def _reason(error: Exception, timeout_s: float) -> str:
    cause = getattr(error, "reason", error)
    if isinstance(cause, TimeoutError):
        return f"no answer within {timeout_s:.2g} s"
    return str(getattr(cause, "strerror", None) or cause)


def _host(url: str) -> str:
    return urlsplit(url).hostname or url

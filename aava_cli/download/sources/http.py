"""HTTP as downloads use it: plain HTTP stays on this host, and secrets stay out of messages."""

from __future__ import annotations

import base64
import ipaddress
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote, urlsplit, urlunsplit

from aava_cli.errors import AavaError, AccessDenied, NetworkError, NotFound

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import httpx

CONNECT_S = 5.0
READ_S = 20.0
_SUCCESS = range(200, 300)
_BUSY = frozenset({429, 503})
_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
_DENIED = frozenset({401, 403, 407})
_GONE = frozenset({404, 410})
_PAGE_BYTES = 64 << 20
_LONGEST_WAIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Access:
    """How one server is spoken to; *plain_host* may be reached without TLS.

    Only the operator's own configuration of a registry or a mirror names such a host, a
    *proxy* other than the environment's, or the certificate that a server asks for.
    """

    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    certificates: Path | None = None
    plain_host: str | None = None
    proxy: str | None = field(default=None, repr=False)
    client_certificate: Path | None = None


class Headers(Protocol):
    """The headers of an answer, whoever read them."""

    def get(self, name: str, /) -> str | None:
        """Return the header *name*."""
        ...


class Transient(NetworkError):
    """The same request may succeed later; *wait_s* is how long the server asked to wait."""

    def __init__(
        self, message: str, *, wait_s: float = 0.0, connected: bool = True, busy: bool = False
    ) -> None:
        super().__init__(message, hint="run the command again; what was downloaded is kept")
        self.wait_s = wait_s
        self.connected = connected
        self.busy = busy


@contextmanager
def open_client(access: Access) -> Iterator[httpx.Client]:
    """Yield a client with *access*; transport failures in the block become `Transient`.

    Raises:
        Transient: the server cannot be reached, or the connection broke.
        NetworkError: an address is not HTTPS, or redirects lead nowhere.
    """
    import httpx

    from aava_cli.download.sources.routed import Routed
    from aava_cli.download.sources.trust import trust_of

    check_sendable(access.headers)

    def refuse_plain_http(request: httpx.Request) -> None:
        check_address(str(request.url), access)

    timeout = httpx.Timeout(READ_S, connect=CONNECT_S)
    try:
        with httpx.Client(
            headers=[*access.headers, ("Accept-Encoding", "identity")],
            transport=Routed(trust_of(access), access.proxy),
            timeout=timeout,
            follow_redirects=True,
            event_hooks={"request": [refuse_plain_http]},
        ) as client:
            yield client
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        raise Transient(f"cannot be reached: {_reason(error)}", connected=False) from error
    except httpx.TransportError as error:
        raise Transient(f"the connection broke: {_reason(error)}") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NetworkError(_reason(error), hint="check the address of the source") from error


def get_page(url: str, access: Access, *, accept: str) -> tuple[bytes, str]:
    """Return the body and the content type that *url* answers, asking twice if need be.

    Raises:
        NetworkError: the server fails, or answers more than an index page can hold.
        NotFound: there is no such page.
        AccessDenied: the server wants other credentials.
    """
    try:
        return _get_page(url, access, accept)
    except Transient as error:
        if not error.connected:
            raise
        return _get_page(url, access, accept)


def _get_page(url: str, access: Access, accept: str) -> tuple[bytes, str]:
    with (
        open_client(access) as client,
        client.stream("GET", url, headers={"Accept": accept}) as got,
    ):
        check_status(got)
        body = bytearray()
        for chunk in got.iter_bytes():
            body += chunk
            if len(body) > _PAGE_BYTES:
                raise NetworkError("answers without an end", hint="check the registry's address")
        return bytes(body), got.headers.get("content-type", "")


def check_status(response: httpx.Response) -> None:
    """Check that *response* carries what was asked for.

    Raises:
        Transient: the server is overloaded, or broken for now.
        AccessDenied: the server wants other credentials.
        NotFound: the server has no such thing.
        NetworkError: it answers anything else that is no success.
    """
    check_answer(response.status_code, response.reason_phrase, response.headers)


def check_answer(status: int, reason: str, headers: Headers) -> None:
    """Check that an answer of *status* carries what was asked for, as `check_status` does."""
    if status in _SUCCESS:
        return
    message = f"answers {status} {reason}".rstrip()
    if status in _TRANSIENT:
        raise Transient(message, wait_s=retry_after(headers), busy=status in _BUSY)
    raise _lasting_failure(status, message)


def _lasting_failure(status: int, message: str) -> AavaError:
    if status in _DENIED:
        return AccessDenied(message, hint="check the token or the credentials for this source")
    if status in _GONE:
        return NotFound(message, hint="check the name, the version and the revision")
    return NetworkError(message, hint="run the command again later")


def retry_after(headers: Headers) -> float:
    """Return how many seconds the server asks to wait, within reason."""
    value = (headers.get("retry-after") or "").strip()
    seconds = float(value) if value.isdecimal() else _until(value, headers.get("date") or "")
    return min(max(seconds, 0.0), _LONGEST_WAIT_S)


def _until(value: str, server_now: str) -> float:
    from email.utils import parsedate_to_datetime

    try:
        # The server's own clock: ours need not agree with it.
        now = parsedate_to_datetime(server_now).timestamp() if server_now else time.time()
        return parsedate_to_datetime(value).timestamp() - now
    except (TypeError, ValueError):
        return 0.0


def check_sendable(headers: Iterable[tuple[str, str]]) -> None:
    """Check that *headers* are lines of HTTP: errors of libraries would show a bad one whole.

    Raises:
        NetworkError: one is not.
    """
    for name, value in headers:
        if not (value.isascii() and value.isprintable() and value == value.strip()):
            message = f"the header `{name}` has a character that cannot be sent"
            raise NetworkError(message, hint="check the token or the credentials of the source")


def check_address(url: str, access: Access) -> None:
    """Check that *url* is HTTPS, or on this host.

    Raises:
        NetworkError: it is neither, and the operator's configuration does not name its host.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "https" or is_loopback(host):
        return
    if parts.scheme != "http" or host != access.plain_host:
        message = f"`{without_secrets(url)}` is not HTTPS"
        raise NetworkError(message, hint="use a source that starts with `https:`")


def is_loopback(host: str) -> bool:
    """Return whether *host* can only be this host."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def without_secrets(url: str) -> str:
    """Return *url* as it may be shown: without credentials, query and fragment."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def split_credentials(url: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Return *url* without its credentials, and the headers that carry them instead."""
    parts = urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    bare = urlunsplit(parts._replace(netloc=host))
    if not user:
        return bare, ()
    name, _, password = user.partition(":")
    return bare, (basic(unquote(name), unquote(password)),)


def basic(user: str, password: str) -> tuple[str, str]:
    """Return the header that tells a server *user* and *password*."""
    pair = base64.b64encode(f"{user}:{password}".encode()).decode()
    return "Authorization", f"Basic {pair}"


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__

"""HTTP as downloads use it: plain HTTP stays on this host, and secrets stay out of messages."""

from __future__ import annotations

import base64
import ipaddress
import os
import ssl
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit, urlunsplit

from aava_cli.errors import AavaError, AccessDenied, NetworkError, NotFound

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx

CONNECT_S = 5.0
READ_S = 20.0
_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
_DENIED = frozenset({401, 403, 407})
_GONE = frozenset({404, 410})
_PAGE_BYTES = 64 << 20
_LONGEST_WAIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Access:
    """How one server is spoken to; *plain_host* may be reached without TLS.

    Only the operator's own configuration of a registry or a mirror names such a host.
    """

    headers: tuple[tuple[str, str], ...] = ()
    certificates: Path | None = None
    plain_host: str | None = None


class Transient(NetworkError):
    """The same request may succeed later; *wait_s* is how long the server asked to wait."""

    def __init__(self, message: str, *, wait_s: float = 0.0, connected: bool = True) -> None:
        super().__init__(message, hint="run the command again; what was downloaded is kept")
        self.wait_s = wait_s
        self.connected = connected


@contextmanager
def open_client(access: Access) -> Iterator[httpx.Client]:
    """Yield a client with *access*; transport failures in the block become `Transient`.

    Raises:
        Transient: the server cannot be reached, or the connection broke.
        NetworkError: an address is not HTTPS, or redirects lead nowhere.
    """
    import httpx

    def refuse_plain_http(request: httpx.Request) -> None:
        check_address(str(request.url), access)

    timeout = httpx.Timeout(READ_S, connect=CONNECT_S)
    try:
        with httpx.Client(
            headers=[*access.headers, ("Accept-Encoding", "identity")],
            verify=_trust(access.certificates),
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
    status = response.status_code
    if response.is_success:
        return
    message = f"answers {status} {response.reason_phrase}".rstrip()
    if status in _TRANSIENT:
        raise Transient(message, wait_s=_retry_after(response))
    raise _lasting_failure(status, message)


def _lasting_failure(status: int, message: str) -> AavaError:
    if status in _DENIED:
        return AccessDenied(message, hint="check the token or the credentials for this source")
    if status in _GONE:
        return NotFound(message, hint="check the name, the version and the revision")
    return NetworkError(message, hint="run the command again later")


def _retry_after(response: httpx.Response) -> float:
    value = response.headers.get("retry-after", "")
    # The other form, a date, would need a clock that agrees with the server's.
    return min(float(value), _LONGEST_WAIT_S) if value.isdecimal() else 0.0


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
    pair = f"{unquote(name)}:{unquote(password)}".encode()
    return bare, (("Authorization", f"Basic {base64.b64encode(pair).decode()}"),)


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__


def _trust(certificates: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=certificates)
    named = certificates or os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR")
    if not named:
        import certifi

        # Minimal systems have no certificates of their own.
        context.load_verify_locations(certifi.where())
    return context

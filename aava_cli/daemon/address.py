"""Where the daemon listens: a URL that was named, or what `.env` says."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from aava_cli.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

_ENV_FILE = Path(".env")
_LAST_PORT = 65_535
_PORT = re.compile(r"[0-9]{1,5}")
_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_.])?")
_URL_HINT = "name the daemon as `ws://HOST:PORT`, with `--daemon` or `AAVA_DAEMON_URL`"


@dataclass(frozen=True, slots=True)
class Address:
    """Where the daemon listens, and the token it asks for."""

    urls: tuple[str, ...]
    token: str | None = field(repr=False)


def find_address(
    named_url: str | None, env: Mapping[str, str], *, env_file: Path = _ENV_FILE
) -> Address:
    """Decide where the daemon is: the URL that was named, else what `.env` says, else loopback.

    Raises:
        UsageError: the URL that was named is none.
        ConfigError: *env*, the values of *env_file*, has a host or a port that is none.
    """
    token = env.get("LOCAL_WS_AUTH_TOKEN") or os.environ.get("LOCAL_WS_AUTH_TOKEN")
    if named_url:
        return Address((checked_url(named_url),), token)
    host = env.get("LOCAL_WS_HOST") or "127.0.0.1"
    port = env.get("LOCAL_WS_PORT") or "8765"
    if not is_host(host):
        # It may be a whole URL with a password in it.
        raise _refusal(env_file, "LOCAL_WS_HOST", "must be a host name or an IP address")
    if not is_port(port):
        raise _refusal(env_file, "LOCAL_WS_PORT", f"must be a port number, not `{port}`")
    return Address(tuple(f"ws://{name}:{port}" for name in _reachable_names(host)), token)


def checked_url(url: str) -> str:
    """Return *url*, as a WebSocket's: it names a daemon, holds no secret, and can be shown.

    Raises:
        UsageError: it is no such URL; a secret in it is not repeated.
    """
    if re.search(r"[@?#]", url):
        message = "the daemon's URL may hold no user, password or query: it is shown and stored"
        raise UsageError(message, hint="put the token in `.env`, as `LOCAL_WS_AUTH_TOKEN`")
    if url.startswith(("http://", "https://")):
        # The same port speaks both; the commands themselves know which they need.
        url = "ws" + url.removeprefix("http")
    try:
        parts = urlsplit(url)
        is_daemon = parts.scheme in ("ws", "wss") and is_host(parts.hostname or "")
        usable = is_daemon and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable:
        raise UsageError(f"`{url}` is not the URL of a daemon", hint=_URL_HINT)
    return url


def http_url(url: str) -> str:
    """Return where the daemon at the WebSocket's *url* answers over HTTP."""
    return "http" + url.removeprefix("ws").rstrip("/")


def is_host(text: str) -> bool:
    """Return whether *text* is a host name or an IP address."""
    if ":" not in text:
        return _NAME.fullmatch(text) is not None
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach *host*."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_port(text: str) -> bool:
    """Return whether *text* is the number of a port that a program can listen on."""
    return _PORT.fullmatch(text) is not None and 0 < int(text) <= _LAST_PORT


def _refusal(env_file: Path, key: str, problem: str) -> ConfigError:
    from aava_cli.envfile import line_of
    from aava_cli.session import read_text

    message = f"`{key}` {problem}"
    line = line_of(read_text(env_file), key) if env_file.is_file() else None
    if line is None:
        return ConfigError(f"{env_file}: {message}", hint=f"correct it in `{env_file}`")
    return ConfigError.at(env_file, line, message)


def _reachable_names(host: str) -> tuple[str, ...]:
    # A daemon bound to every address is reached over loopback.
    if host in ("0.0.0.0", "::", "localhost", "127.0.0.1"):  # noqa: S104 - compared, not bound
        return ("127.0.0.1", "[::1]")
    return (f"[{host}]",) if ":" in host else (host,)

"""The telephony engine beside the daemon, through its health server: who is on the phone.

Endpoints and replies are those of AAVA's `ai_engine`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aava_cli.errors import NotPossible

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aava_cli.session import Session

# The engine's health server, as it is shipped.
DEFAULT_PORT = 15000
_TIMEOUT_S = 5.0
# The engine may be told to listen on one family only.
_HOSTS = ("127.0.0.1", "[::1]")


@dataclass(frozen=True, slots=True)
class Engine:
    """The engine of a project: *urls* are tried in turn; *token* is never shown."""

    urls: tuple[str, ...]
    token: str | None = field(default=None, repr=False)

    def is_listening(self) -> bool:
        """Return whether anything listens where the engine should."""
        return any(map(_accepts, self.urls))

    def active_calls(self) -> int | None:
        """Return how many calls are live, or None if that cannot be learned.

        Its error replies carry a count of 0 as well, so only status 200 counts.
        """
        answer = self._ask("GET", "/sessions/stats")
        calls = answer.get("active_calls") if answer else None
        return calls if isinstance(calls, int) and not isinstance(calls, bool) else None

    def health(self) -> Mapping[str, Any] | None:
        """Return what the engine says of itself, or None if it does not answer."""
        return self._ask("GET", "/health")

    def reload(self) -> None:
        """Have the engine read its configuration again.

        Raises:
            NotPossible: it does not answer, or refuses.
        """
        if self._ask("POST", "/reload") is None:
            message = "the engine did not reload its configuration"
            hint = "see its log, `docker compose logs ai_engine`, and its `HEALTH_API_TOKEN`"
            raise NotPossible(message, hint=hint)

    def _ask(self, method: str, path: str) -> Mapping[str, Any] | None:
        import httpx

        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        for url in self.urls:
            try:
                answer = httpx.request(
                    method, url + path, headers=headers, timeout=_TIMEOUT_S, trust_env=False
                )
                content = answer.json()
            except httpx.TransportError:
                continue
            except ValueError:
                return None
            is_good = answer.status_code == httpx.codes.OK and isinstance(content, dict)
            return content if is_good else None
        return None


def _accepts(url: str) -> bool:
    import socket
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    address = (parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
    try:
        socket.create_connection(address, timeout=_TIMEOUT_S).close()
    except OSError:
        return False
    return True


def find_engine(session: Session) -> Engine | None:
    """Return the engine of this project; None where none is configured.

    Raises:
        ConfigError: `.env` or a configuration that names its port does not parse.
    """
    if not session.settings.base_yaml.exists():
        return None
    env = session.env()
    token = os.environ.get("HEALTH_API_TOKEN") or env.get("HEALTH_API_TOKEN") or None
    named = env.get("AI_ENGINE_HEALTH_URL", "").rstrip("/")
    if named:
        return Engine((named,), token)
    port = _port(session, env)
    return Engine(tuple(f"http://{host}:{port}" for host in _HOSTS), token)


def _port(session: Session, env: Mapping[str, str]) -> int:
    """Return the port of the health server: `.env`, then the YAML, then what is shipped."""
    written = env.get("HEALTH_BIND_PORT") or _port_in_yaml(session)
    try:
        return int(str(written))
    except ValueError:
        return DEFAULT_PORT


def _port_in_yaml(session: Session) -> object:
    health = session.engine_config().get("health")
    return health.get("port", DEFAULT_PORT) if isinstance(health, dict) else DEFAULT_PORT

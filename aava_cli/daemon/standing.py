"""Which kind of daemon is there, and how it is: refused, starting, ok, degraded, hung, or wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from aava_cli.daemon.address import http_url
from aava_cli.daemon.status import is_native
from aava_cli.errors import DaemonUnreachable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aava_cli.session import Session

Kind: TypeAlias = Literal["aava serve", "local_ai_server", "model server"]
State: TypeAlias = Literal[
    "refused", "starting", "ok", "degraded", "stopping", "hung", "wrong-service"
]

# Its health is a few words; a program that sends more is something else.
_MOST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Standing:
    """What was found: *reply* is a daemon's status, *health* that of an HTTP model server.

    Where nothing answered as a daemon would, *kind* is None and *trouble* says why.
    """

    state: State
    kind: Kind | None = None
    url: str = ""
    reply: Mapping[str, Any] = field(default_factory=dict)
    health: Mapping[str, Any] = field(default_factory=dict)
    trouble: DaemonUnreachable | None = None


def find_standing(session: Session, *, timeout_s: float) -> Standing:
    """Ask whatever listens where the daemon should; one that is stopped costs *timeout_s*.

    Raises:
        AccessDenied: the daemon does not accept the token.
    """
    from aava_cli.daemon.client import connect

    try:
        with connect(session, timeout_s=timeout_s) as daemon:
            reply = daemon.status(timeout_s=timeout_s)
            return _of_reply(daemon.url, reply)
    except DaemonUnreachable as error:
        return _of_silence(session, error, timeout_s)


def _of_reply(url: str, reply: Mapping[str, Any]) -> Standing:
    kind: Kind = "aava serve" if is_native(reply) else "local_ai_server"
    return Standing(_state_in(reply), kind, url, reply)


def _state_in(reply: Mapping[str, Any]) -> State:
    """Return how the daemon is: in its own word, or from what it says of its models."""
    match reply.get("state"):
        case "starting":
            return "starting"
        case "stopping":
            return "stopping"
        case _:
            # The original daemon says no more than this.
            degraded = (reply.get("config") or {}).get("degraded")
            return "degraded" if degraded else "ok"


def _of_silence(session: Session, error: DaemonUnreachable, timeout_s: float) -> Standing:
    match error.__cause__:
        case TimeoutError():
            return Standing("hung", trouble=error)
        case OSError():
            state: State = "starting" if _is_starting(session) else "refused"
            return Standing(state, trouble=error)
        case _:
            return _ask_over_http(session, error, timeout_s)


def _is_starting(session: Session) -> bool:
    """Return whether the daemon's container runs: it listens once its models are loaded."""
    from aava_cli.daemon.environment import container_runs

    return container_runs(session.settings.project)


def _ask_over_http(session: Session, error: DaemonUnreachable, timeout_s: float) -> Standing:
    """Return what listens there and speaks HTTP: a model server, or something else."""
    import httpx

    from aava_cli.daemon.address import find_address

    settings = session.settings
    address = find_address(settings.daemon_url, session.env(), env_file=settings.env_file)
    url = http_url(address.urls[0])
    bearer = {"Authorization": f"Bearer {address.token}"} if address.token else {}
    try:
        answer = httpx.get(f"{url}/health", headers=bearer, timeout=timeout_s, trust_env=False)
        health = answer.json() if len(answer.content) < _MOST_BYTES else {}
    except httpx.TimeoutException:
        return Standing("hung", url=url, trouble=error)
    except (httpx.HTTPError, ValueError):
        return Standing("wrong-service", url=url, trouble=error)
    if not _is_model_server(health):
        return Standing("wrong-service", url=url, trouble=error)
    return Standing("ok", "model server", url, health=health)


def _is_model_server(health: object) -> bool:
    """Return whether *health* is what `GET /health` of a model server answers."""
    match health:
        case {"status": str(), "models": {"llm": dict(), "stt": dict(), "tts": dict()}}:
            return True
        case _:
            return False

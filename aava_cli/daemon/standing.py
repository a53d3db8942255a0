"""Which kind of daemon is there, and how it is: refused, starting, ok, degraded, hung, or wrong."""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias
from urllib.parse import urlsplit

from aava_cli.daemon.status import is_minimal, is_native, part_of, slots_of
from aava_cli.errors import DaemonUnreachable, NotPossible

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aava_cli.daemon.address import Address
    from aava_cli.daemon.httpclient import Answer
    from aava_cli.roles import Role
    from aava_cli.session import Session

Kind: TypeAlias = Literal["aava serve", "local_ai_server", "model server"]
State: TypeAlias = Literal[
    "refused", "starting", "ok", "degraded", "stopping", "hung", "wrong-service"
]

# What a daemon, or a model server, says of itself; any other word means that it is not well.
_WORDS: Mapping[str, State] = {
    "ok": "ok",
    "starting": "starting",
    "loading": "starting",
    "stopping": "stopping",
    "degraded": "degraded",
}
# Whoever is not busy has begun to answer by then.
_FIRST_WORD_S = 0.5
_UPGRADE_REQUIRED = 426
_QUESTION = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


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
    except NotPossible as error:
        # Every daemon knows this request.
        text = f"what listens is not a voice daemon: {error.message}"
        trouble = DaemonUnreachable(text, hint="name the daemon with `--daemon URL`")
        return Standing("wrong-service", trouble=trouble)


def _of_reply(url: str, reply: Mapping[str, Any]) -> Standing:
    kind: Kind = "aava serve" if is_native(reply) else "local_ai_server"
    return Standing(_state_in(reply), kind, url, reply)


def _state_in(reply: Mapping[str, Any]) -> State:
    """Return how the daemon is: in its own word, or from what it says of its models."""
    said = reply.get("state")
    if isinstance(said, str) and said in _WORDS:
        return _WORDS[said]
    slots = slots_of(reply)
    has_failed = part_of(reply, "config").get("degraded") is True or any(_missing(reply))
    return "ok" if any(slot.loaded for slot in slots) and not has_failed else "degraded"


def _missing(reply: Mapping[str, Any]) -> Iterator[Role]:
    """Yield the roles for which a model is named and none is loaded.

    The original daemon keeps quiet about some that failed; without a language model, it never
    says that one is loaded.
    """
    for slot in slots_of(reply):
        is_left_out = slot.role == "llm" and is_minimal(reply)
        if slot.path and not slot.loaded and not is_left_out:
            yield slot.role


def _of_silence(session: Session, error: DaemonUnreachable, timeout_s: float) -> Standing:
    match error.__cause__:
        case TimeoutError():
            if _speaks(_address(session)):
                return _ask_over_http(session, error, timeout_s)
            return Standing("hung", trouble=error)
        case OSError():
            state: State = "starting" if _is_starting(session) else "refused"
            return Standing(state, trouble=error)
        case _:
            return _ask_over_http(session, error, timeout_s)


def _address(session: Session) -> Address:
    from aava_cli.daemon.address import find_address

    settings = session.settings
    return find_address(settings.daemon_url, session.env(), env_file=settings.env_file)


def _speaks(address: Address) -> bool:
    """Return whether somebody there says a word, unasked or when asked over HTTP."""
    for url in address.urls:
        parts = urlsplit(url)
        place = (parts.hostname or "", parts.port or (443 if parts.scheme == "wss" else 80))
        with (
            contextlib.suppress(OSError),
            socket.create_connection(place, timeout=_FIRST_WORD_S) as connection,
        ):
            connection.sendall(_QUESTION)
            return bool(connection.recv(1))
    return False


def _is_starting(session: Session) -> bool:
    """Return whether the daemon's container runs: it listens once its models are loaded."""
    from aava_cli.daemon.environment import container_runs

    return container_runs(session.settings.project)


def _ask_over_http(session: Session, error: DaemonUnreachable, timeout_s: float) -> Standing:
    """Return what listens there and speaks HTTP: a model server, or something else."""
    from aava_cli.daemon.httpclient import HttpClient

    address = _address(session)
    client = HttpClient(address.urls, address.token)
    try:
        return _of_answer(client.ask("/health", timeout_s=timeout_s), error)
    except DaemonUnreachable as silence:
        # Who begins to answer, and comes to no end, is something else.
        if _speaks(address):
            return Standing("wrong-service", url=client.url, trouble=error)
        state = _state_of_mute(session, silence)
        return Standing(state, url=client.url, trouble=error)


def _state_of_mute(session: Session, silence: DaemonUnreachable) -> State:
    """Return how that is which takes connections and says nothing."""
    if isinstance(silence.__cause__, TimeoutError):
        return "hung"
    # An engine that forwards a port takes connections before there is anybody behind it.
    return "starting" if _is_starting(session) else "wrong-service"


def _of_answer(answer: Answer, error: DaemonUnreachable) -> Standing:
    try:
        health = answer.json()
    except ValueError:
        health = None
    if answer.status == _UPGRADE_REQUIRED and isinstance(error.__cause__, TimeoutError):
        # Its WebSocket is there, and whoever is behind that did not get round to answering.
        return Standing("hung", url=answer.url, trouble=error)
    if not _is_model_server(health):
        return Standing("wrong-service", url=answer.url, trouble=error)
    state = _state_of_server(health, is_well=answer.is_success)
    return Standing(state, "model server", answer.url, health=health)


def _state_of_server(health: Mapping[str, Any], *, is_well: bool) -> State:
    state = _WORDS.get(health["status"], "degraded")
    all_loaded = all(each.get("loaded", True) is True for each in health["models"].values())
    return "degraded" if state == "ok" and not (is_well and all_loaded) else state


def _is_model_server(health: object) -> bool:
    """Return whether *health* is what `GET /health` of a model server answers."""
    match health:
        case {"status": str(), "models": {"llm": dict(), "stt": dict(), "tts": dict()}}:
            return True
        case _:
            return False

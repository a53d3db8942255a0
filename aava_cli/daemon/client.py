"""One WebSocket connection to the daemon; one request at a time, each with its deadline."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from typing import TYPE_CHECKING, Any

from aava_cli.daemon.address import find_address
from aava_cli.daemon.quoting import quoted
from aava_cli.errors import AccessDenied, DaemonUnreachable, NotPossible

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterator, Mapping

    from websockets.sync.client import ClientConnection

    from aava_cli.session import Session

# The original daemon loads models on its event loop: a handshake may wait for a whole load.
OPEN_TIMEOUT_S = 60.0
REPLY_TIMEOUT_S = 60.0
MAX_REPLY_BYTES = 64 << 20
_ANY_VALUES_BYTES = 1 << 20
_BYTES_OF_VALUE = 100

BUSY_HINT = "run `aava status` to see if it is busy"
_START_HINT = "start one with `aava serve`, or `docker compose up -d local_ai_server`"


class Daemon:
    """An authenticated connection."""

    def __init__(self, connection: ClientConnection, url: str) -> None:
        self._connection = connection
        self.url = url

    def request(
        self, message: Mapping[str, Any], *, reply: str, timeout_s: float = REPLY_TIMEOUT_S
    ) -> dict[str, Any]:
        """Send *message* and return the first answer of type *reply*.

        Raises:
            DaemonUnreachable: no such answer within *timeout_s*, or the connection broke.
            AccessDenied: the daemon wants a token, or another one.
            NotPossible: the daemon does not know this request.
        """
        from websockets.exceptions import ConnectionClosed

        deadline, strange = time.monotonic() + timeout_s, False
        # A daemon that does not read would hold up what is sent for ever; a socket that is
        # closed already is told of by what comes next.
        with contextlib.suppress(OSError):
            self._connection.socket.settimeout(timeout_s)
        try:
            self._connection.send(json.dumps(message))
            while True:
                answer = self._receive(deadline - time.monotonic())
                _refuse(answer, message)
                if answer.get("type") == reply and _is_meant(answer, message):
                    return answer
                strange = strange or _is_strange(answer, message)
        except TimeoutError as error:
            if strange:
                reason = f"it answers `{message['type']}` in another way"
                raise _no_daemon(self.url, reason) from StrangeAnswer()
            raise self._silent(message, timeout_s) from error
        except ConnectionClosed as error:
            if isinstance(error.__cause__, TimeoutError):
                raise self._silent(message, timeout_s) from error.__cause__
            text = f"the daemon at {self.url} closed the connection during `{message['type']}`"
            if error.rcvd is not None and error.rcvd.reason:
                text += f": {quoted(error.rcvd.reason)}"
            raise DaemonUnreachable(text, hint=_START_HINT) from error

    def _silent(self, message: Mapping[str, Any], timeout_s: float) -> DaemonUnreachable:
        text = f"the daemon at {self.url} did not answer `{message['type']}` in {timeout_s:.3g} s"
        return DaemonUnreachable(text, hint=BUSY_HINT)

    def status(self, *, timeout_s: float = REPLY_TIMEOUT_S) -> dict[str, Any]:
        """Return a fresh `status` reply; raises as `request` does."""
        return self.request({"type": "status"}, reply="status_response", timeout_s=timeout_s)

    def capabilities(self) -> dict[str, bool]:
        """Return which backends the daemon can run; raises as `request` does."""
        answer = self.request({"type": "capabilities"}, reply="capabilities_response")
        found = answer.get("capabilities")
        if not isinstance(found, dict):
            return {}
        return {key: value is True for key, value in found.items()}

    def _receive(self, timeout_s: float) -> dict[str, Any]:
        """Return the next JSON object, or one without fields for what is none.

        An audio frame is one that says so.
        """
        if timeout_s <= 0:
            # Frames that keep coming must not keep us from the deadline.
            raise TimeoutError
        frame = self._connection.recv(timeout=timeout_s)
        if isinstance(frame, bytes):
            return {"type": "audio"}
        if _is_bomb(frame):
            return {}
        with contextlib.suppress(ValueError, RecursionError):
            answer = json.loads(frame)
            if isinstance(answer, dict):
                return answer
        return {}


class StrangeAnswer(Exception):
    """What answers speaks another protocol over the same WebSocket."""


def _is_strange(answer: Mapping[str, Any], message: Mapping[str, Any]) -> bool:
    """Return whether no daemon would say *answer*: it has no type, or repeats the request."""
    return not isinstance(answer.get("type"), str) or answer == message


def _is_meant(answer: Mapping[str, Any], message: Mapping[str, Any]) -> bool:
    """Return whether *answer* is that to *message*, as far as it says which it is to."""
    return answer.get("request_id") in (None, message.get("request_id"))


def _is_bomb(frame: str) -> bool:
    """Return whether *frame* would take far more memory as values than it has bytes.

    What is long in an answer are strings: paths, and above all sound.
    """
    if len(frame) <= _ANY_VALUES_BYTES:
        return False
    return sum(map(frame.count, ",[{")) > len(frame) // _BYTES_OF_VALUE


def _refuse(answer: Mapping[str, Any], message: Mapping[str, Any]) -> None:
    match answer:
        case {"type": "auth_response", "status": "error"}:
            raise AccessDenied(
                "the daemon does not accept the token",
                hint="set `LOCAL_WS_AUTH_TOKEN` in `.env` to the daemon's own",
            )
        case {"type": "error", **said}:
            reason = quoted(said.get("message", said.get("error", "")))
            text = f"the daemon refused `{message['type']}`: {reason}"
            raise NotPossible(text, hint="run `aava status` to see what the daemon is")
        case _:
            return


@contextlib.contextmanager
def connect(
    session: Session, *, url: str | None = None, timeout_s: float = OPEN_TIMEOUT_S
) -> Iterator[Daemon]:
    """Connect to the session's daemon, or to the one at *url*, with the token that it needs.

    Raises:
        DaemonUnreachable: nothing listens, or what listens does not answer in *timeout_s*.
        AccessDenied: the token is wrong.
    """
    settings = session.settings
    address = find_address(url or settings.daemon_url, session.env(), env_file=settings.env_file)
    with _open_first(address.urls, timeout_s) as daemon:
        if address.token:
            message = {"type": "auth", "auth_token": address.token}
            daemon.request(message, reply="auth_response", timeout_s=timeout_s)
        yield daemon


@contextlib.contextmanager
def _open_first(urls: tuple[str, ...], timeout_s: float) -> Iterator[Daemon]:
    refused: list[OSError] = []
    for url in urls:
        try:
            connection = _open(url, timeout_s)
            break
        except OSError as error:
            refused.append(error)
    else:
        text = f"nothing listens at {urls[0]}"
        # The first address is what was meant; a host without IPv6 fails on the second otherwise.
        raise DaemonUnreachable(text, hint=_START_HINT) from refused[0]
    with connection:
        try:
            yield Daemon(connection, url)
        except DaemonUnreachable:
            # Taking leave of one that does not answer would wait for it once more.
            with contextlib.suppress(OSError):
                connection.socket.shutdown(socket.SHUT_RDWR)
            raise


def _open(url: str, timeout_s: float) -> ClientConnection:
    from ssl import SSLError

    from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI
    from websockets.sync.client import connect as connect_websocket

    try:
        return connect_websocket(
            url,
            open_timeout=timeout_s,
            close_timeout=1,
            # A daemon that is loading answers no pings; our own deadlines decide.
            ping_interval=None,
            max_size=MAX_REPLY_BYTES,
            proxy=None,
            logger=_silent_logger(),
        )
    except TimeoutError as error:
        text = f"{url} accepts connections but did not answer in {timeout_s:g} s"
        hint = "it may be loading a model: wait, then run `aava status`"
        raise DaemonUnreachable(text, hint=hint) from error
    except SSLError as error:
        # Somebody listens, which an `OSError` would deny.
        raise _no_daemon(url, str(error)) from StrangeAnswer()
    except ConnectionClosed as error:
        text = f"the connection to {url} broke before the daemon had answered"
        raise DaemonUnreachable(text, hint="run `aava status` to see if it is there") from error
    except (InvalidHandshake, InvalidURI, EOFError, AssertionError) as error:
        # One that talks first, as mail servers do, is more than the library foresees.
        raise _no_daemon(url, str(error)) from error


def _silent_logger() -> logging.Logger:
    """Return one for the library, whose traceback of a broken server is no help to anybody."""
    import logging

    logger = logging.getLogger(__name__)
    logger.disabled = True
    return logger


def _no_daemon(url: str, reason: str) -> DaemonUnreachable:
    text = f"what listens at {url} is not a voice daemon: {quoted(reason)}"
    return DaemonUnreachable(text, hint="name the daemon with `--daemon URL`")

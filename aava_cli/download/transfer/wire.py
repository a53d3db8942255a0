"""HTTP/1.1 over one connection: bytes go from the socket straight into the caller's buffer."""

from __future__ import annotations

import re
import socket
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING

from aava_cli.download.sources.http import CONNECT_S, READ_S, Transient
from aava_cli.download.transfer.channel import Channel, cut, encrypt
from aava_cli.download.transfer.socks import enter
from aava_cli.errors import NetworkError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from email.message import Message

    from aava_cli.download.transfer.route import Route

_STATUS = re.compile(rb"HTTP/(1\.[01]) (\d{3})(?: ([^\r\n]*))?\r?\n")
_MOMENT_S = 0.25
_LONGEST_HEAD_BYTES = 64 << 10
_CONTINUES = range(100, 200)
_BODILESS = frozenset({204, 304})


@dataclass(slots=True)
class Answer:
    """The head of one answer; *left_bytes* of its body are to come, where that is known."""

    status: int
    reason: str
    headers: Message
    keeps_alive: bool
    is_chunked: bool = False
    left_bytes: int | None = None
    has_ended: bool = False

    @property
    def length(self) -> int | None:
        """How long the body is, where the server says so."""
        return None if self.is_chunked else self.left_bytes

    @property
    def end_is_marked(self) -> bool:
        """Whether a connection that breaks can be told from the end of the body."""
        return self.is_chunked or self.left_bytes is not None

    def header(self, name: str) -> str:
        """Return the header *name*, empty where there is none."""
        return str(self.headers.get(name, "")).strip()


@dataclass(slots=True, eq=False)
class Wire:
    """One connection along *route*; what fails on it is `Transient`."""

    route: Route
    waiting_since_s: float | None = None
    _channel: Channel | None = None
    _held: bytearray = field(default_factory=bytearray)
    _aborted: bool = False

    def connect(self) -> None:
        """Connect, through the proxy and the TLS that the route asks for.

        Raises:
            Transient: there is nobody, or nobody who can be trusted.
        """
        self.waiting_since_s = time.monotonic()
        try:
            connection = socket.create_connection(self.route.first_hop, timeout=CONNECT_S)
            self._channel = connection
            connection.settimeout(READ_S)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._channel = self._through(connection)
        except OSError as error:
            self.close()
            raise Transient(f"cannot be reached: {_reason(error)}", connected=False) from error
        except Transient:
            self.close()
            raise
        if self._aborted:
            self.close()
            raise Transient("the connection was given up")

    def _through(self, connection: socket.socket) -> Channel:
        """Return the channel to the server behind whatever *connection* leads to."""
        route, proxy = self.route, self.route.proxy
        if proxy is not None and route.proxy_trust is not None:
            connection = route.proxy_trust.wrap_socket(connection, server_hostname=proxy.host)
            self._channel = connection
        if proxy is not None and proxy.scheme == "socks5":
            enter(connection, proxy, route.host, route.port)
        elif route.needs_tunnel:
            self._ask_for_tunnel()
        return encrypt(connection, route.trust, route.host) if route.trust else connection

    def _ask_for_tunnel(self) -> None:
        self._send(self.route.tunnel_request())
        answer = self.answer()
        if answer.status // 100 != 2:  # noqa: PLR2004 - any success of HTTP
            message = f"the proxy answers {answer.status} {answer.reason}".rstrip()
            raise Transient(message, connected=False)

    def ask(self, url: str, headers: Iterable[tuple[str, str]]) -> None:
        """Send a GET of *url*; answers come in the order of the questions."""
        self._send(self.route.request(url, headers))

    def _send(self, data: bytes) -> None:
        try:
            self._open_channel().sendall(data)
        except OSError as error:
            raise _broke(error) from error

    def answer(self) -> Answer:
        """Return the next answer's head."""
        while True:
            answer = _parse(self._head())
            if answer.status not in _CONTINUES:
                return answer

    def read_into(
        self, buffer: memoryview, answer: Answer, *, impatient: bool = False
    ) -> int | None:
        """Read some of the body of *answer* into *buffer*; 0 is its end.

        It is None if *impatient* and nothing came for a moment.

        Raises:
            Transient: the connection broke before the end.
        """
        if answer.is_chunked and not answer.left_bytes and not self._next_chunk(answer):
            answer.has_ended = True
            return 0
        if answer.left_bytes is None:
            return self._receive_into(buffer, impatient=impatient)
        wanted = min(len(buffer), answer.left_bytes)
        if not wanted:
            return 0
        got = self._receive_into(buffer[:wanted], impatient=impatient)
        if got is None:
            return None
        if not got:
            raise Transient(f"the connection broke with {answer.left_bytes:,} bytes to come")
        answer.left_bytes -= got
        if answer.is_chunked and not answer.left_bytes:
            self._line()
        return got

    def abort(self) -> None:
        """Make whoever waits for this connection fail at once, from another thread."""
        self._aborted = True
        if self._channel is not None:
            with suppress(OSError):
                cut(self._channel)

    def close(self) -> None:
        """Close the connection."""
        if self._channel is not None:
            self._channel.close()

    def _open_channel(self) -> Channel:
        if self._channel is None or self._aborted:
            raise Transient("the connection was given up")
        return self._channel

    def _head(self) -> bytes:
        while (end := _head_end(self._held)) < 0:
            if len(self._held) > _LONGEST_HEAD_BYTES or not self._fill():
                raise Transient("the connection broke before the answer")
        head = bytes(self._held[:end])
        del self._held[:end]
        return head

    def _fill(self) -> bool:
        buffer = memoryview(bytearray(_LONGEST_HEAD_BYTES))
        got = self._receive_raw(buffer, READ_S)
        self._held += buffer[:got]
        return bool(got)

    def _receive_into(self, buffer: memoryview, *, impatient: bool) -> int | None:
        if self._held:
            got = min(len(buffer), len(self._held))
            buffer[:got] = self._held[:got]
            del self._held[:got]
            return got
        return self._receive_raw(buffer, _MOMENT_S if impatient else READ_S)

    def _receive_raw(self, buffer: memoryview, timeout_s: float) -> int | None:
        connection = self._open_channel()
        if connection.gettimeout() != timeout_s:
            connection.settimeout(timeout_s)
        if self.waiting_since_s is None:
            self.waiting_since_s = time.monotonic()
        try:
            got = connection.recv_into(buffer)
        except OSError as error:
            if isinstance(error, TimeoutError) and timeout_s == _MOMENT_S:
                return None
            raise _broke(error) from error
        self.waiting_since_s = None
        return got

    def _next_chunk(self, answer: Answer) -> bool:
        if answer.has_ended:
            return False
        line = self._line().partition(b";")[0].strip()
        try:
            answer.left_bytes = int(line, 16)
        except ValueError as error:
            raise Transient("sends chunks that make no sense") from error
        if answer.left_bytes:
            return True
        while self._line().strip():
            """Trailers say nothing about the bytes."""
        return False

    def _line(self) -> bytes:
        while (end := self._held.find(b"\n")) < 0:
            if len(self._held) > _LONGEST_HEAD_BYTES or not self._fill():
                raise Transient("the connection broke between two chunks")
        line = bytes(self._held[: end + 1])
        del self._held[: end + 1]
        return line


def _head_end(held: bytearray) -> int:
    for mark in (b"\r\n\r\n", b"\n\n"):
        at = held.find(mark)
        if at >= 0:
            return at + len(mark)
    return -1


def _parse(head: bytes) -> Answer:
    from http.client import HTTPException, parse_headers

    found = _STATUS.match(head)
    if found is None:
        raise NetworkError("does not answer in HTTP", hint="check the address of the source")
    try:
        headers = parse_headers(BytesIO(head[found.end() :]))
    except HTTPException as error:
        raise NetworkError("does not answer in HTTP", hint="check the address") from error
    status, reason = int(found[2]), (found[3] or b"").decode("latin-1").strip()
    answer = Answer(status, reason, headers, _keeps_alive(found[1], headers))
    answer.is_chunked = "chunked" in answer.header("transfer-encoding").lower()
    length = answer.header("content-length")
    if status in _BODILESS:
        answer.left_bytes = 0
    elif length.isdecimal() and not answer.is_chunked:
        answer.left_bytes = int(length)
    answer.keeps_alive = answer.keeps_alive and answer.end_is_marked
    return answer


def _keeps_alive(version: bytes, headers: Message) -> bool:
    said = str(headers.get("connection", "")).lower()
    return "keep-alive" in said if version == b"1.0" else "close" not in said


def _broke(error: OSError) -> Transient:
    return Transient(f"the connection broke: {_reason(error)}")


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, TimeoutError):
        return "it timed out"
    return error.strerror or str(error) or type(error).__name__

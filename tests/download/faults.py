"""A server whose misbehaviour is a function: it sees each request and answers as it likes."""

from __future__ import annotations

import re
import socket
import struct
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping
    from typing import TypeAlias

    Fault: TypeAlias = Callable[["Asked"], None]

_STEP_BYTES = 256 << 10


@dataclass(slots=True)
class Asked:
    """One request: its *number* from 0, and the bytes *start* to *end* that it wants."""

    server: FaultyServer
    handler: BaseHTTPRequestHandler
    number: int
    path: str
    start: int
    end: int
    is_range: bool
    headers: Mapping[str, str]

    def answer(self, **changes: object) -> None:
        """Answer as a good server would, but for *changes* to status, headers and body."""
        status = changes.get("status", 206 if self.is_range else 200)
        size = self.server.size_bytes
        headers: dict[str, object] = {"ETag": '"one"', "Content-Length": self.end - self.start}
        if status == 206:
            headers["Content-Range"] = f"bytes {self.start}-{self.end - 1}/{size}"
        extra = changes.get("headers", {})
        assert isinstance(extra, dict)
        headers |= extra
        self.handler.send_response(int(str(status)))
        for name, value in headers.items():
            if value is not None:
                self.handler.send_header(name, str(value))
        self.handler.end_headers()
        if headers["Content-Length"]:
            body = changes.get("body")
            assert body is None or isinstance(body, bytes)
            self.send(self.start, self.end, body)

    def send(self, start: int, end: int, body: bytes | None = None) -> None:
        """Send the bytes from *start* up to *end* of the file, or *body*."""
        if body is not None:
            self.handler.wfile.write(body)
            return
        for at in range(start, end, _STEP_BYTES):
            self.handler.wfile.write(self.server.read(at, min(end, at + _STEP_BYTES)))

    def status(self, status: int, **headers: object) -> None:
        """Answer *status* without a body."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answer(status=status, headers={"Content-Length": 0, "ETag": None, **named})

    def whole(self, **changes: object) -> None:
        """Answer with the whole file, whatever was asked for."""
        self.start, self.end, self.is_range = 0, self.server.size_bytes, False
        self.answer(**changes)

    def break_off(self, *, reset: bool = False) -> None:
        """Break the connection, politely or not."""
        self.handler.close_connection = True
        if reset:
            self.handler.wfile.flush()
            linger = struct.pack("ii", 1, 0)
            self.handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.handler.connection.close()


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_: object) -> None:
        """Say nothing of clients that hang up."""


@dataclass(slots=True)
class FaultyServer:
    """Serves *read* on loopback; each request is *fault*'s to answer."""

    size_bytes: int
    read: Callable[[int, int], bytes]
    fault: Fault
    protocol: str = "HTTP/1.1"
    trust: ssl.SSLContext | None = None
    asked: list[Asked] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    _http: _Quiet = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._http = _Quiet(("127.0.0.1", 0), self._handler())
        if self.trust is not None:
            listener = self._http.socket
            self._http.socket = self.trust.wrap_socket(
                listener, server_side=True, do_handshake_on_connect=False
            )
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._http.server_port

    @property
    def url(self) -> str:
        """The address of the file."""
        return f"http://127.0.0.1:{self.port}/f"

    def close(self) -> None:
        """Stop serving."""
        self.released.set()
        self._http.shutdown()
        self._http.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = server.protocol

            def do_GET(self) -> None:
                server.fault(server.note(self))

            def log_message(self, *_: object) -> None:
                """Keep the tests' output clean."""

        return Handler

    def note(self, handler: BaseHTTPRequestHandler) -> Asked:
        """Return what *handler* was asked, numbered."""
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", handler.headers.get("Range", ""))
        start, end = 0, self.size_bytes
        if found:
            start = int(found[1])
            end = min(end, int(found[2]) + 1) if found[2] else end
        with self._lock:
            headers = dict(handler.headers.items())
            number = len(self.asked)
            asked = Asked(self, handler, number, handler.path, start, end, bool(found), headers)
            self.asked.append(asked)
            return asked

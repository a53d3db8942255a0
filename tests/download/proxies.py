"""Proxies on loopback: one that makes tunnels for CONNECT, in TLS if need be, and one of SOCKS."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl


class Proxy:
    """A proxy that only makes tunnels; *asked* has what each client said before its tunnel."""

    def __init__(
        self, answer: bytes = b"HTTP/1.1 200 Connected\r\n\r\n", trust: ssl.SSLContext | None = None
    ) -> None:
        self.asked: list[bytes] = []
        self._answer = answer
        self._trust = trust
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._run, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        self._listener.close()

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._accept, args=(client,), daemon=True).start()

    def _accept(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if self._trust is not None:
                client = self._trust.wrap_socket(client, server_side=True)
            with client:
                self._serve(client)

    def _serve(self, client: socket.socket) -> None:
        head = client.recv(65536)
        self.asked.append(head)
        client.sendall(self._answer)
        if b" 200 " in self._answer:
            pass_on(client, int(head.split()[1].rpartition(b":")[2]))


class SocksProxy(Proxy):
    """SOCKS 5 as its RFCs have it; it wants *password* where that is given.

    The *answer* is the code that a client gets for its place; *asked* has the places.
    """

    def __init__(self, password: bytes | None = None, answer: int = 0) -> None:
        self._password = password
        self._code = answer
        super().__init__()

    def _serve(self, client: socket.socket) -> None:
        _version, count = exactly(client, 2)
        methods = exactly(client, count)
        wanted = 0 if self._password is None else 2
        client.sendall(bytes([5, wanted if wanted in methods else 255]))
        if wanted == 2 and not self._admit(client):
            return
        _version, command, _reserved, kind = exactly(client, 4)
        size = {1: 4, 4: 16}.get(kind) or exactly(client, 1)[0]
        place = exactly(client, size)
        port = int.from_bytes(exactly(client, 2))
        self.asked.append(b"%d %d %b" % (command, kind, place))
        # A name as the place where it connects from: a client must count to get past it.
        client.sendall(bytes([5, self._code, 0, 3, 5]) + b"proxy" + bytes(2))
        if not self._code:
            pass_on(client, port)

    def _admit(self, client: socket.socket) -> bool:
        exactly(client, 1)
        user = exactly(client, exactly(client, 1)[0])
        password = exactly(client, exactly(client, 1)[0])
        is_right = (user, password) == (b"me", self._password)
        client.sendall(bytes([1, not is_right]))
        return is_right


def exactly(client: socket.socket, size: int) -> bytes:
    """Return the next *size* bytes."""
    data = b""
    while len(data) < size:
        more = client.recv(size - len(data))
        if not more:
            raise OSError
        data += more
    return data


def pass_on(client: socket.socket, port: int) -> None:
    """Connect *client* with *port* of this host until both have said all."""
    with socket.create_connection(("127.0.0.1", port)) as server:
        back = threading.Thread(target=pump, args=(server, client), daemon=True)
        back.start()
        pump(client, server)
        back.join()


def pump(source: socket.socket, target: socket.socket) -> None:
    """Pass on what *source* sends until it ends."""
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)

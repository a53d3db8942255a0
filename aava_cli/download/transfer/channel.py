"""What bytes go through: a socket, or TLS inside a socket that is encrypted itself."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING, TypeAlias, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_RECORD_BYTES = 64 << 10


class InnerTls:
    """TLS to a server through TLS to a proxy, which the standard library has no socket for."""

    def __init__(self, outer: ssl.SSLSocket, trust: ssl.SSLContext, host: str) -> None:
        self.outer = outer
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._inner = trust.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._drive(self._inner.do_handshake)

    def sendall(self, data: bytes) -> None:
        """Send all of *data*."""
        self._drive(lambda: self._inner.write(data))

    def recv_into(self, buffer: memoryview) -> int:
        """Receive something into *buffer*; 0 is the end."""
        # With a buffer it returns how much it read, whatever its type says.
        return cast("int", self._drive(lambda: self._inner.read(len(buffer), buffer)))

    def settimeout(self, timeout_s: float) -> None:
        """Let whatever follows take this long."""
        self.outer.settimeout(timeout_s)

    def gettimeout(self) -> float | None:
        """Return how long anything may take."""
        return self.outer.gettimeout()

    def close(self) -> None:
        """Close the connection."""
        self.outer.close()

    def _drive(self, act: Callable[[], T]) -> T:
        """Return what *act* does, once it has got all that it needs to read."""
        while True:
            try:
                done = act()
            except ssl.SSLWantReadError:
                self._flush()
                self._fill()
            else:
                self._flush()
                return done

    def _flush(self) -> None:
        if data := self._outgoing.read():
            self.outer.sendall(data)

    def _fill(self) -> None:
        if data := self.outer.recv(_RECORD_BYTES):
            self._incoming.write(data)
        else:
            self._incoming.write_eof()


Channel: TypeAlias = socket.socket | InnerTls


def encrypt(channel: socket.socket, trust: ssl.SSLContext, host: str) -> Channel:
    """Return *channel* with TLS to *host*, which may be behind a proxy that has its own."""
    if isinstance(channel, ssl.SSLSocket):
        return InnerTls(channel, trust, host)
    return trust.wrap_socket(channel, server_hostname=host)


def cut(channel: Channel) -> None:
    """Make whoever waits at *channel*, in another thread, fail at once."""
    outer = channel.outer if isinstance(channel, InnerTls) else channel
    # Not the method of a TLS socket: it would wait, or forget its keys in mid-air.
    socket.socket.shutdown(outer, socket.SHUT_RDWR)

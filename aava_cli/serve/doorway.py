"""HTTP with bounds on connections, of whatever kind they will be."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from aava_cli.serve.gentle import Gentle

if TYPE_CHECKING:
    from asyncio import TimerHandle, Transport

    from aava_cli.serve.guard import Guard

_DETAIL = b'{"detail": "there are too many connections"}'
_FULL = b"\r\n".join(
    (
        *(b"HTTP/1.1 503 Service Unavailable", b"Retry-After: 5", b"Connection: close"),
        *(b"Content-Type: application/json", b"Content-Length: %d" % len(_DETAIL), b"", _DETAIL),
    )
)


class Http(Gentle):
    """A connection that has a place, and asks for something in time, or else ends."""

    _guard: Guard
    _deadline: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Begin, where there is a place."""
        super().connection_made(transport)
        # Who takes nothing for so long is gone, or might as well be; also as a WebSocket.
        patience_ms = round(self._guard.limits.upload_s * 1000)
        own = transport.get_extra_info("socket")
        own.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, patience_ms)
        if self._guard.has_place(len(self.connections)):
            self._watch()
            return
        transport.write(_FULL)
        transport.close()

    def take(self, data: bytes) -> None:
        """Take bytes; a request may be among them."""
        super().take(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Give the place back."""
        self._stop_watching()
        super().connection_lost(exc)

    def drop(self) -> None:
        """End the connection."""
        self.transport.close()

    def _watch(self) -> None:
        answering = self.cycle is not None and not self.cycle.response_complete
        upgraded = self.transport.get_protocol() is not self
        if answering or upgraded or self.transport.is_closing():
            self._stop_watching()
        elif self._deadline is None:
            self._guard.awaits(self)
            self._deadline = self.loop.call_later(self._guard.limits.handshake_s, self.drop)

    def _stop_watching(self) -> None:
        self._guard.heard(self)
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

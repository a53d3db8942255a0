"""HTTP with bounds on connections, of whatever kind they will be."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import h11

from aava_cli.serve.gentle import Gentle

if TYPE_CHECKING:
    from asyncio import TimerHandle, Transport

    from aava_cli.serve.guard import Guard

_LOOK_S = 0.2
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
    _was_asked_back = False

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
        """Wait for the next request, where there can be one."""
        super().on_response_complete()
        if self._was_asked_back and self.cycle.response_complete:
            self.transport.close()
        self._watch()

    def eof_received(self) -> bool:  # type: ignore[override]
        """Keep the connection of who sends no more, and waits for an answer all the same."""
        if self._unread:
            # It comes again once that is taken.
            return True
        waits = self.cycle is not None and not self.cycle.more_body
        if not waits or self.cycle.response_started or self.scope["http_version"] != "1.1":
            return False
        if not self._was_asked_back:
            self._was_asked_back = True
            # Who has left altogether ends its sending half as well; its system resets what comes
            # then. Everybody else passes over this.
            asked = h11.InformationalResponse(status_code=100, headers=[], reason=b"Continue")
            self.transport.write(self.conn.send(asked))
            self.loop.call_later(_LOOK_S, self._look)
        return True

    def _look(self) -> None:
        """End the connection where who was asked has left; nothing is read, so nothing tells."""
        if self.transport.is_closing():
            return
        own = self.transport.get_extra_info("socket")
        if own.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self.transport.abort()
        else:
            self.loop.call_later(_LOOK_S, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """Give the place back."""
        self._stop_watching()
        if exc is None and self.conn.their_state in (h11.SEND_BODY, h11.ERROR):
            own = self.transport.get_extra_info("socket")
            self._guard.leaving.keep(own, self._guard.limits.handshake_s)
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

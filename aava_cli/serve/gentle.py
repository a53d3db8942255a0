"""HTTP as uvicorn speaks it, read a little at a time: nobody's bytes keep others waiting."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    from asyncio import Transport

# A body in chunks of one byte takes as long to read as one that is five hundred times as large.
_TURN_S = 0.002
_SMALLEST_SLICE, _LARGEST_SLICE = 256, 4096


class Gentle(H11Protocol):
    """A connection that is read for a moment at once, others being heard in between.

    What is read goes through `take`, a slice at a time.
    """

    _unread = b""
    _slice_bytes = _LARGEST_SLICE

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Begin, and have the end of an answer sent as soon as its beginning."""
        # asyncio does that for sockets that were made with the protocol's number alone.
        own = transport.get_extra_info("socket")
        own.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Take what can be taken of *data* in a moment, and the rest soon."""
        if self._unread:
            # Whoever takes the body has reading resumed.
            self._unread += data
            self.transport.pause_reading()
            return
        self._unread = data
        self._take_turn()

    def take(self, data: bytes) -> None:
        """Take *data*; a request may be among it."""
        super().data_received(data)

    def send_400_response(self, msg: str) -> None:
        """Tell that what came is no request, where no other answer has begun; then end."""
        if self.cycle is not None:
            # Whoever answers it has nobody to answer any more.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            super().send_400_response(msg)
        else:
            self.transport.close()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Hand the connection over, with what came behind the request."""
        super().handle_websocket_upgrade(event)
        early = self.conn.trailing_data[0]
        if early:
            self.transport.get_protocol().data_received(early)  # type: ignore[attr-defined]

    def _should_upgrade(self) -> bool:
        # Nobody would answer another request that asks for a WebSocket.
        return self.scope["method"] == "GET" and super()._should_upgrade()

    def _take_turn(self) -> None:
        data, at, began_s = self._unread, 0, self.loop.time()
        now_s, until_s = began_s, began_s + _TURN_S
        while at < len(data) and self._is_ours() and now_s < until_s:
            before_s, size = now_s, self._slice_bytes
            self.take(data[at : at + size])
            at, now_s = at + size, self.loop.time()
            is_fast = now_s - before_s < _TURN_S / 4
            self._slice_bytes = (
                min(2 * size, _LARGEST_SLICE) if is_fast else max(size // 4, _SMALLEST_SLICE)
            )
        self._unread = data[at:]
        if not self._is_ours():
            self._hand_over()
        elif self._unread:
            self.transport.pause_reading()
            self.loop.call_soon(self._take_next)

    def _take_next(self) -> None:
        self._take_turn()
        if not self._unread and self._is_ours() and not self.flow.read_paused:
            self.transport.resume_reading()

    def _hand_over(self) -> None:
        """Leave what was not taken to the WebSocket that the connection is from here on."""
        rest, self._unread = self._unread, b""
        if not self.transport.is_closing():
            self.transport.resume_reading()
            self.transport.get_protocol().data_received(rest)  # type: ignore[attr-defined]

    def _is_ours(self) -> bool:
        return self.transport.get_protocol() is self and not self.transport.is_closing()

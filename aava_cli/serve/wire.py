"""WebSocket as uvicorn speaks it, with bounds on what comes in.

Until a connection has brought the token, its messages are small and taken one by one; what is on
its way on all connections together is bounded, and nothing is left of it when one ends.
"""

from __future__ import annotations

import select
from collections import deque
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode
from websockets.protocol import OPEN

from aava_cli.serve.guard import WIRE

if TYPE_CHECKING:
    from asyncio import TimerHandle

    from websockets.frames import Frame
    from websockets.http11 import Request

    from aava_cli.serve.guard import Guard

_GONE = select.POLLRDHUP | select.POLLHUP | select.POLLERR
_SHORT_LENGTH = 125
_TWO_BYTES = 126
_LONGEST_HEADER = 14


class Wire(WebSocketsSansIOProtocol):
    """One WebSocket below its messages."""

    _guard: Guard

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - as uvicorn has them
        super().__init__(*args, **kwargs)
        self.conn.max_message_size = self._guard.first_message_bytes
        self._stranger = self._guard.needs_token
        self._unread = bytearray()
        self._unhandled: deque[int] = deque()
        self._counted_bytes = 0
        self._deadline: TimerHandle | None = None

    def trust(self) -> None:
        """Take large messages from now on: the other side has brought the token."""
        if not self._stranger:
            return
        self._stranger = False
        self.conn.max_message_size = self._guard.limits.message_bytes
        if self.conn.state is OPEN and self.conn.parser_exc is None:
            # The parser took the limit of the next message when it began to wait for it.
            self.conn.parser = self.conn.parse()
            next(self.conn.parser)

    def handled(self) -> None:
        """Let go of the oldest message, which is answered."""
        self._unhandled.popleft()
        if not self.disconnected:
            self._take(b"")

    def drop(self) -> None:
        """End the connection at once, also where the other side takes nothing."""
        self.transport.abort()

    def has_left(self) -> bool:
        """Return whether the other side has gone, even while nothing is read from it."""
        if self.disconnected or self.transport.is_closing():
            return True
        poll = select.poll()
        poll.register(self.transport.get_extra_info("socket").fileno(), _GONE)
        if poll.poll(0):
            return True
        # Its end waits behind what is not read; the answer to this does not.
        if self.writable.is_set() and self.conn.state is OPEN:
            self.conn.send_ping(b"")
            self.transport.write(b"".join(self.conn.data_to_send()))
        return False

    def handle_connect(self, event: Request) -> None:
        """Tell the application which wire it speaks over."""
        super().handle_connect(event)
        if not self.close_sent:
            self.scope["state"][WIRE] = self

    def data_received(self, data: bytes) -> None:
        """Take bytes, those of strangers one message at a time."""
        if self.handshake_initiated:
            self._take(data)
            return
        super().data_received(data)
        if self.conn.handshake_exc is not None:
            # What HTTP let pass is no handshake, and nobody is told of it.
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.transport.close()

    def _take(self, data: bytes) -> None:
        if self._stranger or self._unread:
            self._unread += data
            self._take_one_by_one()
        elif data:
            super().data_received(data)
        self._count()

    def _take_one_by_one(self) -> None:
        """Take what came up to the first message; the next may be large if that was the token."""
        while self._unread and not (self._stranger and self._unhandled):
            size = _frame_bytes(self._unread) if self._stranger else len(self._unread)
            # What is too large is refused by its header.
            most = self._guard.first_message_bytes + _LONGEST_HEADER
            if size is None or len(self._unread) < size <= most:
                break
            taken = bytes(self._unread[:size])
            del self._unread[:size]
            super().data_received(taken)
        if self._unread and self._unhandled:
            self.read_paused = True
            self.transport.pause_reading()
        elif self.read_paused and self.queue.empty():
            self.read_paused = False
            self.transport.resume_reading()

    def _count(self) -> None:
        arriving = len(self.conn.reader.buffer) + len(self._unread) + sum(map(len, self.frames))
        now = 0 if self.disconnected else arriving + sum(self._unhandled)
        fits = self._guard.hold(self._counted_bytes, now)
        self._counted_bytes = now
        if not fits:
            self._fail(CloseCode.TRY_AGAIN_LATER, "too much arrives at once; try again later")
        elif not arriving:
            self._stop_waiting()
        elif self._deadline is None:
            self._wait()

    def _wait(self) -> None:
        self._deadline = self.loop.call_later(self._guard.limits.upload_s, self._late)

    def _late(self) -> None:
        if self.read_paused:
            # Nothing can come while nothing is read.
            self._wait()
        else:
            self._fail(CloseCode.POLICY_VIOLATION, "a message did not come in time")

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _fail(self, code: CloseCode, reason: str) -> None:
        if self.conn.state is OPEN and not self.close_sent:
            self.conn.fail(code, reason)
            self.handle_parser_exception()
        self._forget()

    def handle_text(self, event: Frame) -> None:
        """Begin a message; its pieces are put together as they come."""
        self.curr_msg_data_type = "text"
        self._begin(event)

    def handle_bytes(self, event: Frame) -> None:
        """Begin a message; its pieces are put together as they come."""
        self.curr_msg_data_type = "bytes"
        self._begin(event)

    def _begin(self, event: Frame) -> None:
        # A list of pieces would grow with each, even one of no bytes.
        self.frames = [event.data if event.fin else bytearray(event.data)]  # type: ignore[list-item]
        if event.fin:
            self.send_receive_event_to_app()

    def handle_cont(self, event: Frame) -> None:
        """Go on with a message."""
        self.frames[0] += event.data
        if event.fin:
            self.send_receive_event_to_app()

    def handle_ping(self) -> None:
        """Answer, unless the other side takes no answers: they would heap up."""
        answer = self.conn.data_to_send()
        if self.writable.is_set():
            self.transport.write(b"".join(answer))

    def keepalive_timeout(self) -> None:
        """End a connection whose other side is gone."""
        if self.read_paused:
            # What it answered was not read either.
            self.stop_keepalive()
            self.start_keepalive()
        else:
            super().keepalive_timeout()

    def send_receive_event_to_app(self) -> None:
        """Give a whole message to the application."""
        self._stop_waiting()
        size = len(self.frames[0])
        self.frames = [bytes(self.frames[0])]
        if self.curr_msg_data_type == "text" and not _is_text(self.frames[0]):
            self._fail(CloseCode.INVALID_DATA, "this is not UTF-8")
            return
        super().send_receive_event_to_app()
        if not self.close_sent:
            self._unhandled.append(size)

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave nothing behind of what came."""
        self._forget()
        super().connection_lost(exc)
        self._count()

    def _forget(self) -> None:
        self._stop_waiting()
        self._unread.clear()
        self.conn.reader.discard()
        self.frames = []


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _frame_bytes(data: bytearray) -> int | None:
    """Return how long the frame at the beginning of *data* is, or None where that did not come."""
    if len(data) < 2:  # noqa: PLR2004 - its shortest header
        return None
    length, masked = data[1] & 0x7F, data[1] & 0x80
    extended = 0 if length <= _SHORT_LENGTH else 2 if length == _TWO_BYTES else 8
    if len(data) < 2 + extended:
        return None
    size = int.from_bytes(data[2 : 2 + extended], "big") if extended else length
    return 2 + extended + (4 if masked else 0) + size

"""The end of connections whose clients still send: the answer reaches them before they are cut."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from dataclasses import dataclass, field

# Beyond so many at once, answers may be lost as they are where nobody cares.
_MOST = 32
_PIECE_BYTES = 64 << 10


@dataclass(slots=True)
class Leaving:
    """Connections that say no more, and are read from until their clients are done as well.

    The system resets one that is closed with bytes unread, and what was said last is lost.
    """

    _kept: set[socket.socket] = field(default_factory=set)

    def keep(self, own: socket.socket, patience_s: float) -> None:
        """Keep the connection of *own*, which is about to be closed, for *patience_s* at most."""
        if len(self._kept) >= _MOST:
            return
        kept = own.dup()
        with suppress(OSError):
            kept.shutdown(socket.SHUT_WR)
        self._kept.add(kept)
        loop = asyncio.get_running_loop()
        loop.add_reader(kept, self._read, kept)
        loop.call_later(patience_s, self._end, kept)

    def _read(self, kept: socket.socket) -> None:
        try:
            is_over = not kept.recv(_PIECE_BYTES)
        except OSError:
            is_over = True
        if is_over:
            self._end(kept)

    def _end(self, kept: socket.socket) -> None:
        if kept in self._kept:
            self._kept.remove(kept)
            asyncio.get_running_loop().remove_reader(kept)
            kept.close()

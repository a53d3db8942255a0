"""Whose turn it is where one thing is done at a time: round robin among those who ask."""

from __future__ import annotations

import asyncio
from collections import deque
from contextvars import ContextVar

ASKER: ContextVar[object] = ContextVar("ASKER")
"""For whom something is asked, such as a connection; where nobody says, each task for itself."""


class NoTurn(Exception):
    """There are no more turns to be had."""


class Turns:
    """Gives one turn after the other; who asks often is not served more often than others."""

    def __init__(self) -> None:
        # By who asks, in the order in which they are next.
        self._waiting: dict[object, deque[asyncio.Future[None]]] = {}
        self._taken = False
        self._over = False

    async def take(self) -> None:
        """Have the turn; `give` ends it.

        Raises:
            NoTurn: `end` was called.
        """
        if self._over:
            raise NoTurn
        if not self._taken:
            self._taken = True
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(ASKER.get(asyncio.current_task()), deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            # It may have been this one's turn just now.
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.give()
            raise

    def give(self) -> None:
        """Give the turn to the next."""
        self._taken = False
        while self._waiting and not self._taken:
            asker, queue = next(iter(self._waiting.items()))
            del self._waiting[asker]
            turn = queue.popleft()
            if queue:
                self._waiting[asker] = queue
            # Who left in the meantime has no turn.
            if not turn.done():
                self._taken = True
                turn.set_result(None)

    def end(self) -> None:
        """Send everybody away who waits; whose turn it is keeps it."""
        self._over = True
        for queue in self._waiting.values():
            for turn in queue:
                if not turn.done():
                    turn.set_exception(NoTurn())
        self._waiting.clear()

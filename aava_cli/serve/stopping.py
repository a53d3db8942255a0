"""The end of the daemon: calls may go on for a while, then each is closed in good order."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aava_cli.serve.gate import Gate
    from aava_cli.serve.notify import Notifier
    from aava_cli.serve.protocol import Daemon

GOING_AWAY = 1001
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_REASON = "the daemon is stopping"
_POLL_S = 0.05
_CLOSE_S = 2.0
_LOOKS = 10


class Stopper:
    """Ends the daemon once it is asked to; a second time means at once."""

    def __init__(
        self, daemon: Daemon, gate: Gate, notifier: Notifier, end: Callable[[], None]
    ) -> None:
        self._daemon = daemon
        self._gate = gate
        self._notifier = notifier
        self._end = end
        self._hurry = asyncio.Event()
        self._stopping: asyncio.Task[None] | None = None

    @contextlib.contextmanager
    def on_signals(self) -> Iterator[None]:
        """Stop on SIGTERM, SIGINT and SIGHUP that come in the block."""
        loop = asyncio.get_running_loop()
        # Who runs us under `nohup` wants us to outlive the terminal.
        before = {each: signal.getsignal(each) for each in _SIGNALS}
        handled = [each for each, handler in before.items() if handler != signal.SIG_IGN]
        for number in handled:
            loop.add_signal_handler(number, self.stop)
        try:
            yield
        finally:
            for number in handled:
                loop.remove_signal_handler(number)
                signal.signal(number, before[number])

    def stop(self) -> None:
        """Begin to end, or make haste where that was begun."""
        if self._stopping is not None:
            self._hurry.set()
            return
        self._stopping = asyncio.create_task(self._stop())

    async def _stop(self) -> None:
        shared = self._daemon.shared
        shared.stopping = True
        drain_s = shared.limits.drain_s
        self._notifier.stopping(f"{shared.calls} calls may go on for {drain_s:g} s")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(drain_s):
                while self._is_busy() and not self._hurry.is_set():
                    await self._moment()
        await self._hang_up()
        self._end()

    async def _moment(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_POLL_S):
                await self._hurry.wait()

    def _is_busy(self) -> bool:
        return self._daemon.shared.calls > 0 or self._gate.inside > 0

    async def _hang_up(self) -> None:
        """Close every connection with a reason; one that takes nothing any more is left behind."""
        sessions = list(self._daemon.sessions)
        for session in sessions:
            session.close()
        closing = (session.socket.close(GOING_AWAY, _REASON) for session in sessions)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_S):
                await asyncio.gather(*closing, return_exceptions=True)
        # Who closes its side as well is gone at once.
        for _ in range(_LOOKS):
            if self._daemon.sessions:
                await asyncio.sleep(_POLL_S)

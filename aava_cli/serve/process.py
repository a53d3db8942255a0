"""The daemon's end of a worker: one loaded model in a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from aava_cli.serve.engines import EngineError, Unanswerable
from aava_cli.serve.frames import Frame, receive_frame
from aava_cli.serve.turns import NoTurn, Turns

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter
    from asyncio.subprocess import Process
    from collections.abc import Mapping
    from pathlib import Path

REQUEST_TIMEOUT_S = 120.0
GOODBYE_S = 10.0
_LOG_DELAY_S = 2.0
_LOG_LINES = 200
_LONGEST_LINE = 2000
_STAMP = re.compile(r"^[\d.]+ [A-Z] ")
_COMPLAINTS = ("error", "fail", "exception", "invalid", "abort")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A model to load: which engine, which file, and the options that it is loaded with.

    A *path* that is not absolute is a name, which means something to the engine alone.
    """

    engine: str
    path: Path
    options: Mapping[str, str] = field(default_factory=dict)


class NotBegun(EngineError):
    """The process went before it was this request's turn; another may answer it."""


class Worker:
    """One loaded model in its own process; requests are answered one at a time."""

    def __init__(self, process: Process, said: dict[str, str]) -> None:
        self._process = process
        self._said = {name: re.compile(pattern) for name, pattern in said.items()}
        # `_spawn` asks for all three pipes.
        self._requests = cast("StreamWriter", process.stdin)
        self._replies = cast("StreamReader", process.stdout)
        self._errors = cast("StreamReader", process.stderr)
        self._last_said = next(reversed(said), None)
        self._effective: dict[str, str] = {}
        self._all_said = asyncio.Event()
        self._turns = Turns()
        self._log: deque[str] = deque(maxlen=_LOG_LINES)
        self._logging = asyncio.create_task(self._keep_log())
        # The loop itself keeps no task alive.
        self._exchanging: asyncio.Task[Frame] | None = None

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.returncode is None

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def effective(self) -> Mapping[str, str]:
        """What the engine itself says that it runs with, by option."""
        return self._effective

    async def load(self, wanted: Wanted, *, timeout_s: float) -> None:
        """Load *wanted*, and take note of what the engine makes of it.

        Raises:
            EngineError: it did not load, or took longer than *timeout_s*.
        """
        asked = {
            "engine": wanted.engine,
            "path": str(wanted.path),
            "options": dict(wanted.options),
        }
        loaded = await self.request(asked, timeout_s=timeout_s)
        self._effective |= loaded.fields["effective"]
        if self._said:
            await self._hear_all()

    async def _hear_all(self) -> None:
        """Wait a moment for what the engine says in its log, which may come after its answer."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LOG_DELAY_S):
                await self._all_said.wait()

    async def request(
        self,
        fields: Mapping[str, Any],
        payload: bytes = b"",
        *,
        timeout_s: float = REQUEST_TIMEOUT_S,
    ) -> Frame:
        """Return the engine's answer.

        Raises:
            NotBegun: the process ended, or is about to, before it came to this request.
            EngineError: the engine refused, died, or took longer than *timeout_s*.
        """
        # Who leaves while it waits for its turn is not answered at all.
        try:
            await self._turns.take()
        except NoTurn as error:
            raise NotBegun(self.describe_end()) from error
        # Who leaves later must not leave its answer in the pipe for the next one.
        exchange = asyncio.create_task(self._exchange(Frame(fields, payload), timeout_s))
        exchange.add_done_callback(self._next)
        self._exchanging = exchange
        reply = await asyncio.shield(exchange)
        if "error" in reply.fields:
            kind = Unanswerable if reply.fields["unanswerable"] else EngineError
            raise kind(_printable(reply.fields["error"]))
        return reply

    def _next(self, exchange: asyncio.Task[Frame]) -> None:
        self._exchanging = None
        if self.alive:
            self._turns.give()
        else:
            self._turns.end()
        if not exchange.cancelled():
            exchange.exception()

    async def _exchange(self, request: Frame, timeout_s: float) -> Frame:
        try:
            async with asyncio.timeout(timeout_s):
                return await self._send_and_receive(request)
        except TimeoutError:
            await self.kill()
            message = f"the engine gave no answer within {timeout_s:g} s and was stopped"
            raise EngineError(message) from None
        except (OSError, asyncio.IncompleteReadError):
            await self._ended()
            raise EngineError(self.describe_end()) from None

    async def _send_and_receive(self, request: Frame) -> Frame:
        # What was said before is not why it fails now.
        self._log.clear()
        self._requests.write(request.encode())
        await self._requests.drain()
        return await receive_frame(self._replies)

    async def close(self, *, patience_s: float = GOODBYE_S) -> None:
        """Let the request in progress finish, for *patience_s* at most, then end the process.

        Those that wait are not begun.
        """
        self._turns.end()
        try:
            async with asyncio.timeout(patience_s):
                if self._exchanging is not None:
                    await asyncio.wait([self._exchanging])
                self._requests.close()
                await self._process.wait()
        except TimeoutError:
            pass
        finally:
            await self.kill()

    async def kill(self) -> None:
        """End the process at once; nothing of it is left when this returns."""
        if self.alive:
            self._process.kill()
        await self._ended()

    async def _ended(self) -> None:
        await self._process.wait()
        await self._logging

    async def _keep_log(self) -> None:
        rest = ""
        while chunk := await self._errors.read(4096):
            *lines, rest = (rest + chunk.decode(errors="replace")).split("\n")
            rest = rest[-_LONGEST_LINE:]
            self._note(lines)
        self._note([rest])

    def _note(self, lines: list[str]) -> None:
        self._log.extend(_printable(line) for line in lines if line.strip())
        for name, pattern in self._said.items():
            for found in filter(None, map(pattern.search, lines)):
                self._effective[name] = found[1]
                if name == self._last_said:
                    self._all_said.set()

    def complaint(self) -> str:
        """Return the first line of the engine's log that complains, else its last line."""
        complaints = (
            line for line in self._log if any(word in line.lower() for word in _COMPLAINTS)
        )
        return _STAMP.sub("", next(complaints, self._log[-1] if self._log else ""))

    def describe_end(self) -> str:
        """Return how the process ended, and what it said before."""
        code = self._process.returncode or 0
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        return ": ".join(filter(None, (f"the engine ended {how}", self.complaint())))


def _printable(text: str) -> str:
    """Return *text* as one line that no terminal takes for commands."""
    # Engines quote what they find in files.
    return "".join(each if each.isprintable() else "\ufffd" for each in " ".join(text.split()))

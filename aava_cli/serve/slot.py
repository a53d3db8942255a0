"""The daemon's end of a worker, and the slot that always answers from one."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
import time
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from aava_cli.serve.engines import EngineError
from aava_cli.serve.frames import Frame, receive_frame

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter
    from asyncio.subprocess import Process
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from aava_cli.backends import Role

LOAD_TIMEOUT_S = 900.0
REQUEST_TIMEOUT_S = 120.0
_GOODBYE_S = 10.0
_LOG_LINES = 200
_LONGEST_LINE = 2000
_STAMP = re.compile(r"^[\d.]+ [A-Z] ")
_COMPLAINTS = ("error", "fail", "exception", "invalid", "abort")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A model to load: which engine, which file, and the options that it is loaded with."""

    engine: str
    path: Path
    options: Mapping[str, str] = field(default_factory=dict)


class Worker:
    """One loaded model in its own process; requests are answered one at a time."""

    def __init__(self, process: Process) -> None:
        self._process = process
        # `_spawn` asks for all three pipes.
        self._requests = cast("StreamWriter", process.stdin)
        self._replies = cast("StreamReader", process.stdout)
        self._errors = cast("StreamReader", process.stderr)
        self._turn = asyncio.Lock()
        self._log: deque[str] = deque(maxlen=_LOG_LINES)
        self._logging = asyncio.create_task(self._keep_log())
        self._exchanges: set[asyncio.Task[Frame]] = set()

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.returncode is None

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    async def request(
        self,
        fields: Mapping[str, Any],
        payload: bytes = b"",
        *,
        timeout_s: float = REQUEST_TIMEOUT_S,
    ) -> Frame:
        """Return the engine's answer.

        Raises:
            EngineError: the engine refused, died, or took longer than *timeout_s*.
        """
        # A caller that stops waiting must not leave its answer in the pipe for the next one.
        exchange = asyncio.create_task(self._exchange(Frame(fields, payload), timeout_s))
        self._exchanges.add(exchange)
        exchange.add_done_callback(self._forget)
        reply = await asyncio.shield(exchange)
        if "error" in reply.fields:
            raise EngineError(reply.fields["error"])
        return reply

    def _forget(self, exchange: asyncio.Task[Frame]) -> None:
        self._exchanges.discard(exchange)
        if not exchange.cancelled():
            exchange.exception()

    async def _exchange(self, request: Frame, timeout_s: float) -> Frame:
        async with self._turn:
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
        self._requests.write(request.encode())
        await self._requests.drain()
        return await receive_frame(self._replies)

    async def close(self, *, patience_s: float = _GOODBYE_S) -> None:
        """Let the requests in progress finish, for *patience_s* at most, then end the process."""
        try:
            async with asyncio.timeout(patience_s):
                await asyncio.gather(*self._exchanges, return_exceptions=True)
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
        self._log.extend(line.strip() for line in lines if line.strip())

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


async def start_worker(wanted: Wanted, *, timeout_s: float = LOAD_TIMEOUT_S) -> Worker:
    """Load *wanted* in a new process and prove that it answers.

    Raises:
        EngineError: it did not load, or took longer than *timeout_s*; no process is left.
    """
    worker = Worker(await _spawn())
    load = {
        "engine": wanted.engine,
        "path": str(wanted.path),
        "options": dict(wanted.options),
    }
    try:
        await worker.request(load, timeout_s=timeout_s)
    except EngineError as error:
        lived = worker.alive
        await worker.close()
        complaint = worker.complaint() if lived else ""
        raise EngineError(": ".join(filter(None, (str(error), complaint)))) from error
    except BaseException:
        await worker.kill()
        raise
    return worker


async def _spawn() -> Process:
    # The same packages as ours, and no engine that fetches what it does not find.
    surroundings = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "HF_HUB_OFFLINE": "1"}
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "aava_cli.serve.worker"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | surroundings,
    )


class Slot:
    """The place of one role's model: it answers from a worker, and starts one that died again."""

    def __init__(self, role: Role) -> None:
        self.role = role
        self.wanted: Wanted | None = None
        self.loaded_at_s: float | None = None
        self._worker: Worker | None = None
        self._error: str | None = None
        self._loads = 0
        self._changing = asyncio.Lock()

    @property
    def loaded(self) -> bool:
        """Whether a model is there and its process runs."""
        return self._worker is not None and self._worker.alive

    @property
    def loading(self) -> bool:
        """Whether a model is being loaded for this slot."""
        return self._loads > 0

    @property
    def pid(self) -> int | None:
        """The id of the process that answers."""
        return self._worker.pid if self._worker and self.loaded else None

    @property
    def problem(self) -> str | None:
        """Why the slot cannot answer, if it cannot."""
        if self.loaded:
            return None
        return self._error or (self._worker.describe_end() if self._worker else None)

    async def request(
        self,
        fields: Mapping[str, Any],
        payload: bytes = b"",
        *,
        timeout_s: float = REQUEST_TIMEOUT_S,
    ) -> Frame:
        """Return the model's answer; a model whose process died is loaded again, once.

        Raises:
            EngineError: no model is loaded, or it did not answer.
        """
        worker = await self._running()
        return await worker.request(fields, payload, timeout_s=timeout_s)

    async def _running(self) -> Worker:
        async with self._changing:
            if self._worker is None or self.wanted is None:
                waiting = "the model is still being loaded" if self.loading else None
                raise EngineError(self._error or waiting or "no model is loaded")
            if not self._worker.alive:
                await self._revive(self.wanted)
            return self._worker

    async def _revive(self, wanted: Wanted) -> None:
        try:
            with self.load_in_progress():
                worker = await start_worker(wanted)
        except EngineError as error:
            self._error = str(error)
            raise
        self._take(worker)

    @contextmanager
    def load_in_progress(self) -> Iterator[None]:
        """Say in `loading` that a model is on its way, for the block."""
        self._loads += 1
        try:
            yield
        finally:
            self._loads -= 1

    async def install(self, worker: Worker, wanted: Wanted) -> None:
        """Answer from *worker* from now on; what answered until now ends."""
        async with self._changing:
            replaced, self.wanted = self._worker, wanted
            self._take(worker)
        if replaced is not None:
            await replaced.close()

    def _take(self, worker: Worker) -> None:
        self._worker, self._error, self.loaded_at_s = worker, None, time.time()

    def fail(self, reason: str) -> None:
        """Record why there is no model."""
        self._error = reason

    async def close(self) -> None:
        """End the worker, if there is one."""
        if self._worker is not None:
            await self._worker.close()

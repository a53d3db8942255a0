"""The place of one model, which is always answered from a process that runs."""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aava_cli.serve.engines import EngineError
from aava_cli.serve.process import GOODBYE_S, REQUEST_TIMEOUT_S, NotBegun, Wanted, Worker
from aava_cli.serve.starting import start_worker
from aava_cli.serve.tally import Tally
from aava_cli.serve.values import check_wanted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aava_cli.daemon.loads import LoadTimes
    from aava_cli.roles import Role
    from aava_cli.serve.frames import Frame


class NotLoaded(EngineError):
    """There is no model to answer, or not yet."""


@dataclass(frozen=True, slots=True)
class Loading:
    """A load in progress: of which model, since when by the monotonic clock, how long it took last.

    *usual_s* is None for a model that was never loaded here.
    """

    model: str
    since_s: float
    usual_s: float | None


class Slot:
    """The place of one role's model: it answers from a worker, and starts one that died again."""

    def __init__(self, role: Role, load_times: LoadTimes | None = None) -> None:
        self.role = role
        self.requests = Tally()
        self.loads = Tally()
        self.progress: Loading | None = None
        self._load_times = load_times
        self.wanted: Wanted | None = None
        self.loaded_at_s: float | None = None
        self._worker: Worker | None = None
        self._error: str | None = None
        self._loads_ahead = 0
        self._changing = asyncio.Lock()
        # The loop itself keeps no task alive.
        self._coming: asyncio.Task[Worker] | None = None

    @property
    def loaded(self) -> bool:
        """Whether a model is there and its process runs."""
        return self._worker is not None and self._worker.alive

    @property
    def loading(self) -> bool:
        """Whether a model is being loaded for this slot."""
        return self._loads_ahead > 0

    @property
    def is_unloaded(self) -> bool:
        """Whether the slot has no process, not even one that ended by itself."""
        return self._worker is None

    @property
    def pid(self) -> int | None:
        """The id of the process that answers."""
        return self._worker.pid if self._worker and self.loaded else None

    @property
    def effective(self) -> Mapping[str, str]:
        """What the engine itself says that it runs with, by option."""
        return self._worker.effective if self._worker and self.loaded else {}

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
        wait_s: float | None = None,
    ) -> Frame:
        """Return the model's answer; a model whose process died is loaded again, once.

        *timeout_s* ends the engine, *wait_s* the wait for it alone.

        Raises:
            EngineError: no model is loaded, or it did not answer.
            TimeoutError: nobody waits any longer.
        """
        with self.requests.counting():
            try:
                async with asyncio.timeout(wait_s):
                    while True:
                        worker = await self._running()
                        # What waited for a process that went is done by the one in its place.
                        with suppress(NotBegun):
                            return await worker.request(fields, payload, timeout_s=timeout_s)
            except TimeoutError:
                raise TimeoutError(f"no answer came within {wait_s:g} s") from None

    async def _running(self) -> Worker:
        if self._worker is not None and self._worker.alive:
            return self._worker
        if self._coming is None:
            self._coming = asyncio.create_task(self._bring())
            self._coming.add_done_callback(self._came)
        # Whoever waits may leave before it is there; it comes all the same, for the next one.
        return await asyncio.shield(self._coming)

    async def _bring(self) -> Worker:
        """Return the process that answers, started again where it ended by itself."""
        async with self._changing:
            if self._worker is None or self.wanted is None:
                waiting = "the model is still being loaded" if self.loading else None
                raise NotLoaded(self._error or waiting or "no model is loaded")
            if not self._worker.alive:
                await self._revive(self.wanted)
            return self._worker

    def _came(self, coming: asyncio.Task[Worker]) -> None:
        self._coming = None
        if not coming.cancelled():
            # Nobody may wait for it any more.
            coming.exception()

    async def _revive(self, wanted: Wanted) -> None:
        try:
            with self.load_in_progress():
                worker = await self.prepare(wanted)
        except EngineError as error:
            self._error = str(error)
            raise
        self._take(worker)

    @contextmanager
    def load_in_progress(self) -> Iterator[None]:
        """Say in `loading` that a model is on its way, for the block."""
        self._loads_ahead += 1
        try:
            yield
        finally:
            self._loads_ahead -= 1

    async def prepare(self, wanted: Wanted) -> Worker:
        """Return *wanted*, loaded and proven beside what answers now.

        Raises:
            EngineError: it did not load; no process is left of it.
        """
        model, since_s = str(wanted.path), time.monotonic()
        self.progress = Loading(model, since_s, await self._usual_s(model))
        try:
            with self.loads.counting():
                # Looking for files may take its time on a network drive.
                await asyncio.to_thread(check_wanted, wanted)
                worker = await start_worker(wanted)
        finally:
            self.progress = None
        if self._load_times is not None:
            took_s = time.monotonic() - since_s
            await asyncio.to_thread(self._load_times.note, [model], took_s)
        return worker

    async def _usual_s(self, model: str) -> float | None:
        if self._load_times is None:
            return None
        return await asyncio.to_thread(self._load_times.expected_s, model)

    async def unload(self) -> None:
        """End the model that answers, to make room; `wanted` still says which it was."""
        async with self._changing:
            replaced, self._worker = self._worker, None
        if replaced is not None:
            await replaced.close()

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

    async def close(self, *, patience_s: float = GOODBYE_S) -> None:
        """End the worker, if there is one; what it does now may take *patience_s*."""
        if self._coming is not None:
            self._coming.cancel()
            await asyncio.wait([self._coming])
        worker, self._worker = self._worker, None
        if worker is not None:
            await worker.close(patience_s=patience_s)

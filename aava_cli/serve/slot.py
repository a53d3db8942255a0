"""The place of one model, which is always answered from a process that runs."""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from aava_cli.serve.engines import EngineError
from aava_cli.serve.process import REQUEST_TIMEOUT_S, Wanted, Worker, start_worker

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aava_cli.roles import Role
    from aava_cli.serve.frames import Frame


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

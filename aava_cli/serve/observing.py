"""Take note of what loaded models take, out of the way of everybody who waits for them."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from aava_cli.serve.status import status_reply

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aava_cli.roles import Role
    from aava_cli.serve.message import Reply
    from aava_cli.serve.models import Models
    from aava_cli.settings import Settings


class Observer:
    """Records, after each load, what the models of the roles take; nothing depends on it."""

    def __init__(self, models: Models) -> None:
        self._models = models
        self._tasks: set[asyncio.Task[None]] = set()

    def loaded(self, roles: Iterable[Role]) -> None:
        """Take note of what the models of *roles*, loaded just now, take."""
        status = status_reply(self._models, started_at_s=0, active_sessions=0)
        noting = asyncio.to_thread(_note, self._models.settings, status, tuple(roles))
        task = asyncio.create_task(noting)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Wait until all is noted."""
        await asyncio.gather(*self._tasks)


def _note(settings: Settings, status: Reply, roles: tuple[Role, ...]) -> None:
    from aava_cli.measuring.running import note_loaded

    # What went away in the meantime, or is not to be read, is not noted.
    with contextlib.suppress(OSError):
        note_loaded(settings, status, roles)

"""Work that is done whole, also where whoever asked for it stops waiting."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Coroutine


async def to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Do *work* whole, also for a caller that is cancelled."""
    task = asyncio.create_task(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise

"""A worker that is started, or leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING

from aava_cli.serve.engines import EngineError, said_by
from aava_cli.serve.process import Wanted, Worker

if TYPE_CHECKING:
    from asyncio.subprocess import Process

LOAD_TIMEOUT_S = 900.0


async def start_worker(wanted: Wanted, *, timeout_s: float = LOAD_TIMEOUT_S) -> Worker:
    """Load *wanted* in a new process and prove that it answers.

    Raises:
        EngineError: it did not load, or took longer than *timeout_s*; no process is left.
    """
    worker = Worker(await _spawn(), said_by(wanted.engine))
    try:
        await worker.load(wanted, timeout_s=timeout_s)
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

"""Locks that wait for their holder, so that two pulls do not fetch the same file."""

from __future__ import annotations

import hashlib
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from aava_cli.errors import Busy
from aava_cli.events import Log
from aava_cli.files import command_line, exclusive_lock

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from aava_cli.events import Emit

_STEP_S = 0.1


@contextmanager
def hold(work: Path, names: Iterable[str], emit: Emit) -> Iterator[None]:
    """Hold the locks of all *names* for the block, once whoever holds them has finished."""
    with ExitStack() as held:
        # In one order for everybody, so that two never wait for each other.
        for name in sorted(set(names)):
            key = hashlib.sha256(name.encode()).hexdigest()[:32]
            _wait(held, work / "locks" / f"{key}.lock", name, emit)
        yield


def _wait(held: ExitStack, lock: Path, name: str, emit: Emit) -> None:
    announced = False
    while True:
        try:
            held.enter_context(exclusive_lock(lock, command=command_line()))
        except Busy as busy:
            if not announced:
                emit(Log(f"waiting for `{name}`: {busy.message}"))
                announced = True
            time.sleep(_STEP_S)
        else:
            return

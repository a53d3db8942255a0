"""Work on names that nobody else works on, and follow whoever does."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aava_cli.download.sharing.lease import BEAT_S, Lease, Leases, leases_folder
from aava_cli.events import Log, Progress
from aava_cli.pulse import pulse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from aava_cli.download.sharing.lease import Claim
    from aava_cli.events import Emit, Event

_STEP_S = 0.1
_TASKS_TOLD = 8


@dataclass(slots=True)
class _Holding:
    """The leases of one block, kept alive; those who wait for them see what is emitted."""

    emit: Emit
    leases: list[Lease] = field(default_factory=list)
    _news: dict[str, Progress] = field(default_factory=dict)

    def tell(self, event: Event) -> None:
        if isinstance(event, Progress):
            self._news.pop(event.task, None)
            self._news[event.task] = event
        self.emit(event)

    def beat(self) -> None:
        news = tuple(self._news.copy().values())[-_TASKS_TOLD:]
        for lease in tuple(self.leases):
            lease.beat(news)


@contextmanager
def hold(
    work: Path, names: Iterable[str], emit: Emit, sleep: Callable[[float], None] = time.sleep
) -> Iterator[Emit]:
    """Hold all *names* for the block, once whoever holds them has finished or died.

    What goes to the `Emit` that the block gets is also seen by those who wait for the names.
    Waiting is by *sleep*, which may raise.
    """
    leases, holding = Leases(leases_folder(work)), _Holding(emit)
    with ExitStack() as stack:
        stack.enter_context(pulse(holding.beat, BEAT_S))
        # In one order for everybody, so that two never wait for each other.
        for name in sorted(set(names)):
            lease = _wait(leases, name, emit, sleep)
            stack.callback(lease.release)
            holding.leases.append(lease)
        yield holding.tell


def _wait(leases: Leases, name: str, emit: Emit, sleep: Callable[[float], None]) -> Lease:
    followed: Claim | None = None
    while not isinstance(found := leases.take(name), Lease):
        if found.claim is not None:
            if followed is None or followed.process != found.claim.process:
                holder = found.claim.holder
                emit(Log(f"waiting for `{name}`: {holder} is at work on it"))
            followed = _follow(found.claim, followed, emit)
        sleep(_STEP_S)
    if found.inherited is not None:
        emit(Log(f"{found.inherited.holder} died at work on `{name}`; going on from there"))
    return found


def _follow(claim: Claim, before: Claim | None, emit: Emit) -> Claim:
    """Pass on as our own what is new in *claim*: its holder's work is what we wait for."""
    known = before.news if before else ()
    for news in claim.news:
        if news not in known:
            emit(news)
    return claim

"""How often something was done, how long it took, and what went wrong last."""

from __future__ import annotations

import time
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING

from aava_cli.serve.engines import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterator

# From a short answer of a small model to a large model's load.
BOUNDS_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 600.0)
_REMEMBERED = 10


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong, and when, in seconds since 1970."""

    at_s: float
    what: str


@dataclass(slots=True)
class Times:
    """How long something took, each time: counts below each bound, and the sum."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_S) + 1))
    total_s: float = 0.0

    def note(self, took_s: float) -> None:
        """Count one more that took *took_s*."""
        place = sum(took_s > bound for bound in BOUNDS_S)
        self.counts[place] += 1
        self.total_s += took_s

    @property
    def cumulative(self) -> tuple[int, ...]:
        """How many took no longer than each bound; the last is all of them."""
        return tuple(accumulate(self.counts))


@dataclass(slots=True)
class Tally:
    """What one kind of work, such as the requests of a role, came to since the daemon began."""

    times: Times = field(default_factory=Times)
    failed: int = 0
    failures: deque[Failure] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Count the block: how long it took, or that it failed and why."""
        began_s = time.monotonic()
        try:
            yield
        except (EngineError, TimeoutError) as error:
            self.failed += 1
            self.failures.append(Failure(time.time(), str(error)))
            raise
        self.times.note(time.monotonic() - began_s)

"""Quantiles of any number of values in constant memory, true to one percent."""

from __future__ import annotations

import math
from collections import Counter

# Buckets whose bounds grow by two percent: their middles are within one percent of what is in.
_GROWTH = math.log(1.02)


class Quantiles:
    """Counts of values by bucket; zero has a bucket of its own."""

    __slots__ = ("_buckets", "count")

    def __init__(self) -> None:
        self.count = 0
        self._buckets: Counter[int | None] = Counter()

    def add(self, value: float) -> None:
        """Count *value*, which is not negative."""
        self.count += 1
        self._buckets[round(math.log(value) / _GROWTH) if value > 0 else None] += 1

    def at(self, share: float) -> float:
        """Return the value below which *share* of all lie; 0 where there is none."""
        rank = math.ceil(share * self.count)
        for bucket in sorted(self._buckets, key=lambda each: -math.inf if each is None else each):
            rank -= self._buckets[bucket]
            if rank <= 0:
                return 0.0 if bucket is None else round(math.exp(bucket * _GROWTH), 1)
        return 0.0

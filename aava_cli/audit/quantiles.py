"""Quantiles of any number of values in constant memory, true to one percent."""

from __future__ import annotations

import math
from bisect import bisect_left

# Buckets whose bounds grow by two percent: their middles are within one percent of what is in.
_GROWTH = math.log(1.02)


class Quantiles:
    """Counts of values by bucket; zero has a bucket of its own.

    No bucket goes across one of *bounds*, so that a quantile is on the same side of them as the
    value that it stands for.
    """

    __slots__ = ("_bounds", "_buckets", "count")

    def __init__(self, *bounds: float) -> None:
        self.count = 0
        self._bounds = sorted(bounds)
        # For each bucket: how many values, the least of them and the greatest.
        self._buckets: dict[tuple[int, float], tuple[int, float, float]] = {}

    def add(self, value: float) -> None:
        """Count *value*, which is not negative."""
        self.count += 1
        bucket = round(math.log(value) / _GROWTH) if value > 0 else -math.inf
        key = (bisect_left(self._bounds, value), bucket)
        count, least, most = self._buckets.get(key, (0, value, value))
        self._buckets[key] = (count + 1, min(least, value), max(most, value))

    def at(self, share: float) -> float:
        """Return the value below which *share* of all lie; 0 where there is none."""
        rank = math.ceil(share * self.count)
        for key in sorted(self._buckets):
            count, least, most = self._buckets[key]
            rank -= count
            if rank <= 0:
                return round((least + most) / 2, 2)
        return 0.0

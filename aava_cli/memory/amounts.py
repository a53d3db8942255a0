"""Amounts of memory as ranges: an estimate that is one number is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MIB = 1 << 20
GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Amount:
    """At least, most likely and at most so many bytes."""

    low_bytes: int = 0
    likely_bytes: int = 0
    high_bytes: int = 0

    def __add__(self, other: Amount) -> Amount:
        return Amount(
            self.low_bytes + other.low_bytes,
            self.likely_bytes + other.likely_bytes,
            self.high_bytes + other.high_bytes,
        )

    def scaled(self, low: float, likely: float, high: float) -> Amount:
        """Return each bound times its factor."""
        return Amount(
            round(self.low_bytes * low),
            round(self.likely_bytes * likely),
            round(self.high_bytes * high),
        )


NOTHING = Amount()


def exactly(count: int) -> Amount:
    """Return the amount that is known to be *count* bytes."""
    return Amount(count, count, count)


def spread(count: float, low: float, high: float) -> Amount:
    """Return *count* bytes, or anything from *low* to *high* times as many."""
    return Amount(round(count * low), round(count), round(count * high))


def total(amounts: Iterable[Amount]) -> Amount:
    """Return the sum of *amounts*."""
    return reduce(Amount.__add__, amounts, NOTHING)

"""How far past loads correct an estimate: by their middle, more with each, and never far."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

LEAST, MOST = 0.5, 2.0
# So many loads that agree move an estimate by half of what they say.
_DOUBT = 2


def factor_of(pairs: Iterable[tuple[int, int]]) -> float:
    """Return the factor for estimates, from *pairs* of bytes that were expected and seen."""
    ratios = [seen / counted for counted, seen in pairs if counted > 0 and seen > 0]
    if not ratios:
        return 1.0
    said = min(max(median(ratios), LEAST), MOST)
    return 1.0 + (said - 1.0) * len(ratios) / (len(ratios) + _DOUBT)

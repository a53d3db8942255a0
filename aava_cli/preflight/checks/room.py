"""How much room is enough."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aava_cli.output import human_bytes
from aava_cli.preflight.findings import Failed, Passed, Warned

if TYPE_CHECKING:
    from aava_cli.preflight.findings import Finding

GB = 1_000_000_000


def judge_room(free_bytes: int, where: str, bounds: tuple[int, int]) -> Finding:
    """Compare *free_bytes* with the least that works, and with what is good."""
    least, good = bounds
    evidence = f"{human_bytes(free_bytes)} free {where}"
    if free_bytes >= good:
        return Passed(evidence)
    fix = f"make room for {human_bytes(good)}: `aava models list` shows what is there"
    return Warned(evidence, fix) if free_bytes >= least else Failed(evidence, fix)

"""What is free for a set of models once those that it replaces are gone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from aava_cli.memory.amounts import Amount
    from aava_cli.memory.fitted import Verdict
    from aava_cli.memory.host import HostMemory
    from aava_cli.memory.needs import ModelNeed
    from aava_cli.memory.terms import FitTerms

Level: TypeAlias = Literal["likely", "high"]
"""Whether something fits as things usually are, or however they are."""


@dataclass(frozen=True, slots=True)
class Room:
    """Free bytes of the host and of each GPU; a GPU that *shares* has none of its own.

    *freed_bytes* of them are what models give back that run now.
    """

    host_bytes: int
    gpu_bytes: tuple[int, ...]
    shares: tuple[bool, ...]
    freed_bytes: int = 0


def room_for(needs: tuple[ModelNeed, ...], host: HostMemory, terms: FitTerms) -> Room:
    """Return what *needs* can have; a daemon keeps what an engine of another kind took."""
    wanted = {(need.role, need.backend) for need in needs}
    roles = {need.role for need in needs}
    freed = [
        each
        for each in terms.loaded
        if (each.role in roles if terms.native else (each.role, each.backend) in wanted)
    ]
    given = [
        sum(each.gpu_bytes[index] for each in freed if index < len(each.gpu_bytes))
        for index in range(len(host.gpus))
    ]
    on_host = sum(each.host_bytes for each in freed)
    return Room(
        host_bytes=min(host.available_bytes + on_host, host.total_bytes),
        gpu_bytes=tuple(
            min(gpu.free_bytes + more, gpu.total_bytes)
            for gpu, more in zip(host.gpus, given, strict=True)
        ),
        shares=tuple(gpu.is_unified for gpu in host.gpus),
        freed_bytes=on_host + sum(given),
    )


def at(amount: Amount, level: Level) -> int:
    """Return the bound of *amount* that *level* goes by."""
    return amount.high_bytes if level == "high" else amount.likely_bytes


def verdict_of(used: Amount, free_bytes: int) -> Verdict:
    """Return whether *used* fits into *free_bytes*."""
    if used.high_bytes <= free_bytes:
        return "fits"
    return "tight" if used.likely_bytes <= free_bytes else "no"

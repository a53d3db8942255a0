"""What a host has for models: its memory and its GPUs, real or asked for by size."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aava_cli.errors import UsageError
from aava_cli.memory.amounts import GIB, MIB

if TYPE_CHECKING:
    from aava_cli.roles import Role

_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(i?)B?\s*", re.IGNORECASE)
_STEPS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}


@dataclass(frozen=True, slots=True)
class GpuMemory:
    """One GPU; *is_unified* where it computes in the host's memory and has none of its own.

    *holders* are the processes on it, each with its bytes.
    """

    name: str
    total_bytes: int
    free_bytes: int
    is_unified: bool = False
    holders: tuple[tuple[int, int], ...] = ()

    def held_by(self, pid: int) -> int:
        """Return what the process *pid* has there."""
        return sum(used_bytes for holder, used_bytes in self.holders if holder == pid)


@dataclass(frozen=True, slots=True)
class HostMemory:
    """The memory that this host, or its container, lets programs have."""

    total_bytes: int
    available_bytes: int
    gpus: tuple[GpuMemory, ...] = ()


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model that runs now in *backend*; *gpu_bytes* are those on each GPU in turn."""

    role: Role
    backend: str
    host_bytes: int
    gpu_bytes: tuple[int, ...] = ()


def parse_size(text: str) -> int:
    """Return the bytes that *text* stands for: `24GB` is what a card of that name has, 24 GiB.

    Memory is sold in powers of two, whatever the label says.

    Raises:
        UsageError: it is no size.
    """
    found = _SIZE.fullmatch(text)
    if found is None or not float(found[1]):
        raise UsageError(f"`{text}` is no amount of memory", hint="write it as `24GB` or `8192M`")
    return int(float(found[1]) * 1024 ** _STEPS[found[2].upper()])


def parse_gpus(text: str) -> tuple[GpuMemory, ...]:
    """Return the GPUs that *text* describes, all their memory free: `24GB,24GB`, or `none`.

    Raises:
        UsageError: it describes none.
    """
    if text.strip().lower() == "none":
        return ()
    sizes = [parse_size(each) for each in text.split(",")]
    return tuple(
        GpuMemory(f"GPU of {size / GIB:.4g} GiB", size, size - _SYSTEM_SHARE) for size in sizes
    )


# What the driver keeps of an idle card: a 24,564 MiB RTX 4090 offers 24,100 MiB or so.
_SYSTEM_SHARE = 400 * MIB

"""What is known of GPUs and of their driver."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

DriverProblem: TypeAlias = Literal["mismatch", "not-loaded", "no-library", "no-permission", "other"]


@dataclass(frozen=True, slots=True)
class Gpu:
    """One device that a program can use: a GPU, or a slice of one.

    A device that shares the host's memory reports none of its own.
    """

    name: str
    uuid: str
    total_bytes: int | None = None
    free_bytes: int | None = None
    compute: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Gpus:
    """What the NVIDIA driver says; *problem* is why it says nothing, *detail* its own words."""

    devices: tuple[Gpu, ...] = ()
    driver: str | None = None
    problem: DriverProblem | None = None
    detail: str = ""

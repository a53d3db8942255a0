"""What a running daemon says of its GPU, read from its `status` reply."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aava_cli.daemon.status import fallbacks
from aava_cli.gpu.facts import EngineGpu
from aava_cli.roles import ROLES

if TYPE_CHECKING:
    from collections.abc import Mapping


def engine_gpu(status: Mapping[str, Any]) -> EngineGpu:
    """Return what *status* says; a daemon that says nothing of a GPU leaves *usable* open."""
    gpu: Mapping[str, Any] = status.get("gpu") or {}
    usable = gpu.get("runtime_usable")
    return EngineGpu(
        usable=usable if isinstance(usable, bool) else None,
        error=str(gpu.get("error") or ""),
        fallbacks=fallbacks(status, ROLES),
    )

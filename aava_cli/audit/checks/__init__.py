"""The checks: events in, verdicts out; nothing here looks at the world.

A check is a class with `@check` in one of these modules, and its name in a marker pack.
"""

from __future__ import annotations

from aava_cli.audit.checks import (
    appointments,
    barge_in,
    cancelling,
    ending,
    fallback,
    hearing,
    models,
    monitor,
    prompt,
    sound,
    speech,
    zones,
)
from aava_cli.audit.checks.registry import CHECKS, Check, Machine

__all__ = [
    "CHECKS",
    "Check",
    "Machine",
    "appointments",
    "barge_in",
    "cancelling",
    "ending",
    "fallback",
    "hearing",
    "models",
    "monitor",
    "prompt",
    "sound",
    "speech",
    "zones",
]

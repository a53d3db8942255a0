"""What the daemon says of itself beyond what the original says: in one word, and in figures."""

from __future__ import annotations

import os
import time
from itertools import chain
from typing import TYPE_CHECKING, Literal, TypeAlias

from aava_cli.roles import ROLES
from aava_cli.serve.room import resident_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aava_cli.roles import Role
    from aava_cli.serve.message import Reply
    from aava_cli.serve.models import Models
    from aava_cli.serve.slot import Loading
    from aava_cli.serve.tally import Failure

State: TypeAlias = Literal["starting", "ok", "degraded", "stopping"]

_SHOWN_FAILURES = 10
# What is not done yet is never said to be.
_ALMOST = 0.99


def word_for(models: Models, *, stopping: bool = False) -> State:
    """Return how the daemon is: `starting` until what `.env` selects was loaded, or failed to."""
    if stopping:
        return "stopping"
    slots = models.slots.values()
    if not models.started:
        return "starting"
    return "degraded" if any(slot.problem for slot in slots) else "ok"


def state_of(models: Models, *, stopping: bool) -> Reply:
    """Return the fields of a status that tell state, progress, memory and the last errors."""
    return {
        "state": word_for(models, stopping=stopping),
        "load_progress": dict(_progress(models)),
        "memory": memory_of(models),
        "last_errors": list(_last_errors(models)),
    }


def _progress(models: Models) -> Iterator[tuple[Role, Reply]]:
    for role in ROLES:
        loading = models.slots[role].progress
        if loading is not None:
            yield role, _describe(loading)


def _describe(loading: Loading) -> Reply:
    elapsed_s = time.monotonic() - loading.since_s
    usual_s = loading.usual_s
    return {
        "model": loading.model,
        "elapsed_s": round(elapsed_s, 3),
        "expected_s": usual_s,
        "progress": round(min(elapsed_s / usual_s, _ALMOST), 2) if usual_s else None,
    }


def memory_of(models: Models) -> Reply:
    """Return the bytes that the daemon and each role's process have."""
    pids: dict[str, int | None] = {role: models.slots[role].pid for role in ROLES}
    found = {role: resident_bytes(pid) if pid else 0 for role, pid in pids.items()}
    return {"daemon_bytes": resident_bytes(os.getpid())} | {
        f"{role}_bytes": count for role, count in found.items()
    }


def _last_errors(models: Models) -> Iterator[Reply]:
    """Yield what failed last, of all roles, the newest first."""
    failures: list[tuple[Failure, Role]] = [
        (failure, role)
        for role, slot in models.slots.items()
        for failure in chain(slot.requests.failures, slot.loads.failures)
    ]
    newest = sorted(failures, key=lambda each: each[0].at_s, reverse=True)
    for failure, role in newest[:_SHOWN_FAILURES]:
        yield {"at_epoch_s": round(failure.at_s, 3), "role": role, "message": failure.what}

"""The checks: facts in, findings out; nothing here looks at the world.

A check is a function with `@check` in one of these modules, whose name is its group. A fact that
could not be found out skips the checks that need it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from aava_cli.preflight.checks import docker, gpu, gpu_use, host, network, project
from aava_cli.preflight.facts import Docker
from aava_cli.preflight.findings import (
    CHECKS,
    GROUPS,
    CheckFailed,
    facts_read_by,
    group_of,
    judge,
)
from aava_cli.preflight.report import Preflighted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aava_cli.events import Item
    from aava_cli.preflight.facts import Facts

__all__ = [
    "CHECKS",
    "CheckFailed",
    "all_checks",
    "docker",
    "gpu",
    "gpu_use",
    "host",
    "judge_all",
    "needs_of",
    "network",
    "project",
    "run_checks",
]

_ABOUT_THIS_HOST = ("host", "gpu")


def all_checks() -> tuple[str, ...]:
    """Return the names of all checks, in the order in which they are shown."""
    return tuple(sorted(CHECKS, key=lambda name: GROUPS.index(group_of(name))))


def needs_of(name: str) -> frozenset[str]:
    """Return the facts without which the check *name* cannot be judged."""
    # Where the engine is decides which machine these are about.
    place = {"docker"} if group_of(name) in _ABOUT_THIS_HOST else set()
    return facts_read_by(CHECKS[name]) | place


def run_checks(facts: Facts, names: Iterable[str] | None = None) -> Preflighted:
    """Judge *facts* with every check, or with those of *names*, in their order."""
    return Preflighted.of(judge_all(facts, all_checks() if names is None else names))


def judge_all(facts: Facts, names: Iterable[str]) -> tuple[Item, ...]:
    """Return what the checks *names* find."""
    return tuple(_placed(judge(name, facts), facts) for name in names)


def _placed(item: Item, facts: Facts) -> Item:
    """Return *item* with a word on which machine it is about, where the engine is on another."""
    remote = facts.docker.remote if isinstance(facts.docker, Docker) else None
    if remote is None or item.group not in _ABOUT_THIS_HOST:
        return item
    note = f"about this machine; the containers run at {remote}"
    return replace(item, details="\n".join(filter(None, (item.details, note))))

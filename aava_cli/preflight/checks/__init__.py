"""The checks: facts in, findings out; nothing here looks at the world.

A check is a function with `@check` in one of these modules. A fact that could not be found out
skips the checks that need it.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from aava_cli.preflight.checks import engines, gpu, gpu_use, host, project
from aava_cli.preflight.findings import (
    CHECKS,
    Checked,
    CheckFailed,
    NotKnown,
    Preflighted,
    Skipped,
)

if TYPE_CHECKING:
    from aava_cli.preflight.facts import Facts
    from aava_cli.preflight.findings import Check, Finding

__all__ = ["CHECKS", "CheckFailed", "engines", "gpu", "gpu_use", "host", "project", "run_checks"]


def run_checks(facts: Facts) -> Preflighted:
    """Judge *facts* with every check, in the order of this module."""
    checks = tuple(Checked.of(name, _judge(each, facts)) for name, each in CHECKS.items())
    counts = Counter(each.status for each in checks)
    return Preflighted(
        checks,
        {status: counts[status] for status in ("pass", "warn", "fail", "skip")},
        gpu_use.decide_gpu(facts),
    )


def _judge(judge: Check, facts: Facts) -> Finding:
    try:
        return judge(facts)
    except NotKnown as reason:
        return Skipped(f"could not be found out: {reason}")

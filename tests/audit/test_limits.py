"""Each limit counts: moved by one step, a verdict changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aava_cli.audit.gate import Gate
from aava_cli.audit.judging import Judged
from aava_cli.audit.verdicts import Known, Status
from tests.audit.auditor import audit, monitor, moved, pipeline
from tests.audit.cases import BOUNDARIES, CASES
from tests.audit.gate_cases import normal
from tests.audit.monitor_cases import MONITOR_CASES
from tests.audit.wrapping import logged

if TYPE_CHECKING:
    from aava_cli.audit.profile import Profile

_KNOWN = Known(frozenset(), started=True, ended=True, done=True)


def pipeline_verdicts(profile: Profile) -> tuple[object, ...]:
    """Return how every log at a limit comes out, and whether the gate takes its first call."""
    statuses = []
    for case in (*BOUNDARIES, *CASES):
        (verdicts,) = audit(logged(case.printed()), profile=profile).calls.values()
        statuses.append(verdicts[case.check].status)
    for good in (2, 3):
        (verdicts,) = audit(logged(normal(good=good)), profile=profile).calls.values()
        gate = Gate(profile.limits)
        gate.see("call", Judged(verdicts, None, _KNOWN))
        statuses.append(Status.PASS if gate.result()[0].call else Status.FAIL)
    return tuple(statuses)


def monitor_verdicts(profile: Profile) -> tuple[object, ...]:
    """Return how every log of the monitor comes out."""
    return tuple(case.verdict(profile).status for case in MONITOR_CASES)


@pytest.fixture(scope="module")
def as_shipped() -> tuple[tuple[object, ...], tuple[object, ...]]:
    """Return the verdicts with the limits that are shipped."""
    return pipeline_verdicts(pipeline()), monitor_verdicts(monitor())


@pytest.mark.parametrize("step", [-1, 1])
@pytest.mark.parametrize("limit", sorted(pipeline().limits.numbers))
def test_a_limit_of_the_pipeline_counts(
    limit: str, step: int, as_shipped: tuple[tuple[object, ...], tuple[object, ...]]
) -> None:
    """Moved by one step, at least one log comes out otherwise."""
    assert as_shipped[0] != pipeline_verdicts(moved(pipeline(), limit, step))


@pytest.mark.parametrize("step", [-1, 1])
@pytest.mark.parametrize("limit", sorted(monitor().limits.numbers))
def test_a_limit_of_the_monitor_counts(
    limit: str, step: int, as_shipped: tuple[tuple[object, ...], tuple[object, ...]]
) -> None:
    """Moved by one step, at least one log comes out otherwise."""
    assert as_shipped[1] != monitor_verdicts(moved(monitor(), limit, step))

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
    from collections.abc import Iterator, Sequence

    from aava_cli.audit.profile import Profile

_KNOWN = Known(frozenset(), started=True, ended=True, done=True)


def pipeline_verdicts(profile: Profile) -> Iterator[Status]:
    """Yield how every log at a limit comes out, and whether the gate takes its first call."""
    for case in (*BOUNDARIES, *CASES):
        (verdicts,) = audit(logged(case.printed()), profile=profile).calls.values()
        yield verdicts[case.check].status
    for good in (2, 3):
        (verdicts,) = audit(logged(normal(good=good)), profile=profile).calls.values()
        gate = Gate(profile.limits)
        gate.see("call", Judged(verdicts, None, _KNOWN))
        yield Status.PASS if gate.result()[0].call else Status.FAIL


def monitor_verdicts(profile: Profile) -> Iterator[Status]:
    """Yield how every log of the monitor comes out."""
    return (case.verdict(profile).status for case in MONITOR_CASES)


def differ(shipped: Sequence[Status], moved_by_a_step: Iterator[Status]) -> bool:
    """Return whether a verdict does; no log is judged after the first that comes out otherwise."""
    return any(old != new for old, new in zip(shipped, moved_by_a_step, strict=True))


@pytest.fixture(scope="module")
def as_shipped() -> tuple[tuple[Status, ...], tuple[Status, ...]]:
    """Return the verdicts with the limits that are shipped."""
    return tuple(pipeline_verdicts(pipeline())), tuple(monitor_verdicts(monitor()))


@pytest.mark.parametrize("step", [-1, 1])
@pytest.mark.parametrize("limit", sorted(pipeline().limits.numbers))
def test_a_limit_of_the_pipeline_counts(
    limit: str, step: int, as_shipped: tuple[tuple[Status, ...], tuple[Status, ...]]
) -> None:
    """Moved by one step, at least one log comes out otherwise."""
    assert differ(as_shipped[0], pipeline_verdicts(moved(pipeline(), limit, step)))


@pytest.mark.parametrize("step", [-1, 1])
@pytest.mark.parametrize("limit", sorted(monitor().limits.numbers))
def test_a_limit_of_the_monitor_counts(
    limit: str, step: int, as_shipped: tuple[tuple[Status, ...], tuple[Status, ...]]
) -> None:
    """Moved by one step, at least one log comes out otherwise."""
    assert differ(as_shipped[1], monitor_verdicts(moved(monitor(), limit, step)))

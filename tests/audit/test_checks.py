"""Each check passes, fails and leaves open what it should, and says by which figures."""

from __future__ import annotations

import pytest

from aava_cli.audit.checks import CHECKS
from aava_cli.audit.verdicts import Status
from tests.audit.auditor import audit, pipeline
from tests.audit.cases import BOUNDARIES, CASES, Case
from tests.audit.logs import Names
from tests.audit.wrapping import logged


def verdict_of(case: Case) -> Status:
    """Return how the case's check comes out in the case's log alone."""
    scenarios = {Names(1).call[:6]: case.scenario} if case.scenario else {}
    if "P" not in case.channels:
        scenarios = {Names(1).session: case.scenario} if case.scenario else {}
    found = audit(logged(case.printed()), scenarios=scenarios)
    (verdicts,) = found.calls.values()
    return verdicts[case.check].status


@pytest.mark.parametrize("case", CASES + BOUNDARIES, ids=str)
def test_check_decides(case: Case) -> None:
    """The verdict is the one that the log was made for."""
    assert case.status == verdict_of(case)


@pytest.mark.parametrize("check", pipeline().checks)
def test_every_check_has_logs_that_pass_fail_and_leave_it_open(check: str) -> None:
    """A check of which only one side is tried may always say that."""
    statuses = {case.status for case in CASES if case.check == check}
    needed = {Status.MANUAL} if check in {"D3", "E2"} else {"PASS", "FAIL", "UNDECIDABLE"}
    assert needed <= statuses


def test_the_release_guide_has_24_checks() -> None:
    """None is forgotten, and each is registered."""
    assert 24 == len(set(pipeline().checks))
    assert set(pipeline().checks) <= set(CHECKS)


@pytest.mark.parametrize("check", pipeline().checks)
def test_check_watches_only_markers_that_exist(check: str) -> None:
    """A method for a marker that no pack has would never be called."""
    assert CHECKS[check].watches <= {marker.kind for marker in pipeline().markers}

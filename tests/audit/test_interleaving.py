"""What a call comes out as depends on nothing but its own lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aava_cli.audit.verdicts import Status
from tests.audit.auditor import audit
from tests.audit.cases import CASES, Case
from tests.audit.wrapping import COLLECTORS, PROCESSES, logged, plain

if TYPE_CHECKING:
    from collections.abc import Iterable

_FEW = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
_SURE = frozenset({Status.PASS, Status.FAIL})
_WHOLE = [case for case in CASES if any(b"WS_DONE" in line for line in case.printed())]


@st.composite
def _merged(
    draw: st.DrawFn, logs: tuple[tuple[str, tuple[bytes, ...]], ...]
) -> list[tuple[str, bytes]]:
    """Draw an order of all lines in which each log's own lines keep theirs."""
    turns = [index for index, (_, lines) in enumerate(logs) for _ in lines]
    queues = [iter(lines) for _, lines in logs]
    order = draw(st.permutations(turns))
    return [(logs[index][0], next(queues[index])) for index in order]


def alone(case: Case, number: int) -> dict[str, Status]:
    """Return every verdict on the case's call in a log of its own."""
    (found,) = audit(logged(case.printed(number))).statuses().values()
    return found


def numbered(cases: Iterable[Case]) -> tuple[tuple[str, tuple[bytes, ...]], ...]:
    """Return the logs of *cases*, each of a process of its own."""
    return tuple((f"web-{index}", case.printed(index)) for index, case in enumerate(cases, start=1))


@_FEW
@given(data=st.data(), cases=st.lists(st.sampled_from(CASES), min_size=2, max_size=4))
@pytest.mark.parametrize("collector", sorted(PROCESSES))
def test_processes_do_not_mix(collector: str, data: st.DataObject, cases: list[Case]) -> None:
    """Line by line among the lines of other processes, every verdict stays."""
    logs = numbered(cases)
    log = PROCESSES[collector](data.draw(_merged(logs)))
    found = audit(log, chunk_bytes=data.draw(st.sampled_from((7, 1000, 1 << 20)))).statuses()
    expected = [alone(case, index) for index, case in enumerate(cases, start=1)]
    assert sorted(map(_key, expected)) == sorted(map(_key, found.values()))


@_FEW
@given(cases=st.lists(st.sampled_from(_WHOLE), min_size=2, max_size=4))
def test_calls_one_after_the_other_do_not_mix(cases: list[Case]) -> None:
    """In one process, a call that is over has no part in the next."""
    logs = numbered(cases)
    found = audit(plain(line for name, lines in logs for line in ((name, each) for each in lines)))
    expected = [alone(case, index) for index, case in enumerate(cases, start=1)]
    assert expected == list(found.statuses().values())


@_FEW
@given(data=st.data(), cases=st.lists(st.sampled_from(_WHOLE), min_size=2, max_size=3))
def test_calls_at_once_are_open_rather_than_wrong(data: st.DataObject, cases: list[Case]) -> None:
    """In one process, lines without a name are nobody's: no verdict turns into its opposite."""
    logs = numbered(cases)
    found = audit(plain(data.draw(_merged(logs)))).statuses()
    for index, case in enumerate(cases, start=1):
        expected = alone(case, index)
        name = next(iter(audit(logged(case.printed(index))).calls))
        for check, status in found.get(name, {}).items():
            if status in _SURE and expected[check] in _SURE:
                assert expected[check] == status, (check, str(case))


@pytest.mark.parametrize("collector", sorted(COLLECTORS))
def test_collector_changes_no_verdict(collector: str) -> None:
    """Whatever brought the lines here."""
    for case in CASES:
        log = COLLECTORS[collector](("web-1", line) for line in case.printed())
        (found,) = audit(log).statuses().values()
        assert alone(case, 1) == found, str(case)


@_FEW
@given(case=st.sampled_from(CASES), chunk_bytes=st.integers(min_value=1, max_value=5000))
def test_chunks_change_no_verdict(case: Case, chunk_bytes: int) -> None:
    """However the bytes arrive."""
    log = logged(case.printed())
    whole, chunked = audit(log), audit(log, chunk_bytes=chunk_bytes)
    assert whole.statuses() == chunked.statuses()


def _key(verdicts: dict[str, Status]) -> list[tuple[str, str]]:
    return sorted((check, str(status)) for check, status in verdicts.items())

"""A log that is followed comes out as one that is read at once, however long its pauses are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from aava_cli.audit.auditing import Auditor
from aava_cli.audit.blocks import LineCutter
from aava_cli.audit.collectors import Collector
from tests.audit.auditor import audit, pipeline
from tests.audit.cases import CASES, Case
from tests.audit.logs import Line, Lines, Names, confirmed, created, done, ending, opening, printed
from tests.audit.wrapping import logged

if TYPE_CHECKING:
    from aava_cli.audit.calls import Call
    from aava_cli.audit.judging import Judged

ONE = Names(1)
STUCK: Line = ("L", "⚠️ [F2 VIOLATION] thread 1 alive")


def followed(check: str, *parts: Lines) -> list[str]:
    """Return as what *check* is told, with long pauses between the *parts* of a log."""
    told: list[str] = []
    now = [0.0]

    def take(call: Call, judged: Judged) -> None:
        status = judged.verdicts[check].status
        if call.told is not status:
            told.append(str(status))
        call.told = status

    auditor = Auditor(pipeline(), 0, {}, take, take, clock=lambda: now[0])
    collector, cutter = Collector(), LineCutter()
    for part in parts:
        log = logged(printed(part))
        for block in (*cutter.feed(log), *cutter.flush(everything=False)):
            auditor.feed("log", "log", collector, collector.unwrap(block))
        for _ in range(1000):
            now[0] += 0.5
            auditor.pause()
    auditor.finish()
    return told


def at_once(check: str, *parts: Lines) -> str:
    """Return as what *check* comes out, with all of the log at once."""
    found = audit(logged(*map(printed, parts)))
    return str(found.calls[ONE.call][check].status)


def test_failure_behind_a_pause_counts() -> None:
    """The call was told before, and is told again."""
    parts = ((*opening(ONE), *ending(ONE)), (STUCK,))
    assert ["PASS", "FAIL"] == followed("F2", *parts)
    assert "FAIL" == at_once("F2", *parts)


def test_pause_before_the_last_line_changes_nothing() -> None:
    """A call whose last line has not come yet is no other call then."""
    whole = (*opening(ONE), *ending(ONE))
    parts = (whole[:-1], (STUCK, whole[-1]))
    assert ["PASS", "FAIL"] == followed("F2", *parts)
    assert "FAIL" == at_once("F2", *parts)


def test_call_that_is_silent_for_long_is_told() -> None:
    """Its end may be lost, or still come."""
    assert ["UNDECIDABLE"] == followed("F2", opening(ONE))
    assert ["UNDECIDABLE", "PASS"] == followed("F2", opening(ONE), ending(ONE))


def test_to_be_told_changes_no_verdict() -> None:
    """What excuses a cancellation may come behind the first time that the call is told."""
    whole = (*opening(ONE), created(ONE, 1), done("cancelled", "turn_detected"), *ending(ONE))
    parts = (whole, (confirmed(),))
    assert ["FAIL", "PASS"] == followed("B3", *parts)
    assert "PASS" == at_once("B3", *parts)


@settings(max_examples=40, deadline=None)
@given(
    cases=st.lists(st.sampled_from(CASES), min_size=1, max_size=5),
    pauses=st.sets(st.integers(min_value=1, max_value=120), max_size=12),
    overlaps=st.booleans(),
)
def test_pauses_change_no_verdict(cases: list[Case], pauses: set[int], *, overlaps: bool) -> None:
    """Wherever they are, in calls one after the other and in calls at once."""
    calls = [case.printed(number) for number, case in enumerate(cases, start=1)]
    lines = [line for call in calls for line in call]
    if overlaps:
        lines = [
            line
            for index in range(max(map(len, calls)))
            for call in calls
            for line in call[index : index + 1]
        ]
    judged: list[dict[str, str]] = []

    def take(_call: Call, verdicts: Judged) -> None:
        judged.append({check: each.status for check, each in verdicts.verdicts.items()})

    now = [0.0]
    auditor = Auditor(pipeline(), 0, {}, take, clock=lambda: now[0])
    collector, cutter = Collector(), LineCutter()
    for index, line in enumerate(lines):
        blocks = [*cutter.feed(line + b"\n")]
        if index in pauses:
            blocks += cutter.flush(everything=False)
            now[0] += 1000.0
            auditor.pause()
        for block in blocks:
            auditor.feed("log", "log", collector, collector.unwrap(block))
        auditor.pause()
    for block in cutter.flush():
        auditor.feed("log", "log", collector, collector.unwrap(block))
    auditor.finish()
    assert [*audit(logged(lines)).statuses().values()] == judged

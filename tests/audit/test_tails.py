"""What is printed while a call is taken down, beside the next call or without its last line."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aava_cli.audit.verdicts import Status
from tests.audit.auditor import audit
from tests.audit.cases import CASES, Case
from tests.audit.gate_cases import normal
from tests.audit.logs import (
    Line,
    Lines,
    Names,
    call_metrics,
    ending,
    only,
    opening,
    printed,
    turn,
    window,
)
from tests.audit.wrapping import logged

ONE, TWO = Names(1), Names(2)
STUCK: Line = ("L", "⚠️ [F2 VIOLATION] thread 1 alive")
LOST: Line = ("L", call_metrics().replace("frames_dropped=0", "frames_dropped_queue=3"))
_FEW = settings(max_examples=40, deadline=None)
# Of a call whose last lines stand behind its last but one, no other can be told from it.
_LAST = [case for case in CASES if b"WS_DONE" in case.printed()[-1]]


def statuses(*lines: bytes) -> list[dict[str, Status]]:
    """Return the verdicts on the calls of one process, in their order."""
    return list(audit(logged(lines)).statuses().values())


def long(case: Case, number: int) -> Lines:
    """Return the case's call with a whole turn of the AI in it."""
    names = Names(number)
    begin = len(only(case.channels, opening(names)))
    lines = case.lines(names)
    seconds = only(case.channels, turn(names, 7, (window(), window())))
    return (*lines[:begin], *seconds, *lines[begin:])


@_FEW
@given(
    cases=st.lists(st.sampled_from(_LAST), min_size=2, max_size=5),
    lost=st.sets(st.integers(min_value=0, max_value=4)),
)
def test_last_line_that_is_lost_spoils_no_other_call(cases: list[Case], lost: set[int]) -> None:
    """Each comes out as it does alone."""
    calls = [
        printed(long(case, index)[: -1 if index in lost else None])
        for index, case in enumerate(cases)
    ]
    found = statuses(*(line for call in calls for line in call))
    key = sorted(sorted(statuses(*call)[0].items()) for call in calls)
    assert key == sorted(sorted(each.items()) for each in found)


@_FEW
@given(
    first=st.sampled_from(_LAST),
    second=st.sampled_from(_LAST),
    lines=st.integers(min_value=1, max_value=8),
    data=st.data(),
)
def test_call_that_begins_while_another_is_taken_down_is_told_apart(
    first: Case, second: Case, lines: int, data: st.DataObject
) -> None:
    """However the first lines of one stand among the last lines of the other."""
    one, two = printed(long(first, 1)), printed(long(second, 2))
    split = len(one) - lines
    end, begin = one[split:], two[: data.draw(st.integers(min_value=1, max_value=3))]
    turns = data.draw(st.permutations([0] * (len(end) - 1) + [1] * len(begin)))
    queues = (iter(end[1:]), iter(begin))
    mixed = (end[0], *(next(queues[each]) for each in turns))
    found = statuses(*one[:split], *mixed, *two[len(begin) :])
    for status, alone in zip(found, (statuses(*one)[0], statuses(*two)[0]), strict=True):
        wrong = {
            check: (alone[check], each)
            for check, each in status.items()
            if {each, alone[check]} == {Status.PASS, Status.FAIL}
        }
        assert {} == wrong


@pytest.mark.parametrize("late", range(1, len(ending(ONE)) - 1))
def test_tail_behind_the_next_beginning_is_the_earlier_calls(late: int) -> None:
    """From any line of it on: both calls are whole."""
    first, second = normal(1), normal(2)
    tail, begin = len(ending(ONE)) - late, len(opening(TWO))
    found = statuses(*first[:-tail], *second[:begin], *first[-tail:], *second[begin:])
    assert [statuses(*first)[0], statuses(*second)[0]] == found


def test_late_line_of_the_logger_is_the_earlier_calls() -> None:
    """It comes over another pipe, also behind the last line."""
    first, second = normal(1), normal(2)
    metrics = next(line for line in first if b"greeting_ms" in line)
    rest, begin = [line for line in first if line is not metrics], len(opening(TWO))
    found = statuses(*rest, *second[:begin], metrics, *second[begin:])
    assert [statuses(*first)[0], statuses(*second)[0]] == found


def test_line_of_the_logger_in_front_of_a_hasty_end_is_either_calls() -> None:
    """The next call ends before much is heard of it: the line may be the first of its end."""
    begin, end = printed(opening(TWO)), printed(ending(TWO))
    lines = (
        *normal(1),
        *begin,
        *printed((LOST,)),
        *(each for each in end if b"greeting" not in each),
    )
    assert ["UNDECIDABLE"] * 2 == [each["A1"] for each in statuses(*lines)]


def test_summary_of_a_call_is_its_own_where_only_the_logger_prints() -> None:
    """It comes in front of all that tells the end; the call before has had its own."""
    calls = [printed(only("OL", long(CASES[0], number))) for number in (1, 2)]
    assert [statuses(*each)[0] for each in calls] == statuses(*calls[0], *calls[1])


@pytest.mark.parametrize("kept", range(1, len(ending(ONE))))
def test_failure_behind_a_call_that_was_cut_off_is_the_next_ones(kept: int) -> None:
    """Its daemon crashed anywhere in its teardown; the next call has a thread that did not end."""
    first = normal(1)[: kept - len(ending(ONE))]
    second = (*normal(2)[:-1], *printed((STUCK,)), normal(2)[-1])
    found = audit(logged((*first, *second)))
    assert "FAIL" == found.calls[TWO.call]["F2"].status
    assert "FAIL" != found.calls[ONE.call]["F2"].status
    assert {} == found.alarms


def test_teardown_that_outlasts_the_next_call_leaves_both_open() -> None:
    """A thread of the first was waited for all the while: what failed is one of the two's."""
    first, second = normal(1), normal(2)
    tail = len(ending(ONE)) - 1
    lines = (*first[:-tail], *second, *printed((STUCK, LOST)), *first[-tail:])
    found = audit(logged(lines))
    for check in ("F2", "A1"):
        assert ["UNDECIDABLE"] * 2 == [each[check].status for each in found.calls.values()]
    assert {"F2": 1} == found.alarms


def test_thread_that_is_waited_for_while_the_next_call_goes_on_fails_its_own_call() -> None:
    """The next one has hardly begun; no thread of it can be waited for."""
    first, second = normal(1), normal(2)
    begin = len(opening(TWO))
    lines = (*first[:-2], *second[:begin], *printed((STUCK,)), *first[-2:], *second[begin:])
    assert ["FAIL", "PASS"] == [each["F2"] for each in statuses(*lines)]


@pytest.mark.parametrize("lost", [1, 2])
@pytest.mark.parametrize("late", [(), (STUCK,)])
def test_call_whose_beginning_is_lost_is_not_the_earlier_ones(lost: int, late: Lines) -> None:
    """A response that begins behind the last line of a call is another's."""
    second = printed(turn(TWO, 1, (window(), window(20)))) + printed(ending(TWO))
    lines = (*normal(1), *printed(late), *printed(opening(TWO)[-1:] * (lost == 1)), *second)
    found = audit(logged(lines))
    assert [ONE.call, TWO.call] == list(found.calls)
    assert ["PASS", "FAIL"] == [each["A1"].status for each in found.calls.values()]


def test_line_in_front_of_a_call_whose_beginning_is_lost_is_either_calls() -> None:
    """It may have come late, or be the first that is left of the next one."""
    dropped: Line = ("L", "[STT_FILTER] dropped filler/short utterance text='כן'")
    found = statuses(*normal(1), *printed((dropped,)), *normal(2)[len(opening(TWO)) :])
    assert ["UNDECIDABLE"] * 2 == [each["C2"] for each in found]
    assert ["PASS"] * 2 == [each["A1"] for each in found]


def test_call_that_is_heard_of_at_its_end_alone_may_have_had_every_line() -> None:
    """The log begins in it, while another goes on: whose each line was, nobody knows."""
    slow = normal(2)[: -len(ending(TWO))]
    found = audit(logged((*slow, *printed(ending(ONE)), *normal(2)[-10:])))
    assert {ONE.call, TWO.call} == set(found.calls)
    for verdicts in found.calls.values():
        assert {"UNDECIDABLE", "MANUAL"} == {each.status for each in verdicts.values()}


def test_call_that_says_the_same_again_and_again_has_hardly_begun() -> None:
    """How long it goes on is told by kinds of lines, also by those that no check watches."""
    heard: Lines = (("P", "👤 [REALTIME] User said: שלום"), ("P", "🤖 [REALTIME] AI said: שלום"))
    lines = (*opening(TWO), *heard * 4, *ending(TWO)[:1], STUCK, *ending(TWO)[1:])
    found = audit(logged((*normal(1)[:-1], *printed(lines))))
    assert ["UNDECIDABLE"] * 2 == [each["F2"].status for each in found.calls.values()]
    assert {"f2_violation": 1} == found.alarms

"""Lines find their call: by its names, by a response, or because there is no other."""

from __future__ import annotations

import pytest

from aava_cli.audit.calls import Call
from aava_cli.audit.responses import Responses
from aava_cli.audit.verdicts import Status
from tests.audit.auditor import audit
from tests.audit.gate_cases import normal
from tests.audit.logs import (
    Line,
    Lines,
    Names,
    ai_said,
    call_metrics,
    cancelled,
    candidate,
    created,
    done,
    ending,
    only,
    opening,
    printed,
    turn,
    window,
)
from tests.audit.wrapping import logged

ONE, TWO = Names(1), Names(2)


def log(*lines: Line) -> bytes:
    """Return a log of *lines*, of one process."""
    return logged(printed(lines))


def test_call_has_all_its_names() -> None:
    """Session, stream and call are one, in whichever order they come."""
    begin = opening(ONE)
    for lines in (begin, (begin[1], begin[0], begin[2])):
        assert [ONE.call] == list(audit(log(*lines, *ending(ONE))).calls)


def test_session_alone_names_a_call() -> None:
    """Without debug prints there is no other name until the end."""
    lines = only("O", (*opening(ONE), created(ONE, 1), done(), *ending(ONE)))
    assert [ONE.call] == list(audit(log(*lines)).calls)
    assert [ONE.session] == list(audit(log(*lines[:-1])).calls)


def test_log_that_begins_in_the_middle_has_a_call() -> None:
    """Its end names it; without an end it has no name."""
    middle = turn(ONE, 1, (window(), window(), window()))
    cut = audit(log(*middle, *ending(ONE)))
    assert [ONE.call] == list(cut.calls)
    assert "PASS" == cut.calls[ONE.call]["A1"].status
    assert ["unnamed"] == list(audit(log(*middle)).calls)


def test_cut_call_may_go_on_in_the_next_one() -> None:
    """The log begins in its middle: what comes behind the next beginning may be its own."""
    begin = turn(ONE, 1, (window(), window(), window()))
    bad = (window(20), window(20), cancelled(ONE, 1))
    found = audit(
        log(*begin, *opening(TWO), *bad, *turn(TWO, 1, (window(), window())), *ending(ONE))
        + log(*ending(TWO))
    )
    for check in ("A1", "B1"):
        assert "UNDECIDABLE" == found.calls[TWO.call][check].status


def test_late_line_of_a_call_is_not_the_next_ones() -> None:
    """It came over another pipe, behind the beginning of the next call: it fails neither."""
    late: Line = ("L", "⚠️ [F2 VIOLATION] thread 1 alive")
    found = audit(log(*opening(ONE), *ending(ONE), *opening(TWO), late, *ending(TWO)))
    assert ["UNDECIDABLE"] * 2 == [each["F2"].status for each in found.calls.values()]
    assert {"f2_violation": 1} == found.alarms


def test_late_failure_is_in_doubt_while_the_next_call_goes_on() -> None:
    """A call in full course has no end yet: what fails at an end may be of the one before."""
    late: Line = ("L", "⚠️ [F2 VIOLATION] thread 1 alive")
    middle = (*turn(TWO, 1, (window(), window())), candidate(), ai_said("x"), late)
    found = audit(log(*opening(ONE), *ending(ONE), *opening(TWO), *middle, *ending(TWO)))
    assert ["UNDECIDABLE"] * 2 == [each["F2"].status for each in found.calls.values()]
    assert {"f2_violation": 1} == found.alarms


def test_what_only_warns_rests_on_silence_too() -> None:
    """A second that may be of this call may have been a bad one."""
    begin = (*opening(ONE), *turn(ONE, 1, (window(), window(), window())))
    beside = (*opening(TWO), window(20), ending(TWO)[0], ending(TWO)[-1])
    end = (ending(ONE)[0], ("L", call_metrics(dropped=9)), *ending(ONE)[2:])
    found = audit(log(*begin, *beside, *end))
    assert "UNDECIDABLE" == found.calls[ONE.call]["A1"].status


def test_response_is_told_by_all_that_is_printed_of_it() -> None:
    """Two responses share their first fifteen characters, and belong to two calls."""
    one, two = ("resp_AAAAAAAAAA11111", "resp_AAAAAAAAAA22222")
    shown = "🎯 [RESPONSE.CREATED] id={}... status=in_progress"
    lines = (
        *opening(ONE),
        ("O", shown.format(one)),
        *opening(TWO),
        ("O", shown.format(two)),
        ("L", f"[BARGE-IN] Cancelled AI response: {two}..."),
        ("P", f"🎤 [HALF-DUPLEX] Blocking audio to OpenAI (response_id={one[:15]}, vad_frames=9)"),
        *ending(TWO),
        *ending(ONE),
    )
    found = audit(log(*lines))
    for call in (ONE.call, TWO.call):
        assert "UNDECIDABLE" == found.calls[call]["B1"].status
        assert "UNDECIDABLE" == found.calls[call]["A2"].status


def test_responses_of_a_call_are_bounded() -> None:
    """Of very many the last few thousand are known, by name and by short name."""
    call, responses = Call("log", 1, started=True), Responses()
    for number in range(10_000):
        responses.remember(b"resp_%015d" % number, call)
    assert len(call.responses) < 5000
    assert call is responses.get(b"resp_%015d" % 9999)
    assert responses.get(b"resp_%015d" % 1) is None
    responses.forget(call)
    assert responses.get(b"resp_%015d" % 9999) is None


def test_same_stream_again_is_another_call() -> None:
    """The caller was connected anew."""
    found = audit(logged(normal(1) + normal(1)))
    assert [ONE.call, f"{ONE.call}'"] == list(found.calls)


def connected_anew() -> bytes:
    """Return how the first call goes on: a new session and a new stream of the same call."""
    begin = logged(normal(9))
    return begin.replace(Names(9).call.encode(), ONE.call.encode())


@pytest.mark.parametrize("lost_lines", [0, 1, len(ending(ONE)) - 1, len(ending(ONE))])
def test_caller_who_is_connected_anew_is_judged(lost_lines: int) -> None:
    """Each connection of the same call by itself, whether the first one's end was printed."""
    first = normal(1)[: -lost_lines or None]
    lines = [logged(each) for each in (first, normal(2))]
    found = audit(lines[0] + connected_anew() + lines[1])
    assert [ONE.call, f"{ONE.call}'", TWO.call] == list(found.calls)
    assert ["PASS"] * 3 == [each["A1"].status for each in found.calls.values()]
    assert ["PASS"] * 2 == [each["F2"].status for each in list(found.calls.values())[1:]]


@pytest.mark.parametrize("last", [9, 2])
def test_failure_behind_a_new_connection_is_found(last: int) -> None:
    """In the new one itself, and in the next call."""
    first, second = (logged(normal(each)) for each in (1, 2))
    slow = {9: connected_anew(), 2: second}[last].replace(b"fps=50", b"fps=20")
    found = audit(first + (slow if last == 9 else connected_anew() + slow))
    assert "FAIL" == found.calls[f"{ONE.call}'" if last == 9 else TWO.call]["A1"].status
    assert "PASS" == found.calls[ONE.call]["A1"].status


def test_new_connection_has_its_end_where_only_sessions_begin() -> None:
    """The same name ends both of them, each once."""
    again = [(channel, line.replace(Names(9).call, ONE.call)) for channel, line in turns(Names(9))]
    found = audit(log(*turns(ONE), *again, *turns(TWO)))
    assert [ONE.call, f"{ONE.call}'", TWO.call] == list(found.calls)
    assert ["PASS"] * 3 == [each["B3"].status for each in found.calls.values()]
    assert ["PASS"] * 3 == [each["F3"].status for each in found.calls.values()]


def turns(names: Names) -> Lines:
    """Return a call without debug prints."""
    return only("OL", (*opening(names), *turn(names, 1, ()), *ending(names)))


def test_new_connection_beside_another_call_is_one_call() -> None:
    """Whichever of its names comes first, and whether the first connection has ended."""
    for first in (normal(1), normal(1)[: -len(ending(ONE))]):
        begin, *rest = (line + b"\n" for line in connected_anew().splitlines())
        for lines in ((begin, *rest), (rest[0], begin, *rest[1:])):
            before = logged((*first, *printed(opening(TWO))))
            behind = logged(printed(ending(TWO)))
            found = audit(before + b"".join(lines) + behind)
            assert [ONE.call, f"{ONE.call}'", TWO.call] == list(found.calls)


def test_end_of_an_earlier_connection_ends_no_later_one() -> None:
    """It is taken down while the new one goes on, and both have the call's name."""
    first, later = normal(1), connected_anew().splitlines(keepends=True)
    end = len(ending(ONE))
    begun = logged(first[:-end]) + b"".join(later[:8])
    torn_down = logged(first[-end:])
    found = audit(begun + torn_down + b"".join(later[8:]).replace(b"fps=50", b"fps=20"))
    assert [ONE.call, f"{ONE.call}'"] == list(found.calls)
    assert "PASS" == found.calls[f"{ONE.call}'"]["F1"].status


def test_response_names_its_call() -> None:
    """Two calls at once: the response was made while there was only one."""
    lines = (
        *opening(ONE),
        created(ONE, 1),
        *opening(TWO),
        ("L", f"[BARGE-IN] Cancelled AI response: {ONE.response(1)[:20]}..."),
        *ending(TWO),
        *ending(ONE),
    )
    found = audit(log(*lines))
    counts = [each["A3"].figures.get("cancelled", 0) for each in found.calls.values()]
    assert {ONE.call: 1, TWO.call: 0} == dict(zip(found.calls, counts, strict=True))


def test_short_name_is_enough_where_it_is_the_only_one() -> None:
    """Sixteen characters of a call's name, or eight."""
    lines = (
        *opening(ONE),
        *opening(TWO),
        ("P", "[USER GOODBYE] User said goodbye: 'x'"),
        ("L", f"[BUILD 163] Auto hang-up: call={ONE.call[:10]}, reason=goodbye"),
    )
    found = audit(log(*lines))
    assert 2 == found.unattributed
    assert {ONE.call, TWO.call} == set(found.calls)


def test_line_of_two_calls_is_nobodys() -> None:
    """Neither passes nor fails by it, and it is counted."""
    lines = (
        *opening(ONE),
        *opening(TWO),
        ai_said("שלום"),
        *ending(ONE),
        *ending(TWO),
    )
    found = audit(log(*lines))
    assert ["UNDECIDABLE"] * 2 == [each["G"].status for each in found.calls.values()]
    assert found.unattributed


def test_two_prints_on_one_line_are_both_read() -> None:
    """A print without a line end is followed by the next one."""
    text = "intent...[USER GOODBYE] User said goodbye: 'x' [HANGUP BLOCKED] AI said closing phrase"
    found = audit(log(*opening(ONE), ("P", text), *ending(ONE)))
    assert "FAIL" == found.calls[ONE.call]["End"].status


def test_marker_in_a_document_is_none() -> None:
    """A tag counts only with its values."""
    quoted: Lines = (
        ("O", "[TX_METRICS] fps=N, max_gap_ms=N should be steady  # FAIL"),
        ("O", 'logger.info(f"[BOOK_APPT] Request from {who}")'),
    )
    assert {} == audit(log(*quoted)).calls


def test_fields_are_read_in_any_order() -> None:
    """Older builds print them otherwise."""
    old: Line = ("P", "[TX_METRICS] last_1s: frames=50, fps=30, max_gap_ms=21.0, q=0")
    found = audit(log(*opening(ONE), window(), old, *ending(ONE)))
    assert 30 == found.calls[ONE.call]["A1"].figures["fps_least"]


def test_frames_lost_in_a_queue_fail() -> None:
    """A later build says which frames were dropped where."""
    lost = call_metrics().replace("frames_dropped=0", "frames_dropped_queue=3")
    lines = (*opening(ONE), window(), window(), ("L", lost), *ending(ONE))
    assert "FAIL" == audit(log(*lines)).calls[ONE.call]["A1"].status


def test_mojibake_changes_nothing() -> None:
    """Emoji that were read in another code page; tags are ASCII."""
    text = logged(normal()).decode()
    broken = text.encode().decode("cp1254", "replace").encode()
    assert audit(text.encode()).statuses() == audit(broken).statuses()


def test_many_calls_at_once_are_bounded() -> None:
    """The oldest is ended when there are too many."""
    lines = [line for number in range(1, 101) for line in opening(Names(number))]
    assert 100 == len(audit(log(*lines)).calls)


def test_line_behind_the_end_counts_however_late_it_is_read() -> None:
    """Neither the amount of log between them nor how it came is a reason to lose a failure."""
    noise = b"INFO: nothing\n" * 100_000
    late = log(("L", "⚠️ [F2 VIOLATION] thread 1 alive"))
    first = logged(normal())
    for found in (audit(first + late), audit(first + noise * 9 + late)):
        assert "FAIL" == found.calls[ONE.call]["F2"].status


def test_calls_that_begin_together_are_open() -> None:
    """Which session is which stream cannot be told; what went wrong is in one of them."""
    one, two = opening(ONE), opening(TWO)
    lines = (one[0], two[0], two[1], one[1], ai_said("x?"), *ending(TWO), *ending(ONE))
    found = audit(log(*lines, *turn(TWO, 1, (window(), window(20)))))
    assert 2 == len(found.calls)
    assert {"UNDECIDABLE", "MANUAL"} == {
        verdict.status for verdicts in found.calls.values() for verdict in verdicts.values()
    }


def test_call_whose_end_is_lost_is_given_up() -> None:
    """A restart cut it off: it does not keep every later call's lines from being theirs."""
    calls = [line for number in range(2, 60) for line in normal(number)]
    found = audit(logged((*printed(opening(ONE)), *calls)))
    statuses = [found.calls[Names(number).call]["A1"].status for number in range(2, 60)]
    assert ["UNDECIDABLE"] * 3 + ["PASS"] * 55 == statuses


def test_call_that_seemed_lost_and_was_not_leaves_the_others_open() -> None:
    """Its lines may have been taken for theirs: what went wrong is told, and fails none."""
    calls = [line for number in range(2, 8) for line in normal(number)]
    bad = printed(turn(Names(8), 1, (window(), window(20))))
    eighth = (*printed(opening(Names(8))), *bad, *printed(ending(Names(8))))
    lines = (*printed(opening(ONE)), *calls, *eighth, *printed(ending(ONE)))
    found = audit(logged(lines))
    assert {"UNDECIDABLE"} == {verdicts["A1"].status for verdicts in found.calls.values()}
    assert 1 == found.alarms["A1"]


def test_lost_end_is_forgotten_with_the_least_channel_too() -> None:
    """Where only sessions are printed, the next calls are open, and those behind them are not."""
    calls = [
        only("O", (*opening(each), *turn(each, 1, ()), *ending(each)))
        for each in map(Names, range(2, 9))
    ]
    found = audit(log(*only("O", opening(ONE)), *(line for call in calls for line in call)))
    statuses = [found.calls[Names(number).call]["B3"].status for number in range(2, 9)]
    assert ["UNDECIDABLE"] * 4 + ["PASS"] * 3 == statuses


def test_last_line_of_a_call_that_never_comes_is_given_up() -> None:
    """Later calls are not open because of it."""
    calls = [line for number in range(2, 9) for line in normal(number)]
    found = audit(logged((*normal(1)[:-1], *calls)))
    assert ["PASS"] * 8 == [found.calls[Names(each).call]["F2"].status for each in range(1, 9)]


def test_line_of_a_call_that_is_final_is_nobodys() -> None:
    """Its name is remembered, and makes no other call."""
    late = log(("P", f"WS_DONE sid={ONE.stream} rx=1 tx=1"))
    found = audit(logged(normal(1) + normal(2)) + late)
    assert [ONE.call, TWO.call] == list(found.calls)
    assert 1 == found.unattributed


def test_few_letters_of_a_name_are_enough_where_no_other_has_them() -> None:
    """Only what the second call says before it is named so may be the first one's."""
    one, two = Names(0x1AAAAAAA), Names(0x2BBBBBBB)
    hangup: Line = ("L", f"[BUILD 163] Auto hang-up: call={two.call[:10]}, reason=goodbye")
    assert 1 == audit(log(*opening(one), *opening(two), hangup)).unattributed


def test_response_of_a_call_that_seemed_lost_shows_that_it_goes_on() -> None:
    """What came since may be of it as well, though its end never comes."""
    begin = printed((*opening(ONE), created(ONE, 1)))
    calls = [line for number in range(2, 8) for line in normal(number)]
    late = printed((*opening(Names(8)), cancelled(ONE, 1), *ending(Names(8))))
    found = audit(logged((*begin, *calls, *late)))
    assert {"UNDECIDABLE"} == {verdicts["A1"].status for verdicts in found.calls.values()}
    assert 1 == found.calls[ONE.call]["B1"].figures["cancelled"]


def test_response_behind_another_print_on_the_line_says_nothing_of_the_first() -> None:
    """A line end that came late gives the end of one call's reset to no other call."""
    first, second = printed(ending(ONE)), printed(turn(TWO, 1, ()))
    done_at = next(index for index, line in enumerate(first) if b"reset successfully" in line)
    lines = (
        *printed(opening(ONE)),
        *first[:done_at],
        *printed(opening(TWO)),
        *second[:2],
        first[done_at] + second[2],
        *second[3:],
        *first[done_at + 1 :],
        *printed(ending(TWO)),
    )
    statuses = audit(logged(lines)).statuses()
    assert Status.FAIL not in {each["F1"] for each in statuses.values()}

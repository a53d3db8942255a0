"""Calls whose lines name them: of one log, and of two that each have a half of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aava_cli.audit.auditing import Auditor
from aava_cli.audit.blocks import Block
from aava_cli.audit.collectors import Collector
from tests.audit.auditor import audit, monitor
from tests.audit.monitor_cases import (
    BEGUN,
    BLOCKED_UNNAMED,
    CALL,
    ENDED,
    HELLO,
    daemon,
    engine,
    heard,
    spoken,
)

if TYPE_CHECKING:
    from pathlib import Path

    from aava_cli.audit.calls import Call
    from aava_cli.audit.judging import Judged
    from tests.conftest import Aava

ENGINE, DAEMON = "ai_engine", "local_ai_server"
FAILED = "Local tool execution failed"


def name(number: int) -> str:
    """Return the name of call *number*."""
    return f"{1783366000 + number}.{number}"


def whole(number: int, *daemon_lines: str, fails: bool = False) -> list[tuple[str, str]]:
    """Return the lines of a call, each with who prints it."""
    call = name(number)
    return [
        (ENGINE, engine(BEGUN, call)),
        (DAEMON, spoken(HELLO, call)),
        (DAEMON, heard("what is the time please", call)),
        *((DAEMON, line) for line in daemon_lines),
        (ENGINE, engine(FAILED if fails else "Local tool gateway result", call)),
        (ENGINE, engine(ENDED, call)),
    ]


def blocked(number: int) -> str:
    """Return that call *number* wanted to end."""
    return daemon(
        "⚠️ LLM emitted hangup_call without end-of-call intent; retrying without tools "
        f"call_id={name(number)} mode=full preview=how"
    )


def text(lines: list[tuple[str, str]], *printers: str) -> bytes:
    """Return the log that *printers* leave, or all of them."""
    return "".join(f"{x}\n" for who, x in lines if who in (printers or (who,))).encode()


def of_sources(*logs: bytes) -> tuple[dict[str, dict[str, str]], Auditor]:
    """Return the verdicts on the calls of several logs that are read one after the other."""
    found: dict[str, dict[str, str]] = {}

    def take(call: Call, judged: Judged) -> None:
        shown = call.name(("call",))
        assert shown not in found
        found[shown] = {check: str(each.status) for check, each in judged.verdicts.items()}

    auditor = Auditor(monitor(), 0, {}, take)
    auditor.join_groups()
    for index, log in enumerate(logs):
        auditor.feed(f"{index}.log", f"{index}.log", Collector(), Block(log, log, 1, 0))
    auditor.finish()
    return found, auditor


@given(
    kinds=st.lists(st.sampled_from(["good", "failed", "blocked"]), min_size=1, max_size=5),
    order=st.permutations([0, 1]),
    overlaps=st.booleans(),
)
def test_two_logs_say_what_one_of_both_says(
    kinds: list[str], order: list[int], *, overlaps: bool
) -> None:
    """In whichever order they are read, for calls one after the other and at once."""
    calls = [
        whole(number, *([blocked(number)] * (kind == "blocked")), fails=kind == "failed")
        for number, kind in enumerate(kinds)
    ]
    lines = [line for call in calls for line in call]
    if overlaps:
        lines.sort(key=lambda line: line[1].endswith(ENDED))
    halves = [text(lines, ENGINE), text(lines, DAEMON)]
    found, _ = of_sources(*(halves[index] for index in order))
    one = audit(text(lines), profile=monitor()).statuses()
    assert {call: {k: str(v) for k, v in each.items()} for call, each in one.items()} == found


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_command_joins_the_logs_of_engine_and_daemon(
    aava: Aava, tmp_path: Path, order: tuple[int, int]
) -> None:
    """Three calls, each whole: the engine says that one failed, the daemon of another."""
    lines = [*whole(1), *whole(2, fails=True), *whole(3, blocked(3))]
    logs = [tmp_path / "engine.log", tmp_path / "daemon.log"]
    for log, printer in zip(logs, (ENGINE, DAEMON), strict=True):
        log.write_bytes(text(lines, printer))
    done = aava("audit", *(str(logs[index]) for index in order), "--json")
    assert 1 == done.exit_code
    calls = json.loads(done.stdout)["result"]["calls"]
    assert {name(1): "PASS", name(2): "FAIL", name(3): "WARN"} == {
        call["call"]: call["status"] for call in calls
    }


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_unnamed_line_in_the_other_log_is_any_calls(order: tuple[int, int]) -> None:
    """The daemon's log does not say which calls go on: none of them passes by its silence."""
    lines = [*whole(1), *whole(2, BLOCKED_UNNAMED), *whole(3)]
    halves = [text(lines, ENGINE), text(lines, DAEMON)]
    found, auditor = of_sources(*(halves[index] for index in order))
    assert ["UNDECIDABLE"] * 3 == [found[name(each)]["hangups"] for each in (1, 2, 3)]
    assert ["PASS"] * 3 == [found[name(each)]["tools"] for each in (1, 2, 3)]
    assert {"hangup_blocked": 1} == {kind: seen.count for kind, seen in auditor.alarms.items()}


def test_logs_of_two_days_are_not_each_others() -> None:
    """An unnamed line of the second day is that of the only call that goes on in it."""
    days = [text(whole(1)), text([*whole(2, BLOCKED_UNNAMED), *whole(3)])]
    found, _ = of_sources(*days)
    assert ["PASS", "WARN", "PASS"] == [found[name(each)]["hangups"] for each in (1, 2, 3)]


def test_first_call_of_the_daemon_alone_is_not_the_only_one() -> None:
    """Another may go on of which nothing was printed yet."""
    found = audit(text([*whole(1), (DAEMON, BLOCKED_UNNAMED)], DAEMON), profile=monitor())
    assert "UNDECIDABLE" == found.calls[name(1)]["hangups"].status
    assert {"hangup_blocked": 1} == found.alarms


def test_unnamed_line_is_of_none_of_two_calls_that_go_on() -> None:
    """Both began in the log: neither is held back for certain, and the one before was not."""
    one, two, three = whole(1), whole(2), whole(3)
    lines = [*one, *two[:2], *three[:2], (DAEMON, BLOCKED_UNNAMED), *two[2:], *three[2:]]
    found = audit(text([*lines, *whole(4)]), profile=monitor())
    assert ["PASS", "UNDECIDABLE", "UNDECIDABLE", "PASS"] == [
        each["hangups"].status for each in found.calls.values()
    ]


def test_unnamed_line_that_is_of_none_of_two_calls_may_be_of_a_third() -> None:
    """Its beginning is lost, and it was not named yet."""
    one, two, third = whole(1), whole(2), whole(3)[1:]
    lines = [*one[:2], *two[:2], (DAEMON, BLOCKED_UNNAMED), *third, *one[2:], *two[2:]]
    found = audit(text(lines), profile=monitor())
    assert ["UNDECIDABLE"] * 3 == [each["hangups"].status for each in found.calls.values()]


def test_unnamed_line_is_of_no_call_that_is_heard_of_long_after() -> None:
    """Of those that may go on, and of the next few."""
    lines = [line for number in range(200) for line in whole(number)]
    at = lines.index((DAEMON, spoken(HELLO, name(100))))
    log = text([*lines[:at], (DAEMON, BLOCKED_UNNAMED), *lines[at:]], DAEMON)
    found = audit(log, profile=monitor())
    statuses = [found.calls[name(number)]["hangups"].status for number in range(200)]
    assert ["PASS"] * 36 + ["UNDECIDABLE"] * 67 + ["PASS"] * 97 == statuses


def test_late_line_of_the_daemon_is_the_last_calls() -> None:
    """It comes behind what the engine prints last, while nobody else calls."""
    found = audit(text([*whole(1), (DAEMON, BLOCKED_UNNAMED), *whole(2)]), profile=monitor())
    assert ["WARN", "PASS"] == [each["hangups"].status for each in found.calls.values()]


@pytest.mark.parametrize("before", [6, 3])
def test_unnamed_line_may_be_of_a_call_whose_beginning_is_lost(before: int) -> None:
    """The call before has ended, or goes on."""
    lines = whole(1)
    lines[before:before] = [(DAEMON, BLOCKED_UNNAMED), *whole(2)[1:]]
    found = audit(text(lines), profile=monitor()).calls
    assert ["UNDECIDABLE"] * 2 == [each["hangups"].status for each in found.values()]
    assert "wanted to hang up" in found[name(1)]["hangups"].reason


def test_same_name_again_is_another_call() -> None:
    """A telephone exchange that was started anew counts from the beginning."""
    lines = [*whole(1, fails=True), *whole(1)]
    found = audit(text(lines), profile=monitor())
    assert ["FAIL", "PASS"] == [each["tools"].status for each in found.calls.values()]


def test_line_of_a_call_that_was_told_makes_no_other() -> None:
    """Its name is remembered."""
    late = (DAEMON, blocked(1))
    found = audit(text([*whole(1), *whole(2), *whole(3), late]), profile=monitor())
    assert [name(1), name(2), name(3)] == list(found.calls)
    assert 1 == found.unattributed


def test_calls_that_wait_for_their_other_half_are_bounded() -> None:
    """Of more than some thousand the first are told with the half that there is."""
    lines = [line for number in range(4200) for line in whole(number)]
    found, auditor = of_sources(text(lines, ENGINE), text(lines, DAEMON))
    statuses = [found[name(number)]["hangups"] for number in range(4200)]
    assert ["UNDECIDABLE"] * 104 + ["PASS"] * 4096 == statuses
    assert 104 * 2 == auditor.unattributed().total()


def test_calls_of_the_daemon_alone_are_bounded() -> None:
    """Nothing says when they end: of very many at once the oldest are over."""
    log = text([line for number in range(200) for line in whole(number)], DAEMON)
    judged: list[Judged] = []
    auditor = Auditor(monitor(), 0, {}, lambda _call, each: judged.append(each))
    auditor.feed("log", "log", Collector(), Block(log, log, 1, 0))
    assert 100 < len(judged) < 200
    auditor.finish()
    assert 200 == len(judged)
    assert {"PASS"} == {each.verdicts["hangups"].status for each in judged}


def test_call_of_the_monitor_has_its_name() -> None:
    """Wherever in the line it stands."""
    assert [CALL] == list(audit(f"{engine(BEGUN)}\n".encode(), profile=monitor()).calls)

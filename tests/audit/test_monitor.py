"""The monitor after a release: AAVA's own engine and daemon."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aava_cli.audit.auditing import Auditor
from aava_cli.audit.blocks import Block
from aava_cli.audit.checks import CHECKS
from aava_cli.audit.collectors import Collector
from aava_cli.audit.quantiles import Quantiles
from tests.audit.auditor import audit, monitor
from tests.audit.monitor_cases import (
    BEGUN,
    BLOCKED_UNNAMED,
    CALL,
    ENDED,
    HELLO,
    MONITOR_CASES,
    MonitorCase,
    answers,
    engine,
    heard,
    spoken,
)
from tests.audit.wrapping import PROCESSES, plain

if TYPE_CHECKING:
    from aava_cli.audit.verdicts import Known


@pytest.mark.parametrize("case", MONITOR_CASES, ids=str)
def test_monitor_decides(case: MonitorCase) -> None:
    """The verdict is the one that the log was made for."""
    assert case.status == case.verdict(monitor()).status


@pytest.mark.parametrize("check", monitor().checks)
def test_check_watches_only_markers_that_exist(check: str) -> None:
    """A method for a marker that no pack has would never be called."""
    assert CHECKS[check].watches <= {marker.kind for marker in monitor().markers}


def test_colours_of_the_console_change_nothing() -> None:
    """The console colours key and value apart; the call is still named."""
    line = (
        "\x1b[2m2026-07-06T21:31:04Z\x1b[0m [\x1b[32minfo\x1b[0m] "
        "\x1b[1mLocal tool gateway result\x1b[0m "
        f"\x1b[36mcall_id\x1b[0m=\x1b[35m{CALL}\x1b[0m\n"
    )
    found = audit(line.encode(), profile=monitor())
    assert [CALL] == list(found.calls)


def test_calls_of_the_daemon_are_told_apart() -> None:
    """Two calls at once, each line with its name: one has an echo."""
    lines = (
        spoken(HELLO, "1.1"),
        spoken("Goodbye and have a nice day", "1.2"),
        heard(HELLO, "1.1"),
        heard("what is the time please", "1.2"),
        engine("Call cleanup completed", "1.1"),
    )
    found = audit("".join(f"{line}\n" for line in lines).encode(), profile=monitor()).statuses()
    assert ("WARN", "PASS") == (found["1.1"]["echo"], found["1.2"]["echo"])


def test_latency_names_both_quantiles() -> None:
    """The figures are there, whatever the verdict."""
    lines = answers(*(float(value) for value in range(1, 101)))
    found = audit("".join(f"{line}\n" for line in lines).encode(), profile=monitor())
    figures = found.run["latency"].figures
    assert 100 == figures["answers"]
    assert float(figures["p50_ms"]) == pytest.approx(50, rel=0.01)
    assert float(figures["p95_ms"]) == pytest.approx(95, rel=0.01)


def three_calls() -> list[tuple[str, bytes]]:
    """Return the lines of engine and daemon; in the third call hanging up was held back."""
    lines = []
    for number in (1, 2, 3):
        call = f"17833662{number}.1"
        lines += [("ai_engine", engine(BEGUN, call)), ("local_ai_server", spoken(HELLO, call))]
        lines += [("local_ai_server", heard("what is the time please", call))]
        lines += [("local_ai_server", BLOCKED_UNNAMED)] if number == 3 else []
        lines += [("ai_engine", engine(ENDED, call))]
    return [(process, line.encode()) for process, line in lines]


@pytest.mark.parametrize("collector", [None, *sorted(PROCESSES)])
def test_call_goes_on_from_the_engine_to_the_daemon(collector: str | None) -> None:
    """Whatever brought the lines here: three calls, each whole, and the third wanted to end."""
    wrap = plain if collector is None else PROCESSES[collector]
    found = audit(wrap(three_calls()), profile=monitor())
    assert ["PASS", "PASS", "WARN"] == [each["hangups"].status for each in found.calls.values()]


def test_line_of_the_daemon_without_a_call_is_told() -> None:
    """Nothing in the daemon's log alone says when a call ends."""
    lines = [(process, line) for process, line in three_calls() if process != "ai_engine"]
    found = audit(plain(lines), profile=monitor())
    assert {"hangup_blocked": 1} == found.alarms
    assert {"UNDECIDABLE"} == {each["hangups"].status for each in found.calls.values()}


def test_whole_call_has_its_beginning() -> None:
    """The engine says when a call begins."""
    known: list[Known] = []
    auditor = Auditor(monitor(), 0, {}, lambda _call, judged: known.append(judged.known))
    log = plain(three_calls())
    auditor.feed("log", "log", Collector(), Block(log, log, 1, 0))
    auditor.finish()
    assert [(True, True)] * 3 == [(each.started, each.done) for each in known]


@pytest.mark.parametrize(
    ("milliseconds", "figure", "is_above"),
    [
        ((1990.0, 2000.0), "p50_ms", False),
        ((2000.01, 2006.0), "p50_ms", True),
        ((4990.0, 5000.0), "p95_ms", False),
        ((5000.01, 5010.0), "p95_ms", True),
    ],
)
def test_latency_figure_does_not_contradict_the_verdict(
    milliseconds: tuple[float, float], figure: str, *, is_above: bool
) -> None:
    """It is on the side of the limit that the answers are on."""
    lines = answers(*(milliseconds * 20))
    found = audit("".join(f"{line}\n" for line in lines).encode(), profile=monitor())
    limit = 2000 if figure == "p50_ms" else 5000
    assert is_above == (float(found.run["latency"].figures[figure]) > limit)


@pytest.mark.parametrize(("value", "share"), [(0.0, 0.5), (3.0, 0.95), (88_000.5, 1.0)])
def test_quantile_of_one_value_is_that_value(value: float, share: float) -> None:
    """Within one percent, and zero exactly."""
    quantiles = Quantiles()
    quantiles.add(value)
    assert quantiles.at(share) == pytest.approx(value, rel=0.01)
    assert 0.0 == Quantiles().at(share)

"""The monitor after a release: AAVA's own engine and daemon."""

from __future__ import annotations

import pytest

from aava_cli.audit.checks import CHECKS
from aava_cli.audit.quantiles import Quantiles
from tests.audit.auditor import audit, monitor
from tests.audit.monitor_cases import (
    CALL,
    HELLO,
    MONITOR_CASES,
    MonitorCase,
    answers,
    engine,
    heard,
    spoken,
)


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


@pytest.mark.parametrize(("value", "share"), [(0.0, 0.5), (3.0, 0.95), (88_000.5, 1.0)])
def test_quantile_of_one_value_is_that_value(value: float, share: float) -> None:
    """Within one percent, and zero exactly."""
    quantiles = Quantiles()
    quantiles.add(value)
    assert quantiles.at(share) == pytest.approx(value, rel=0.01)
    assert 0.0 == Quantiles().at(share)

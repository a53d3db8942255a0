"""The answer for people: coverage first, then each call, then what belongs to none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aava_cli.audit.timeline import in_terminal
from aava_cli.audit.verdicts import Status
from aava_cli.output import Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from aava_cli.audit.gate import Scenario
    from aava_cli.audit.report.results import Audited, CallReport, CheckReport

ALARMS = "of a call that cannot be told"
# What needs no more words than that.
_IN_A_LINE = {Status.NOT_TRIGGERED: "not triggered", Status.MANUAL: "for a person to judge"}


def answer_lines(audited: Audited) -> Iterator[str | Table]:
    """Yield coverage, calls, what belongs to none, and the gate; or the drawing of one call."""
    yield audited.coverage.line()
    if audited.drawn is not None:
        yield from in_terminal(audited.drawn)
        return
    for call in audited.calls:
        yield from _call_lines(call)
    if audited.calls_left_out:
        yield f"{audited.calls_left_out} more calls are counted and not shown"
    for title, checks in (("the whole run", audited.run), (ALARMS, audited.alarms)):
        if checks:
            yield from ("", title, _check_table(checks))
    if audited.gate is not None:
        yield from ("", _gate_table(audited.gate))


def _gate_table(gate: Iterable[Scenario]) -> Table:
    rows = tuple(
        ("shown" if each.call else "missing", each.title, each.call or "; ".join(each.lacks))
        for each in gate
    )
    return Table(("gate", "scenario", "call, or what the nearest lacks"), rows)


def _call_lines(call: CallReport) -> Iterator[str | Table]:
    """Yield one call for people."""
    yield ""
    of_it = "" if call.is_whole else ", not whole"
    scenario = f", {call.scenario}" if call.scenario else ""
    yield f"{call.call}: {call.status}{of_it}{scenario}"
    yield from call.notes
    told = tuple(each for each in call.checks if each.status not in _IN_A_LINE)
    if told:
        yield _check_table(told)
    for status, words in _IN_A_LINE.items():
        if names := [each.check for each in call.of(status)]:
            yield f"{words}: {', '.join(names)}"


def _check_table(checks: Iterable[CheckReport]) -> Table:
    """Return the verdicts of *checks* with their reasons, figures and first places."""
    rows = tuple(
        (each.check, each.status, each.title, each.reason, _figures(each), _first(each))
        for each in checks
    )
    return Table(("check", "verdict", "requirement", "reason", "figures", "first seen"), rows)


def _figures(check: CheckReport) -> str:
    return ", ".join(f"{name}={_number(value)}" for name, value in check.figures.items())


def _number(value: Any) -> str:  # noqa: ANN401 - a figure is a number or a word
    return f"{value:g}" if isinstance(value, float) else str(value)


def _first(check: CheckReport) -> str:
    if not check.seen:
        return ""
    more = f" and {check.times - 1} more" if check.times > 1 else ""
    return f"{check.seen[0].source}:{check.seen[0].line}{more}"

"""JUnit XML: a suite for each call, a case for each check.

A build server looks at nothing else, so whatever makes the audit fail fails a case.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Literal, TypeAlias

from aava_cli.audit.report.evidence import evidence, told_ids
from aava_cli.audit.report.terminal import ALARMS
from aava_cli.audit.verdicts import Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from aava_cli.audit.gate import Scenario
    from aava_cli.audit.report.results import Audited, CallReport, CheckReport
    from aava_cli.errors import AavaError

    Outcome: TypeAlias = Literal["", "failure", "error", "skipped"]

# What XML 1.0 has no way to write (section 2.2).
_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# No two of these stand side by side in a comment (section 2.5).
_HYPHENS = re.compile("-(?=-)")
_SKIPPED = frozenset({Status.UNDECIDABLE, Status.NOT_TRIGGERED, Status.MANUAL})


@dataclass(frozen=True, slots=True)
class _Case:
    name: str
    outcome: Outcome
    message: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class _Suite:
    name: str
    cases: tuple[_Case, ...]
    properties: tuple[tuple[str, str], ...] = ()


def as_junit(audited: Audited) -> str:
    """Return *audited* for a build server."""
    suites = list(_suites(audited))
    failure = audited.failure()
    if failure is not None and not _has_failed(suites, audited):
        suites.append(_of_error(failure))
    comments = [audited.coverage.line()]
    if audited.calls_left_out:
        comments.append(f"{audited.calls_left_out} more calls are counted and not shown")
    return _document(suites, comments)


def error_as_junit(error: AavaError) -> str:
    """Return for a build server that there is no answer, because of *error*."""
    return _document([_of_error(error)], [])


def _of_error(error: AavaError) -> _Suite:
    case = _Case("the audit as a whole", "error", error.message, f"hint: {error.hint}")
    return _Suite("audit", (case,))


def _has_failed(suites: Iterable[_Suite], audited: Audited) -> bool:
    """Return whether every failure is told: those of calls that are left out are not."""
    told = audited.run + tuple(check for call in audited.calls for check in call.checks)
    failed = sum(each.status is Status.FAIL for each in told)
    outcomes = {case.outcome for suite in suites for case in suite.cases}
    return failed == audited.counts[Status.FAIL] and bool(outcomes & {"failure", "error"})


def _suites(audited: Audited) -> Iterator[_Suite]:
    for call in audited.calls:
        about = told_ids(call)
        yield _Suite(
            call.call, tuple(_case(each, about) for each in call.checks), tuple(_properties(call))
        )
    if audited.run:
        yield _Suite("run", tuple(_case(each) for each in audited.run))
    if audited.alarms:
        # They fail no call, and none of those that went on has passed by them.
        outcome: Outcome = "failure" if audited.is_alarmed else "skipped"
        yield _Suite(ALARMS, tuple(_case(each, outcome=outcome) for each in audited.alarms))
    if audited.gate is not None:
        yield _Suite("gate", tuple(map(_scenario, audited.gate)))
    if audited.problems:
        yield _Suite("log", tuple(_Case("the log is whole", "error", x) for x in audited.problems))


def _properties(call: CallReport) -> Iterator[tuple[str, str]]:
    yield "source", call.source
    yield from ((kind, name) for kind, names in call.ids.items() for name in names)
    if call.scenario is not None:
        yield "scenario", call.scenario
    yield from (("note", note) for note in call.notes)


def _case(check: CheckReport, about: str = "", outcome: Outcome | None = None) -> _Case:
    about = about if check.status is Status.FAIL else ""
    text = "\n".join(filter(None, (about, _figures(check), evidence(check))))
    outcome = _outcome(check.status) if outcome is None else outcome
    return _Case(f"{check.check} {check.title}", outcome, f"{check.status}: {check.reason}", text)


def _outcome(status: Status) -> Outcome:
    if status is Status.FAIL:
        return "failure"
    return "skipped" if status in _SKIPPED else ""


def _scenario(scenario: Scenario) -> _Case:
    if scenario.call is not None:
        return _Case(scenario.title, "", f"shown by {scenario.call}")
    return _Case(scenario.title, "failure", f"missing: {'; '.join(scenario.lacks)}")


def _figures(check: CheckReport) -> str:
    return ", ".join(f"{key}={value}" for key, value in check.figures.items())


def _document(suites: list[_Suite], comments: Iterable[str]) -> str:
    cases = [case for suite in suites for case in suite.cases]
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', f"<testsuites{_counts(cases)}>"]
    lines += [f"<!-- {_HYPHENS.sub('- ', _legal(each))} -->" for each in comments]
    for suite in suites:
        lines += _suite_lines(suite)
    return "\n".join((*lines, "</testsuites>")) + "\n"


def _counts(cases: Iterable[_Case]) -> str:
    outcomes = [each.outcome for each in cases]
    failures, errors = outcomes.count("failure"), outcomes.count("error")
    skipped = outcomes.count("skipped")
    counted = f'tests="{len(outcomes)}" failures="{failures}" errors="{errors}"'
    return f' {counted} skipped="{skipped}"'


def _suite_lines(suite: _Suite) -> Iterator[str]:
    yield f'<testsuite name="{_value(suite.name)}"{_counts(suite.cases)}>'
    if suite.properties:
        yield "<properties>"
        for name, value in suite.properties:
            yield f'<property name="{_value(name)}" value="{_value(value)}"/>'
        yield "</properties>"
    for case in suite.cases:
        yield from _case_lines(suite.name, case)
    yield "</testsuite>"


def _case_lines(suite: str, case: _Case) -> Iterator[str]:
    yield f'<testcase classname="{_value(suite)}" name="{_value(case.name)}">'
    if case.outcome == "skipped":
        yield f'<skipped message="{_value(case.message)}"/>'
    elif case.outcome:
        text = _text(case.text)
        yield f'<{case.outcome} message="{_value(case.message)}">{text}</{case.outcome}>'
    if case.outcome in ("", "skipped"):
        told = f"{case.message}\n{case.text}" if case.text else case.message
        yield f"<system-out>{_text(told)}</system-out>"
    yield "</testcase>"


def _legal(text: str) -> str:
    return _ILLEGAL.sub("\ufffd", text)


def _text(text: str) -> str:
    return escape(_legal(text), quote=False)


def _value(text: str) -> str:
    return escape(_legal(text)).replace("\n", "&#10;")

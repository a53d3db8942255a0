"""JUnit XML: a suite for each call, a case for each check."""

from __future__ import annotations

import re
from html import escape
from itertools import count
from typing import TYPE_CHECKING

from aava_cli.audit.verdicts import Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from aava_cli.audit.report.results import Audited, CheckReport

# What XML 1.0 has no way to write (section 2.2).
_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SKIPPED = frozenset({Status.UNDECIDABLE, Status.NOT_TRIGGERED, Status.MANUAL})


def as_junit(audited: Audited) -> str:
    """Return *audited* for a build server."""
    suites = [(call.call, call.checks) for call in audited.calls]
    if audited.run:
        suites.append(("run", audited.run))
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', f"<testsuites{_counts(_all(suites))}>"]
    lines.append(f"<!-- {_legal(audited.coverage.line()).replace('--', '- -')} -->")
    for name, checks in suites:
        lines.append(f'<testsuite name="{_value(name)}"{_counts(checks)}>')
        for check in checks:
            lines += _case(name, check)
        lines.append("</testsuite>")
    return "\n".join((*lines, "</testsuites>")) + "\n"


def _all(suites: Iterable[tuple[str, tuple[CheckReport, ...]]]) -> tuple[CheckReport, ...]:
    return tuple(check for _, checks in suites for check in checks)


def _counts(checks: tuple[CheckReport, ...]) -> str:
    failures = sum(each.status is Status.FAIL for each in checks)
    skipped = sum(each.status in _SKIPPED for each in checks)
    return f' tests="{len(checks)}" failures="{failures}" errors="0" skipped="{skipped}"'


def _case(suite: str, check: CheckReport) -> Iterator[str]:
    name = f"{check.check} {check.title}"
    yield f'<testcase classname="{_value(suite)}" name="{_value(name)}">'
    message = _value(f"{check.status}: {check.reason}")
    match check.status:
        case Status.FAIL:
            yield f'<failure message="{message}">{_text(evidence(check))}</failure>'
        case status if status in _SKIPPED:
            yield f'<skipped message="{message}"/>'
        case _:
            pass
    told = ", ".join(f"{key}={value}" for key, value in check.figures.items())
    yield f"<system-out>{_text(f'{check.status}: {check.reason} ({told})')}</system-out>"
    yield "</testcase>"


def evidence(check: CheckReport) -> str:
    """Return where it was seen, and the lines around."""
    seen = [
        f"{each.source}:{each.line} (byte {each.offset}, {each.time or 'no time'}): {each.text}"
        for each in check.seen
    ]
    around = [
        f"{number}: {line}"
        for context in check.contexts
        for number, line in zip(context.numbers or count(context.line), context.lines, strict=False)
    ]
    return "\n".join((*seen, "", *around))


def _legal(text: str) -> str:
    return _ILLEGAL.sub("\ufffd", text)


def _text(text: str) -> str:
    return escape(_legal(text), quote=False)


def _value(text: str) -> str:
    return escape(_legal(text)).replace("\n", "&#10;")

"""Markdown: for a pull request or a ticket."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from aava_cli.audit.report.evidence import evidence, told_ids
from aava_cli.audit.report.terminal import ALARMS
from aava_cli.audit.verdicts import Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from aava_cli.audit.report.results import Audited, CallReport, CheckReport
    from aava_cli.errors import AavaError

_LINKS = re.compile(r"[\[\]]")
_SIGNS = re.compile(r"[*_~]")
_BACKSLASHED = r"\\\g<0>"
_HEADER = ("| check | verdict | requirement | reason | figures |", "|---|---|---|---|---|")


def as_markdown(audited: Audited) -> str:
    """Return *audited* with a table for each call, and what failed below it."""
    return "\n".join(_lines(audited)) + "\n"


def error_as_markdown(error: AavaError) -> str:
    """Return that there is no answer, because of *error*."""
    return "\n".join(("# Call audit", "", *_told_error(error))) + "\n"


def _lines(audited: Audited) -> Iterator[str]:
    yield from ("# Call audit", "")
    failure = audited.failure()
    if failure is not None:
        yield from (*_told_error(failure), "")
    if audited.alarms:
        yield from (f"**{_cell(audited.coverage.alarm())}**", "")
    yield _cell(audited.coverage.line())
    yield from _told_problems(audited.problems)
    for call in audited.calls:
        yield from _call(call)
    if audited.calls_left_out:
        yield from ("", f"{audited.calls_left_out} more calls are counted and not shown.")
    if audited.run:
        yield from _section("The whole run", audited.run)
    if audited.alarms:
        yield from _section(ALARMS.capitalize(), audited.alarms)
        yield from _records(audited.alarms)
    if audited.gate is not None:
        yield from ("", "## Gate", "", "| scenario | call |", "|---|---|")
        for each in audited.gate:
            shown = _name(each.call) if each.call else _cell(f"missing: {'; '.join(each.lacks)}")
            yield f"| {each.title} | {shown} |"


def _told_error(error: AavaError) -> Iterator[str]:
    yield f"**{_cell(error.message)}** (exit code {error.exit_code}; {_cell(error.hint)})"


def _told_problems(problems: Iterable[str]) -> Iterator[str]:
    yield from (line for each in problems for line in ("", f"Damaged: {_cell(each)}"))


def _call(call: CallReport) -> Iterator[str]:
    about = [_name(told_ids(call)), f"in {_name(call.source)}", *call.notes]
    if call.scenario is not None:
        about.append(f"placed as {call.scenario}")
    yield from _section(
        f"{_name(call.call)}: {call.status}", call.checks, "; ".join(filter(None, about))
    )


def _section(title: str, checks: Iterable[CheckReport], about: str = "") -> Iterator[str]:
    yield from ("", f"## {title}", "")
    if about:
        yield from (about, "")
    yield from _HEADER
    for each in checks:
        told = ", ".join(f"{name}={value}" for name, value in each.figures.items())
        cells = (each.check, each.status, each.title, each.reason, told)
        yield f"| {' | '.join(_cell(cell) for cell in cells)} |"
    yield from _records(each for each in checks if each.status is Status.FAIL)


def _records(checks: Iterable[CheckReport]) -> Iterator[str]:
    for each in checks:
        yield from ("", f"### {each.check}: {_cell(each.reason)}", "", "~~~")
        yield evidence(each).replace("~~~", "~ ~ ~")
        yield "~~~"


def _cell(text: str) -> str:
    """Return *text* on one line of a table; code in it stays code, and there is no HTML or link."""
    parts = text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ").split("`")
    # Between two of these is code; one that is alone opens none, nor do two side by side, which
    # come of a name that has them.
    is_paired = len(parts) % 2 == 1 and all(parts[1:-1])
    outside = slice(None, None, 2 if is_paired else 1)
    parts[outside] = [_LINKS.sub(_BACKSLASHED, x.replace("<", "&lt;")) for x in parts[outside]]
    return "`".join(parts)


def _name(text: str) -> str:
    """Return a *text* of somebody else's, in which no sign means anything."""
    return _SIGNS.sub(_BACKSLASHED, _cell(text.replace("`", "'")))

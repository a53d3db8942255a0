"""Markdown: for a pull request or a ticket."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aava_cli.audit.report.junit import evidence
from aava_cli.audit.verdicts import Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from aava_cli.audit.report.results import Audited, CheckReport


def as_markdown(audited: Audited) -> str:
    """Return *audited* with a table for each call, and what failed below it."""
    return "\n".join(_lines(audited)) + "\n"


def _lines(audited: Audited) -> Iterator[str]:
    yield "# Call audit"
    yield ""
    yield audited.coverage.line()
    for call in audited.calls:
        yield from _section(f"{call.call}: {call.status}", call.checks)
    if audited.run:
        yield from _section("The whole run", audited.run)
    if audited.alarms:
        yield from _section("Of a call that cannot be told", audited.alarms)
    if audited.gate is not None:
        yield from ("", "## Gate", "", "| scenario | call |", "|---|---|")
        for each in audited.gate:
            yield f"| {each.title} | {_cell(each.call or 'missing: ' + '; '.join(each.lacks))} |"


def _section(title: str, checks: Iterable[CheckReport]) -> Iterator[str]:
    yield from ("", f"## {_cell(title)}", "")
    yield "| check | verdict | requirement | reason | figures |"
    yield "|---|---|---|---|---|"
    for each in checks:
        told = ", ".join(f"{name}={value}" for name, value in each.figures.items())
        cells = (each.check, each.status, each.title, each.reason, told)
        yield f"| {' | '.join(_cell(cell) for cell in cells)} |"
    for each in checks:
        if each.status is Status.FAIL:
            yield from ("", f"### {each.check}: {_cell(each.reason)}", "", "~~~")
            yield evidence(each).replace("~~~", "~ ~ ~")
            yield "~~~"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")

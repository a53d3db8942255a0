"""The record of a failure in words: the call's names, where it was seen, the lines around."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aava_cli.audit.report.results import CallReport, CheckReport


def told_ids(call: CallReport) -> str:
    """Return every name of *call*, with its kind: `call CA..., stream MZ...`."""
    return ", ".join(f"{kind} {name}" for kind, names in call.ids.items() for name in names)


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
    return "\n".join((*seen, "", *around) if around else seen)

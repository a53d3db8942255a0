"""What of a log may be shown: names, lines and figures."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aava_cli.audit.redaction import shown_name, without_people, without_secrets
from aava_cli.events import Finding, Log, Progress

if TYPE_CHECKING:
    from aava_cli.audit.report.results import Audited
    from aava_cli.audit.verdicts import Figure, Figures
    from aava_cli.events import Emit, Event

# Of a line that is so long the end was not kept, or is it where all around are long.
_CUT_BYTES = frozenset((256, 1024))


@dataclass(frozen=True, slots=True)
class Showing:
    """Shows no secrets, nothing that commands a terminal and, with *redact*, nobody."""

    redact: bool

    def name(self, name: str) -> str:
        """Return the *name* of a call or a log, or a sentence with such names in it."""
        name = _printable(name)
        return shown_name(name) if self.redact else name

    def line(self, line: bytes) -> str:
        """Return a *line* of a log."""
        text = without_secrets(_printable(text_of(line)))
        return without_people(text, is_cut=len(line) in _CUT_BYTES) if self.redact else text

    def figures(self, figures: Figures) -> dict[str, Figure]:
        """Return the *figures* that JSON can write: what was not measured is left out."""
        return {
            key: value
            for key, value in figures.items()
            if not isinstance(value, float) or math.isfinite(value)
        }

    def audited(self, audited: Audited) -> Audited:
        """Return *audited* with its sources and problems as they may be shown."""
        return replace(
            audited,
            sources=tuple(map(self.name, audited.sources)),
            problems=tuple(map(self.name, audited.problems)),
            advice=tuple(map(self.name, audited.advice)),
        )

    def emit(self, emit: Emit) -> Emit:
        """Return what tells *emit* of logs and calls under names that may be shown."""

        def tell(event: Event) -> None:
            match event:
                case Progress():
                    event = replace(event, task=self.name(event.task))
                case Finding():
                    event = replace(event, subject=self.name(event.subject))
                case Log():
                    event = replace(event, message=self.name(event.message))
                case _:
                    pass
            emit(event)

        return tell


def text_of(line: bytes) -> str:
    """Return *line* as text; what is none is marked."""
    return line.decode("utf-8", "replace")


def _printable(text: str) -> str:
    return "".join(
        letter if letter.isprintable() or letter == "\t" else "\ufffd" for letter in text
    )

"""What a check may say of a call, always with the figures that it was decided from."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aava_cli.audit.places import Sightings

Figure: TypeAlias = "int | float | str"
Figures: TypeAlias = "Mapping[str, Figure]"

NO_FIGURES: Figures = MappingProxyType({})


class Status(StrEnum):
    """How a check came out."""

    PASS = "PASS"  # noqa: S105 - a verdict, not a password
    FAIL = "FAIL"
    WARN = "WARN"
    NOT_TRIGGERED = "NOT_TRIGGERED"
    UNDECIDABLE = "UNDECIDABLE"
    MANUAL = "MANUAL"


DECIDED = frozenset({Status.PASS, Status.FAIL, Status.WARN})


@dataclass(frozen=True, slots=True)
class Verdict:
    """A status with its reason; what was *seen* is where the log says so.

    A verdict *by_absence* rests on a line that did not come, such as one that would excuse what
    was seen: it holds only where every line of the call would have been seen.
    """

    status: Status
    reason: str
    figures: Figures = field(default_factory=lambda: NO_FIGURES)
    seen: Sightings | None = None
    by_absence: bool = False


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a call beside its events.

    *ended* says that the log has the call's end, *done* that it has the last line of it, and
    *scenario* is what the operator says the caller did.
    """

    channels: frozenset[str]
    started: bool
    ended: bool
    done: bool
    scenario: str | None = None


def passed(reason: str, figures: Figures = NO_FIGURES) -> Verdict:
    """Return that the requirement is met."""
    return Verdict(Status.PASS, reason, figures)


def failed(
    reason: str,
    seen: Sightings | None,
    figures: Figures = NO_FIGURES,
    *,
    by_absence: bool = False,
) -> Verdict:
    """Return that the requirement is broken, as *seen*."""
    return Verdict(Status.FAIL, reason, figures, seen, by_absence)


def warned(
    reason: str,
    seen: Sightings | None = None,
    figures: Figures = NO_FIGURES,
    *,
    by_absence: bool = False,
) -> Verdict:
    """Return that somebody should look at what was *seen*."""
    return Verdict(Status.WARN, reason, figures, seen, by_absence)


def not_triggered(reason: str, figures: Figures = NO_FIGURES) -> Verdict:
    """Return that the situation that the requirement is about did not arise."""
    return Verdict(Status.NOT_TRIGGERED, reason, figures)


def undecidable(
    reason: str, figures: Figures = NO_FIGURES, seen: Sightings | None = None
) -> Verdict:
    """Return that the log does not say, or not of which call it says what was *seen*."""
    return Verdict(Status.UNDECIDABLE, reason, figures, seen)


def manual(reason: str, figures: Figures = NO_FIGURES) -> Verdict:
    """Return that no log can say, and a person has to look."""
    return Verdict(Status.MANUAL, reason, figures)

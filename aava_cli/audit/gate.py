"""The release gate: three calls that together show that the pipeline works."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

from aava_cli.audit.plan import SCENARIOS
from aava_cli.audit.verdicts import Status

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aava_cli.audit.judging import Judged
    from aava_cli.audit.profile import Limits
    from aava_cli.audit.verdicts import Verdict

TITLES = {
    "normal": "normal call with a barge-in",
    "appointment": "appointment, or its fallback",
    "edge": "fast answer, and a goodbye",
}
# Every check that a scenario rests on: a marker pack without them has no gate.
NEEDED = frozenset({"A1", "B1", "B3", "F2", "D1", "D2", "D4", "D5", "C1", "End"})
# Frames that were held back on purpose only warn.
_HOLDS = frozenset({Status.PASS, Status.WARN})


@dataclass(frozen=True, slots=True)
class Scenario:
    """One of the gate's calls: the call that shows it, or what the nearest one lacks."""

    name: str
    title: str
    call: str | None
    lacks: tuple[str, ...]


class Gate:
    """Looks at calls as they are over; three calls a scenario are enough to tell them apart."""

    def __init__(self, limits: Limits) -> None:
        self._good_windows = limits.numbers["good_windows"]
        self._shown: dict[str, list[str]] = {name: [] for name in SCENARIOS}
        self._nearest: dict[str, tuple[str, ...]] = {}

    def see(self, name: str, judged: Judged) -> None:
        """Take the call *name* for every scenario that it shows."""
        for scenario in SCENARIOS:
            if judged.scenario not in (None, scenario):
                continue
            lacks = tuple(self._lacking(scenario, judged.verdicts))
            if not lacks and len(self._shown[scenario]) < len(SCENARIOS):
                self._shown[scenario].append(name)
            nearest = self._nearest.get(scenario)
            if nearest is None or len(lacks) < len(nearest):
                self._nearest[scenario] = lacks

    def result(self) -> tuple[Scenario, ...]:
        """Return the scenarios, each with a call of its own where there is one."""
        chosen = self._assign()
        return tuple(
            Scenario(name, TITLES[name], call, () if call else self._lack(name))
            for name, call in zip(SCENARIOS, chosen, strict=True)
        )

    def _assign(self) -> tuple[str | None, ...]:
        """Return a call for as many scenarios as can have one of their own."""
        choices = [[*self._shown[name], None] for name in SCENARIOS]
        return max(product(*choices), key=_worth)

    def _lack(self, name: str) -> tuple[str, ...]:
        if self._shown[name]:
            return ("the call that shows it is needed for another scenario",)
        return self._nearest.get(name, ("no call",))

    def _lacking(self, scenario: str, verdicts: Mapping[str, Verdict]) -> Iterator[str]:
        match scenario:
            case "normal":
                yield from self._unsteady(verdicts["A1"])
                yield from _not_interrupted(verdicts["B1"])
                yield from _not_passed(verdicts, "B3", "F2")
            case "appointment":
                if verdicts["D5"].status is not Status.PASS:
                    yield from _not_booked(verdicts)
            case _:
                yield from _not_passed(verdicts, "C1", "End")

    def _unsteady(self, verdict: Verdict) -> Iterator[str]:
        row = float(verdict.figures.get("good_in_a_row", 0))
        if verdict.status not in _HOLDS:
            yield f"A1 is {verdict.status}"
        elif row < self._good_windows:
            yield f"A1 has {row:g} good seconds in a row of {self._good_windows:g}"


def _worth(calls: tuple[str | None, ...]) -> int:
    named = [each for each in calls if each is not None]
    return len(named) if len(named) == len(set(named)) else -1


def _not_interrupted(verdict: Verdict) -> Iterator[str]:
    """Yield what keeps a barge-in from being whole; the pipeline need not have counted it."""
    is_uncounted = verdict.status is Status.WARN and "counted" in verdict.figures
    if verdict.status is not Status.PASS and not is_uncounted:
        yield f"B1 is {verdict.status}"


def _not_passed(verdicts: Mapping[str, Verdict], *names: str) -> Iterator[str]:
    for name in names:
        if (status := verdicts[name].status) is not Status.PASS:
            yield f"{name} is {status}"


def _not_booked(verdicts: Mapping[str, Verdict]) -> Iterator[str]:
    yield from _not_passed(verdicts, "D1", "D2", "D4")
    if not verdicts["D1"].figures.get("enabled"):
        yield "D1 has no tools"
    if not verdicts["D2"].figures.get("booked"):
        yield "D2 has no appointment that was made"

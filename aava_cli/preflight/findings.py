"""What a check is, what it may find, and the answer that all of them make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar

from aava_cli.errors import EXIT_CHECK_FAILED, AavaError
from aava_cli.output import Result
from aava_cli.preflight.facts import Unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from aava_cli.gpu.available import GpuAvailable
    from aava_cli.preflight.facts import Facts


@dataclass(frozen=True, slots=True)
class Passed:
    """Nothing to do; *evidence* is what was seen."""

    evidence: str


@dataclass(frozen=True, slots=True)
class Warned:
    """It works, but not as well as it could."""

    evidence: str
    fix: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The daemon would not start, or a model would not fit."""

    evidence: str
    fix: str


@dataclass(frozen=True, slots=True)
class Skipped:
    """There is nothing to check here."""

    evidence: str


Finding: TypeAlias = Passed | Warned | Failed | Skipped
Check: TypeAlias = "Callable[[Facts], Finding]"
Fact = TypeVar("Fact")

CHECKS: dict[str, Check] = {}


class CheckFailed(AavaError):
    """This host or this project cannot run the daemon as it is."""

    exit_code = EXIT_CHECK_FAILED
    code = "check-failed"


@dataclass(frozen=True, slots=True)
class Checked:
    """One check with what it found."""

    name: str
    status: Literal["pass", "warn", "fail", "skip"]
    evidence: str
    fix: str | None = None

    @classmethod
    def of(cls, name: str, finding: Finding) -> Checked:
        """Return *finding* under its check's name."""
        match finding:
            case Passed(evidence):
                return cls(name, "pass", evidence)
            case Warned(evidence, fix):
                return cls(name, "warn", evidence, fix)
            case Failed(evidence, fix):
                return cls(name, "fail", evidence, fix)
            case _:
                return cls(name, "skip", finding.evidence)


@dataclass(frozen=True, slots=True)
class Preflighted(Result):
    """What every check found, and how many found what."""

    checks: tuple[Checked, ...]
    counts: Mapping[str, int]
    gpu: GpuAvailable

    def text(self) -> Iterable[str]:
        """Yield a line per check, its fix below it, and a summary."""
        for each in self.checks:
            yield f"{each.status}  {each.name:<14}  {each.evidence}"
            if each.fix is not None:
                yield f"fix:  {'':<14}  {each.fix}"
        words = {"pass": "passed", "warn": "to look at", "fail": "failed", "skip": "skipped"}
        yield ", ".join(f"{self.counts[status]} {word}" for status, word in words.items())

    def failure(self) -> AavaError | None:
        """Return which checks failed, with the first fix."""
        failed = [each for each in self.checks if each.status == "fail"]
        if not failed:
            return None
        names = ", ".join(f"`{each.name}`" for each in failed)
        return CheckFailed(f"this host is not ready: {names}", hint=failed[0].fix or "")


class NotKnown(Exception):
    """A check needs a fact that is not there."""


def known(fact: Fact | Unknown) -> Fact:
    """Return *fact*; one that is unknown ends the check that asks."""
    if isinstance(fact, Unknown):
        raise NotKnown(fact.reason)
    return fact


def check(name: str) -> Callable[[Check], Check]:
    """Register a check as *name*."""

    def register(function: Check) -> Check:
        CHECKS[name] = function
        return function

    return register

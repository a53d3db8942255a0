"""What a check is, what it may find, and which facts it looks at."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from aava_cli.errors import EXIT_CHECK_FAILED, AavaError
from aava_cli.events import Item
from aava_cli.preflight.facts import Facts, Unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GROUPS = ("host", "network", "docker", "gpu", "project")
"""What modules of `checks/` are called, or begin with, in the order in which they are shown."""


@dataclass(frozen=True, slots=True)
class Passed:
    """Nothing to do; *evidence* is what was seen."""

    evidence: str
    details: str = ""


@dataclass(frozen=True, slots=True)
class Warned:
    """It works, but not as well as it could; *fix* may name a command behind `run`."""

    evidence: str
    fix: str
    details: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """The daemon would not start, or a model would not fit."""

    evidence: str
    fix: str
    details: str = ""


@dataclass(frozen=True, slots=True)
class Skipped:
    """There is nothing to check here."""

    evidence: str
    details: str = ""


Finding: TypeAlias = Passed | Warned | Failed | Skipped
Check: TypeAlias = "Callable[[Facts], Finding]"
Fact = TypeVar("Fact")

CHECKS: dict[str, Check] = {}
_FACTS = frozenset(each.name for each in fields(Facts))
_COMMAND = re.compile(r"\brun `([^`]+)`")


class CheckFailed(AavaError):
    """This host or this project cannot run the daemon as it is."""

    exit_code = EXIT_CHECK_FAILED
    code = "check-failed"


class NotKnown(Exception):
    """A check needs a fact that is not there."""


def known(fact: Fact | Unknown) -> Fact:
    """Return *fact*; one that is unknown ends the check that asks."""
    if isinstance(fact, Unknown):
        raise NotKnown(fact.reason)
    return fact


def check(name: str) -> Callable[[Check], Check]:
    """Register a check as *name*, in the group that its module is called after."""

    def register(function: Check) -> Check:
        CHECKS[name] = function
        return function

    return register


def group_of(name: str) -> str:
    """Return the group of the check *name*."""
    return CHECKS[name].__module__.rpartition(".")[2].partition("_")[0]


def judge(name: str, facts: Facts) -> Item:
    """Return what the check *name* finds; where a fact is missing, that it was skipped."""
    try:
        finding = CHECKS[name](facts)
    except NotKnown as reason:
        finding = Skipped(f"could not be found out: {reason}")
    return _item(name, finding)


def _item(name: str, finding: Finding) -> Item:
    group, details = group_of(name), finding.details or None
    match finding:
        case Passed(evidence):
            return Item(name, group, "pass", evidence, details)
        case Warned(evidence, fix):
            return Item(name, group, "warn", evidence, details, fix, _command(fix))
        case Failed(evidence, fix):
            return Item(name, group, "fail", evidence, details, fix, _command(fix))
        case _:
            return Item(name, group, "skip", finding.evidence, details)


def _command(fix: str) -> str | None:
    found = _COMMAND.search(fix)
    return found[1] if found else None


def facts_read_by(function: Callable[..., Any]) -> frozenset[str]:
    """Return the facts that *function*, or a function of ours that it calls, may look at.

    They are read from its code, so that no check has to list them and no list can be wrong.
    """
    names: set[str] = set()
    _collect(function, names, set())
    return _FACTS & names


def _collect(function: Any, names: set[str], seen: set[Any]) -> None:  # noqa: ANN401 - what a name stands for
    is_ours = isinstance(function, FunctionType) and function.__module__.startswith("aava_cli.")
    if not is_ours or function in seen:
        return
    seen.add(function)
    for name in _names_in(function.__code__):
        names.add(name)
        _collect(function.__globals__.get(name), names, seen)


def _names_in(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names_in(constant)

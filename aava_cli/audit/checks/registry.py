"""What a check is: a state machine over the events of one call, with a verdict at its end.

A machine has a method `on_KIND` for each kind of marker that it watches, and `verdict`. It is
made for one call, sees only that call's events, in their order, and looks at nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from aava_cli.audit.profile import Limits
    from aava_cli.audit.verdicts import Known, Verdict

Subject: TypeAlias = Literal["call", "run"]


class Machine(Protocol):
    """The state of one check in one call."""

    def __init__(self, limits: Limits) -> None: ...

    def verdict(self, known: Known) -> Verdict:
        """Return what the events so far say."""
        ...


MachineType = TypeVar("MachineType", bound=type[Machine])


@dataclass(frozen=True, slots=True)
class Check:
    """A requirement: *needs* are the channels without which its absence means nothing.

    Its *subject* is one call, or the run as a whole. Checks that see the same may share a machine,
    each with a *verdict* of its own.
    """

    id: str
    title: str
    make: type[Machine]
    watches: frozenset[str]
    needs: frozenset[str]
    subject: Subject
    verdict: str


CHECKS: dict[str, Check] = {}
_PREFIX = "on_"


def check(
    name: str,
    title: str,
    *,
    needs: tuple[str, ...] = (),
    subject: Subject = "call",
    verdict: str = "verdict",
) -> Callable[[MachineType], MachineType]:
    """Register a machine as the check *name*."""

    def register(make: MachineType) -> MachineType:
        watches = frozenset(
            each.removeprefix(_PREFIX) for each in dir(make) if each.startswith(_PREFIX)
        )
        CHECKS[name] = Check(name, title, make, watches, frozenset(needs), subject, verdict)
        return make

    return register

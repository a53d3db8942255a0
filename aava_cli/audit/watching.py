"""What looks at each kind of line in a call: its checks, and what is drawn of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from aava_cli.audit.timeline import Timeline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from aava_cli.audit.calls import Call
    from aava_cli.audit.checks import Check, Machine
    from aava_cli.audit.markers import Event
    from aava_cli.audit.places import Here
    from aava_cli.audit.profile import Limits

Step: TypeAlias = "Callable[[Event, Here], None]"


class Watch:
    """The machines of *checks*, which are made for each call as its lines come."""

    def __init__(self, checks: Iterable[Check], limits: Limits) -> None:
        self._limits = limits
        self.keeps_timelines = False
        # Once for several checks that share a machine.
        makes: dict[str, dict[type[Machine], None]] = {}
        for each in checks:
            for kind in each.watches:
                makes.setdefault(kind, {})[each.make] = None
        self._makes = {
            kind: tuple((make, f"on_{kind}") for make in each) for kind, each in makes.items()
        }

    def steps(self, call: Call, kind: str) -> tuple[Step, ...]:
        """Return what takes the lines of a *kind* in *call*."""
        steps = [self._step(call, make, name) for make, name in self._makes.get(kind, ())]
        if kind == "timings":
            steps.append(lambda event, _here: _note_ghost(call, event))
        if self.keeps_timelines:
            call.timeline = call.timeline or Timeline()
            steps += call.timeline.steps(kind)
        return tuple(steps)

    def _step(self, call: Call, make: type[Machine], name: str) -> Step:
        machine = call.machines.get(make)
        if machine is None:
            machine = call.machines[make] = make(self._limits)
        step: Step = getattr(machine, name)
        return step


def _note_ghost(call: Call, event: Event) -> None:
    # A session that nobody spoke in: nothing was ever sent.
    call.is_ghost = event.text("is_ghost") == "True" or event.number("tx") == 0

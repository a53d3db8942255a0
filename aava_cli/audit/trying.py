"""Try a marker pack's checks on lines that its markers could find, before any log is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aava_cli.audit.blocks import Block
from aava_cli.audit.checks import CHECKS
from aava_cli.audit.gate import NEEDED, Gate
from aava_cli.audit.markers import NAMES, Event
from aava_cli.audit.places import Here
from aava_cli.audit.profile import Limits
from aava_cli.audit.verdicts import Known

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aava_cli.audit.checks import Check
    from aava_cli.audit.markers import Marker
    from aava_cli.audit.profile import Profile


_TIMES = 3


class _Asked(dict[str, Any]):
    """A mapping that remembers what it was asked for and does not have."""

    def __init__(self, known: Mapping[str, Any]) -> None:
        super().__init__(known)
        self.missing: list[str] = []

    def __missing__(self, key: str) -> Any:  # noqa: ANN401 - whatever a check takes
        self.missing.append(key)
        return 1.0

    def get(self, key: str, default: Any = None) -> Any:  # noqa: ANN401 - as in dict
        if key not in self:
            self.missing.append(key)
        return super().get(key, default)


def try_checks(profile: Profile) -> None:
    """Refuse a *profile* that lacks what its checks ask for.

    Raises:
        ValueError: a check is unknown, or a channel, limit, word or field of one is missing.
    """
    markers = {each.kind: each for each in profile.markers}
    for name in profile.checks:
        if name not in CHECKS:
            raise ValueError(f"no check is called `{name}`")
        _try(CHECKS[name], profile, markers)
    if set(profile.checks) >= NEEDED:
        numbers = _Asked(profile.limits.numbers)
        Gate(Limits(numbers, profile.limits.words))
        _require(numbers, "limit", "the gate")


def _try(check: Check, profile: Profile, markers: Mapping[str, Marker]) -> None:
    whose = f"check `{check.id}`"
    if absent := sorted(check.needs - set(profile.channels)):
        raise ValueError(f"the channel `{absent[0]}` is missing, which {whose} needs")
    watched = [markers[kind] for kind in sorted(check.watches) if kind in markers]
    if check.watches and not watched:
        raise ValueError(f"no marker is one that {whose} watches")
    numbers, words = _Asked(profile.limits.numbers), _Asked(profile.limits.words)
    machine = check.make(Limits(numbers, words))
    # What a line means may depend on those before it, also on those of its own kind.
    for marker in watched * _TIMES:
        for _ in range(_TIMES):
            _show(machine, marker, whose)
    getattr(machine, check.verdict)(Known(frozenset(profile.channels), True, True, True))  # noqa: FBT003
    _require(numbers, "limit", whose)
    _require(words, "list of words", whose)


def _show(machine: object, marker: Marker, whose: str) -> None:
    """Show *machine* a line with every field that *marker* can have."""
    found = marker.pattern.groupindex
    fields = _Asked({name: 1.0 if name in marker.numbers else b"1" for name in found})
    ids = tuple((kind, b"1") for kind in NAMES if kind in found)
    here = Here(0)
    here.enter("", Block(b"1\n", b"1\n", 1, 0))
    try:
        getattr(machine, f"on_{marker.kind}")(Event(marker, ids, None, fields), here)
    except (TypeError, ValueError, AttributeError) as error:
        message = f"{whose} cannot read the fields of `{marker.kind}`: {error}"
        raise ValueError(message) from error
    _require(fields, "field", f"{whose} reads of `{marker.kind}`", verb="")


def _require(asked: _Asked, what: str, whose: str, *, verb: str = " needs") -> None:
    if asked.missing:
        raise ValueError(f"the {what} `{asked.missing[0]}` is missing, which {whose}{verb}")

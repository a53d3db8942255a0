"""A call's verdicts: what its checks say, as far as the log can be believed to be whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aava_cli.audit.quoting import quotes
from aava_cli.audit.redaction import answers_to
from aava_cli.audit.verdicts import Known, Status, Verdict, undecidable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aava_cli.audit.calls import Call
    from aava_cli.audit.checks import Check
    from aava_cli.audit.places import Sightings
    from aava_cli.audit.profile import Profile

_RESTS_ON_SILENCE = frozenset({Status.PASS, Status.NOT_TRIGGERED})
_MIXED = "this may be another call that began at the same time"
_SHARED = "this may be of a call that went on after it seemed to be over"
_QUOTED = "the lines that say so are code or a comment"


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdicts of one call, by check, and its scenario, if the operator said it."""

    verdicts: Mapping[str, Verdict]
    scenario: str | None
    known: Known


def scenario_of(call: Call, scenarios: Mapping[str, str]) -> str | None:
    """Return what the caller did, as *scenarios* say by the beginning of one of its names."""
    names = [name.decode("ascii", "replace") for values in call.ids.values() for name in values]
    return next(
        (
            scenario
            for start, scenario in scenarios.items()
            if any(answers_to(name, start) for name in names)
        ),
        None,
    )


def judge_all(
    call: Call, checks: Iterable[Check], profile: Profile, scenario: str | None = None
) -> Judged:
    """Return the verdicts of *checks* on *call*."""
    known = Known(frozenset(call.channels), call.started, call.ended, call.done, scenario)
    verdicts = {each.id: _judge(call, each, profile, known) for each in checks}
    return Judged(verdicts, scenario, known)


def _judge(call: Call, check: Check, profile: Profile, known: Known) -> Verdict:
    machine = call.machines.get(check.make) or check.make(profile.limits)
    verdict: Verdict = getattr(machine, check.verdict)(known)
    if verdict.status is Status.MANUAL:
        return verdict
    # What would have failed a call is told, though nobody knows of which it is.
    seen = verdict.seen if verdict.status is Status.FAIL else None
    if _is_only_quoted(seen):
        return undecidable(f"{verdict.reason}, but {_QUOTED}", verdict.figures)
    if call.is_mixed or call.is_shared:
        doubt = _MIXED if call.is_mixed else _SHARED
        return undecidable(f"{verdict.reason}, but {doubt}", verdict.figures, seen)
    if call.shared and not call.shared.isdisjoint(check.watches):
        return undecidable(f"{verdict.reason}, but {_SHARED}", verdict.figures, seen)
    if verdict.status not in _RESTS_ON_SILENCE and not verdict.by_absence:
        return verdict
    return _unless_silent(verdict, call, check, profile)


def _unless_silent(verdict: Verdict, call: Call, check: Check, profile: Profile) -> Verdict:
    """Return *verdict*, unless the silence of *call* may mean nothing to *check*."""
    if not check.needs <= call.channels:
        absent = sorted(check.needs - call.channels)
        titles = " and ".join(profile.channels[each].title for each in absent)
        return undecidable(f"absent from the log: {titles}", verdict.figures)
    if call.ambiguous and (ambiguous := sum(call.ambiguous[kind] for kind in check.watches)):
        reason = f"{ambiguous} lines may be of another call that went on at the same time"
        seen = verdict.seen if verdict.status is Status.FAIL else None
        return undecidable(reason, verdict.figures, seen)
    return verdict


def _is_only_quoted(seen: Sightings | None) -> bool:
    return seen is not None and bool(seen.places) and all(quotes(x.text) for x in seen.places)

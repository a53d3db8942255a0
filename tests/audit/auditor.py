"""Run the audit over bytes, without a command line."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from aava_cli.audit.apply import load_profile
from aava_cli.audit.auditing import Auditor
from aava_cli.audit.blocks import LineCutter
from aava_cli.audit.collectors import Collector
from aava_cli.audit.profile import Limits, Profile

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from aava_cli.audit.blocks import Block
    from aava_cli.audit.calls import Call
    from aava_cli.audit.judging import Judged
    from aava_cli.audit.verdicts import Status, Verdict

PIPELINE, MONITOR = "prosaasil-2025-12-14", "aava"
PACK = Path(__file__).parents[2] / f"aava_cli/audit/profiles/{PIPELINE}.toml"


@dataclass(frozen=True, slots=True)
class Audit:
    """What came out: verdicts by call, and of the run."""

    calls: dict[str, dict[str, Verdict]]
    run: Mapping[str, Verdict]
    unattributed: int
    alarms: Mapping[str, int]

    def statuses(self) -> dict[str, dict[str, Status]]:
        """Return the statuses alone."""
        return {
            call: {check: each.status for check, each in verdicts.items()}
            for call, verdicts in self.calls.items()
        }


@cache
def pipeline() -> Profile:
    """Return the pipeline's marker pack."""
    return load_profile(PIPELINE)


def moved(profile: Profile, limit: str, step: float) -> Profile:
    """Return *profile* with one limit moved."""
    numbers = {**profile.limits.numbers, limit: profile.limits.numbers[limit] + step}
    return replace(profile, limits=Limits(numbers, profile.limits.words))


def cut_blocks(chunks: Iterable[bytes]) -> Iterator[Block]:
    """Yield the blocks of *chunks*; an empty chunk says that no more comes for a while."""
    cutter = LineCutter()
    for chunk in chunks:
        yield from cutter.feed(chunk) if chunk else cutter.flush(everything=False)
    yield from cutter.flush()


def audit(
    log: bytes,
    *,
    profile: Profile | None = None,
    chunk_bytes: int = 1 << 20,
    scenarios: Mapping[str, str] | None = None,
) -> Audit:
    """Return what the log says."""
    profile = profile or pipeline()
    calls: dict[str, dict[str, Verdict]] = {}

    def take(call: Call, judged: Judged) -> None:
        name = call.name(profile.names_first)
        while name in calls:
            name += "'"
        calls[name] = dict(judged.verdicts)

    auditor, collector = Auditor(profile, 40, scenarios or {}, take), Collector()
    chunks = (log[begin : begin + chunk_bytes] for begin in range(0, len(log), chunk_bytes))
    for block in cut_blocks(chunks):
        auditor.feed("log", "log", collector, collector.unwrap(block))
    if (rest := collector.rest()) is not None:
        auditor.feed("log", "log", collector, rest)
    run = auditor.finish()
    alarms = {kind: seen.count for kind, seen in auditor.alarms.items()}
    return Audit(calls, run.verdicts if run else {}, auditor.unattributed().total(), alarms)


@cache
def monitor() -> Profile:
    """Return the marker pack of AAVA's engine and daemon."""
    return load_profile(MONITOR)

"""Blocks of lines in, calls with their verdicts out, each as soon as it is over."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from aava_cli.audit.calls import Call
from aava_cli.audit.checks import CHECKS
from aava_cli.audit.judging import Judged, judge_all, scenario_of
from aava_cli.audit.places import Here, Sightings
from aava_cli.audit.processes import Processes
from aava_cli.audit.quoting import is_quoted, is_speech
from aava_cli.audit.verdicts import Status
from aava_cli.audit.watching import Watch

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Mapping

    from aava_cli.audit.blocks import Block
    from aava_cli.audit.collectors import Collector
    from aava_cli.audit.markers import Event, Marker
    from aava_cli.audit.processes import AnyStream
    from aava_cli.audit.profile import Profile
    from aava_cli.audit.watching import Step

RUN = "run"
# Where hits are closer than that, to look at the whole block takes less than at each.
_CLOSE_BYTES = 2000
# So long after its end hardly any line of a call comes: it is told, and counted once it is final.
_TOLD_AFTER_S = 2.0
# A call that goes on is not silent for so long.
_SILENCE_S = 120.0


def _ignore(call: Call, judged: Judged) -> None:
    del call, judged


class Auditor:
    """Follows every call of a log, and hands each to *report* when it is final.

    Whoever follows a log is told sooner: *preview* gets a call some seconds after its end, and
    what comes later still counts. What it holds is bounded: the calls that go on, and a few
    places of each.
    """

    def __init__(
        self,
        profile: Profile,
        context_lines: int,
        scenarios: Mapping[str, str],
        report: Callable[[Call, Judged], None],
        preview: Callable[[Call, Judged], None] = _ignore,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._profile = profile
        self._scenarios = scenarios
        self._report = report
        self._preview = preview
        self._clock = clock
        self._heard_at = (0, clock())
        # Where lines name their call wherever they stand, a call goes on from process to process.
        self._is_one_stream = profile.elsewhere is not None
        self.profile_name = profile.name
        self._finder = profile.finder()
        checks = [CHECKS[name] for name in profile.checks]
        self._call_checks = [each for each in checks if each.subject == "call"]
        self._run_checks = [each for each in checks if each.subject == "run"]
        self._watch = Watch(self._call_checks, profile.limits)
        self._watch_run = Watch(self._run_checks, profile.limits)
        self._here = Here(context_lines)
        self._processes = Processes(profile, self._finish)
        self._stream = self._processes.stream
        self._run = Call(RUN, 0, started=True)
        self.events = 0
        self.has_calls = False
        self.alarms: dict[str, Sightings] = {}

    def keep_timelines(self) -> None:
        """Keep what a drawing of each call needs."""
        self._watch.keeps_timelines = True

    def join_groups(self) -> None:
        """Take what groups of sources say of a call that their lines name for one call's."""
        self._processes.join_groups()

    def feed(self, source: str, group: str, collector: Collector, block: Block) -> None:
        """Take the lines of one block of *source*; the calls of a *group* go on in it."""
        here, found = self._here, self._finder.find(block.data)
        here.enter(source, block, found.position, found.before)
        stream, process, events = self._stream(group, b""), b"", 0
        prefix = None if self._is_one_stream else collector.prefix
        are_close = len(found) * _CLOSE_BYTES > len(block.data)
        if prefix is not None and are_close and prefix.is_alone(block.data):
            stream, prefix = self._stream(group, prefix.last), None
        steps: tuple[Step, ...] = ()
        marker = named = call = None
        for index, event, response in self._finder.read(found):
            events += 1
            here.index = index
            if prefix is not None and (name := prefix.process(found.before(index))) is not process:
                stream, process, marker = self._stream(group, name), name, None
            phase = event.phase
            # Most lines are of the same kind and the same call as the one before.
            if event.marker is not marker or phase is None or response != named:
                marker, named = None, response
                if phase is None:
                    call = self._look_closely(stream, event, response)
                elif response is None:
                    call = stream.only[phase] or stream.route(event, response)
                else:
                    call = stream.responses.get(response) or stream.route(event, response)
                if call is None:
                    self._note_alarm(event, here)
                    continue
                marker = event.marker
                steps = call.steps.get(event.kind) or self._meet(call, marker)
            for step in steps:
                step(event, here)
        self.events += events
        here.leave()

    def _look_closely(self, stream: AnyStream, event: Event, response: bytes | None) -> Call | None:
        """Return the call of an event of no ordinary kind; None where it may be of none."""
        marker = event.marker
        if not self.has_calls:
            self.has_calls = self._tells_a_call(event)
        if marker.is_alarm:
            before = self._here.before(marker.tag)
            if is_quoted(before):
                return None
            if is_speech(before):
                stream.doubt(event)
                return None
        return self._run if marker.phase == "run" else stream.route(event, response)

    def _tells_a_call(self, event: Event) -> bool:
        """Return whether *event* is of a call for certain, whatever else prints like it.

        Where lines name their call wherever they stand, one that names none may be of any
        program; so may one that says that something went wrong.
        """
        if event.ids:
            return not event.marker.is_alarm
        return event.marker.role is not None and not self._is_one_stream

    def _note_alarm(self, event: Event, here: Here) -> None:
        if event.marker.is_alarm and not is_quoted(here.before(event.marker.tag)):
            self.alarms.setdefault(event.marker.kind, Sightings()).add(here)

    def _meet(self, call: Call, marker: Marker) -> tuple[Step, ...]:
        """Return what takes lines of this kind in *call*, where that is not known yet."""
        if marker.kind in call.steps:
            return ()
        call.channels.add(marker.channel)
        self._run.channels.add(marker.channel)
        call.live_kinds += marker.phase == "live" and marker.role is None
        watch = self._watch_run if call is self._run else self._watch
        steps = call.steps[marker.kind] = watch.steps(call, marker.kind)
        return steps

    def pause(self) -> None:
        """Tell the calls that are over for a while; nothing comes just now."""
        now = self._clock()
        events, since = self._heard_at
        if events != self.events:
            self._heard_at = (self.events, now)
        is_silent = events == self.events and now - since >= _SILENCE_S
        for stream in self._processes:
            for call in stream.over(is_silent=is_silent):
                if call.over_since is None:
                    call.over_since = now
                elif call.told is None and now - call.over_since >= _TOLD_AFTER_S:
                    self._preview(call, self._judged(call))

    def finish(self) -> Judged | None:
        """Report every call that is left, and return the verdicts on the run, if there are any."""
        self._processes.finish()
        if not self._run_checks:
            return None
        self._run.ended = self._run.done = True
        return judge_all(self._run, self._run_checks, self._profile)

    def unattributed(self) -> Counter[str]:
        """Return how many lines belong to no call that can be told, by kind."""
        return self._processes.unattributed()

    def _finish(self, call: Call) -> None:
        self._here.settle()
        judged = self._judged(call)
        for check, verdict in judged.verdicts.items():
            if verdict.status is Status.UNDECIDABLE and verdict.seen is not None:
                self._keep_alarm(check, verdict.seen)
        self._report(call, judged)

    def _judged(self, call: Call) -> Judged:
        scenario = scenario_of(call, self._scenarios)
        return judge_all(call, self._call_checks, self._profile, scenario)

    def _keep_alarm(self, check: str, seen: Sightings) -> None:
        """Keep what *check* would have failed, if it were known whose it is."""
        kept = self.alarms.setdefault(check, Sightings())
        for place in seen.places:
            kept.add_place(place)
        kept.count += seen.count - len(seen.places)

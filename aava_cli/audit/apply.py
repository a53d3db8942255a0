"""Read the logs and judge what is in them."""

from __future__ import annotations

import os
from contextlib import nullcontext
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from aava_cli.audit.blocks import LineCutter
from aava_cli.audit.choosing import Choice
from aava_cli.audit.collectors import Collector
from aava_cli.audit.following import Reader, undisturbed
from aava_cli.audit.gate import NEEDED
from aava_cli.audit.plan import AUTO, AuditPlan, Source
from aava_cli.audit.problems import Damaged, Unreadable
from aava_cli.audit.profile import Profile, parse_profile
from aava_cli.audit.report.results import Audited, CheckReport
from aava_cli.audit.sources import read_source, require_different
from aava_cli.errors import NotFound, Terminated, UsageError, with_nearest
from aava_cli.events import Finding, Log, Progress

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from aava_cli.audit.auditing import Auditor
    from aava_cli.audit.blocks import Block
    from aava_cli.audit.finding import Finder
    from aava_cli.audit.report.building import Builder
    from aava_cli.audit.verdicts import Status
    from aava_cli.events import Emit

_PROFILES = "profiles"
# Some hundred times what the ones that come with the program have.
_PACK_BYTES = 1 << 20
_REPORTED_BYTES = 32 << 20
# Blocks of a log without any marker of the pack in which others' are looked for.
_SNIFFED_BLOCKS = 8


def shipped_profiles() -> tuple[str, ...]:
    """Return the names of the marker packs that come with the program."""
    folder = resources.files("aava_cli.audit") / _PROFILES
    return tuple(sorted(each.name.removesuffix(".toml") for each in folder.iterdir()))


def load_profile(name: str) -> Profile:
    """Return the marker pack *name*, or the one in the file that *name* is.

    Raises:
        UsageError: no pack that comes with the program has that name.
        Unreadable: the file is not there, is no text, or is too large.
        BadPack: the file is no marker pack.
    """
    if name in shipped_profiles():
        shipped = resources.files("aava_cli.audit") / _PROFILES / f"{name}.toml"
        return parse_profile(shipped.read_text(encoding="utf-8"), name=f"{name}.toml")
    if os.sep not in name and not name.endswith(".toml"):
        message = with_nearest(f"no marker pack named `{name}`", name, shipped_profiles())
        raise UsageError(message, hint="give one of these, `auto`, or a file")
    try:
        with Path(name).open("rb") as file:
            text = file.read(_PACK_BYTES + 1).decode()
    except (OSError, UnicodeDecodeError) as error:
        message = f"cannot read the marker pack `{name}`: {error}"
        raise Unreadable(message, hint="name a file in TOML") from error
    if len(text) > _PACK_BYTES:
        message = f"the marker pack `{name}` has more than {_PACK_BYTES >> 20} MiB"
        raise Unreadable(message, hint="name a file in TOML")
    return parse_profile(text, name=name)


def apply_audit(plan: AuditPlan, emit: Emit, *, tell_calls: bool) -> Audited:
    """Return what *plan*'s logs say; with *tell_calls*, each call is told as it ends.

    Raises:
        Unreadable: a log cannot be read at all.
        NotFound: a log is empty, or is not the marker pack's.
    """
    reading = _Reading(plan, emit, tell_calls=tell_calls)
    require_different(plan.sources)
    for source in plan.sources:
        _tell_waiting(source, emit, follow=plan.follow)
        reading.read(source)
    reading.require_content()
    return reading.result()


def _tell_waiting(source: Source, emit: Emit, *, follow: bool) -> None:
    if follow and source.kind == "file" and not Path(source.name).exists():
        emit(Log(f"waiting for `{source.name}`, which is not there yet", level="warning"))


class _Reading:
    """One run: follows calls by the marker pack that is given, or by each until it is known."""

    def __init__(self, plan: AuditPlan, emit: Emit, *, tell_calls: bool) -> None:
        self._plan = plan
        self._emit = emit
        self._tell_calls = tell_calls
        names = shipped_profiles() if plan.profile == AUTO else (plan.profile,)
        profiles = [load_profile(name) for name in names]
        if plan.gate and len(profiles) > 1:
            profiles = [each for each in profiles if set(each.checks) >= NEEDED]
        self._choice = Choice(plan, profiles, self._tell)
        self._names = {plan.profile, *(each.name for each in profiles)}
        self._reader = Reader()
        self._sniffed = 0
        self._looks_like: Profile | None = None
        self._lines = self._size_bytes = 0
        self._problems: list[Damaged] = []
        self._empty: list[Source] = []

    def read(self, source: Source) -> None:
        """Take all of *source*; a damaged one counts as far as it can be read."""
        before = self._size_bytes
        try:
            self._take(source)
        except Damaged as problem:
            self._problems.append(problem)
        except (KeyboardInterrupt, Terminated):
            # Who follows a log says so when it is enough.
            if not self._plan.follow:
                raise
        if self._size_bytes == before:
            self._empty.append(source)

    def require_content(self) -> None:
        """Refuse logs that are all empty; of one that was just rotated the older part is not.

        Raises:
            NotFound: nothing was read.
        """
        if self._size_bytes or self._problems or self._plan.follow:
            return
        names = ", ".join(f"`{each.word}`" for each in self._empty)
        verb = "is" if len(self._empty) == 1 else "are"
        raise NotFound(f"{names} {verb} empty: no calls found", hint=self._empty[0].look())

    def _take(self, source: Source) -> None:
        cutter, collector = LineCutter(), Collector()
        # Who follows a log ends with a signal, between two blocks rather than in one.
        whole = undisturbed if self._plan.follow else nullcontext
        try:
            for chunk in read_source(source, follow=self._plan.follow):
                with whole():
                    if chunk is None:
                        self._end(source, cutter, collector)
                        cutter, collector = LineCutter(), Collector()
                    else:
                        self._go_on(source, cutter, collector, chunk)
                # Who follows a log also says that it is enough by closing the other end.
                if not chunk and self._reader.is_gone():
                    break
        finally:
            # Also what stands before the damage, or before whoever follows had enough.
            with whole():
                self._end(source, cutter, collector)

    def _go_on(
        self, source: Source, cutter: LineCutter, collector: Collector, chunk: bytes
    ) -> None:
        blocks = cutter.feed(chunk) if chunk else cutter.flush(everything=False)
        self._feed(source, collector, blocks)
        if not chunk:
            self._choice.pause()
        self._report_progress(source.name, len(chunk))

    def _end(self, source: Source, cutter: LineCutter, collector: Collector) -> None:
        """Take what the end of a file leaves unfinished."""
        self._feed(source, collector, cutter.flush())
        self._lines += cutter.lines
        if (rest := collector.rest()) is not None:
            self._audit(source, collector, rest)
        if left_out := collector.left_out:
            message = f"`{source.word}` lacks {left_out} of its messages, which were long"
            hint = "run `journalctl --output=json --all`, which leaves none out"
            self._problems.append(Damaged(message, hint=hint))

    def _feed(self, source: Source, collector: Collector, blocks: Iterator[Block]) -> None:
        for block in blocks:
            self._audit(source, collector, collector.unwrap(block))

    def _report_progress(self, name: str, chunk_bytes: int) -> None:
        before = self._size_bytes
        self._size_bytes += chunk_bytes
        if before // _REPORTED_BYTES != self._size_bytes // _REPORTED_BYTES:
            self._emit(Progress(name, self._size_bytes, None))

    def _audit(self, source: Source, collector: Collector, block: Block) -> None:
        self._choice.feed(source.name, source.group, collector, block)
        if self._sniffed < _SNIFFED_BLOCKS and not self._choice.likeliest().auditor.events:
            self._sniffed += 1
            self._looks_like = self._looks_like or _likeliest(_others(self._names), block)

    def _tell(self, name: str, status: Status, checks: tuple[str, ...]) -> None:
        if self._tell_calls:
            self._emit(Finding(name, status, checks))

    def result(self) -> Audited:
        """Return the answer: nothing more is to come."""
        chosen = self._choice.likeliest()
        auditor, builder = chosen.auditor, chosen.builder
        if not auditor.events and self._looks_like is not None:
            message = f"no line is of `{auditor.profile_name}`: no calls found"
            raise NotFound(message, hint=f"try `--profile {self._looks_like.name}`")
        run = auditor.finish() if auditor.events else None
        chosen.tell(self._tell)
        return self._answer(auditor, builder, builder.run(run.verdicts) if run else ())

    def _answer(self, auditor: Auditor, builder: Builder, run: tuple[CheckReport, ...]) -> Audited:
        kept, alarms = builder.kept(), builder.alarms(auditor.alarms)
        coverage = builder.coverage(alarms)
        if alarmed := coverage.alarm():
            self._emit(Log(alarmed, level="warning"))
        return Audited(
            profile=auditor.profile_name,
            sources=tuple(each.name for each in self._plan.sources),
            lines=self._lines,
            size_bytes=self._size_bytes,
            events=auditor.events,
            coverage=coverage,
            counts=dict(builder.counts),
            calls=kept,
            calls_left_out=builder.calls - len(kept),
            run=run,
            unattributed=dict(auditor.unattributed()),
            alarms=alarms,
            gate=builder.gate(),
            drawn=builder.drawn,
            problems=tuple(each.message for each in self._problems),
            advice=tuple(dict.fromkeys(each.hint for each in self._problems)),
            strict=self._plan.strict,
        )


def _others(names: Container[str]) -> list[Profile]:
    return [load_profile(each) for each in shipped_profiles() if each not in names]


def _events(finder: Finder, data: bytes) -> int:
    return sum(1 for _ in finder.read(finder.find(data)))


def _likeliest(profiles: list[Profile], block: Block) -> Profile | None:
    """Return the marker pack of which most lines are in *block*, if any are."""
    counted = [(_events(each.finder(), block.data), each) for each in profiles]
    most, likeliest = max(counted, key=lambda pair: pair[0], default=(0, None))
    return likeliest if most else None

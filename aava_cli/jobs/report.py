"""What is shown of jobs: how they are, and what they said."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from aava_cli.errors import AavaError
from aava_cli.events import Log, Progress
from aava_cli.output import Result, Table, human_time
from aava_cli.watching import describe

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aava_cli.events import Emit, Event
    from aava_cli.jobs.store import Job, JobState

_STEP_S = 0.1
_PROGRESS_FIELDS = frozenset(each.name for each in fields(Progress))


@dataclass(frozen=True, slots=True)
class JobReport(Result):
    """How one job is; *failed* is what its command failed with."""

    id: str
    command: str
    state: JobState
    exit_code: int | None
    since: float
    ended: float | None
    progress: tuple[Progress, ...]
    log: Path
    failed: AavaError | None = field(default=None)

    def text(self) -> Iterator[str]:
        """Yield a line per fact."""
        code = "" if self.exit_code is None else f", exit code {self.exit_code}"
        yield f"{'job':<9}{self.id}: {self.state}{code}"
        yield f"{'command':<9}{self.command}"
        yield f"{'since':<9}{_clock(self.since)} ({human_time(self.took_s())})"
        for each in self.progress:
            yield f"{'at':<9}{each.task}: {describe(each)}"
        yield f"{'log':<9}{self.log}"

    def took_s(self) -> float:
        """Return for how long the command runs, or ran."""
        return max(0.0, (self.ended or time.time()) - self.since)

    def failure(self) -> AavaError | None:
        """Return what the command failed with, where its end is the answer."""
        return self.failed


@dataclass(frozen=True, slots=True)
class Jobs(Result):
    """All jobs of the project."""

    jobs: tuple[JobReport, ...]

    def text(self) -> Iterator[str | Table]:
        """Yield a row per job."""
        if self.jobs:
            yield Table(("JOB", "STATE", "SINCE", "COMMAND"), tuple(map(_cells, self.jobs)))
        else:
            yield "no job was started"


@dataclass(frozen=True, slots=True)
class JobLog(Result):
    """What a job said so far, as a person would have seen it."""

    id: str
    lines: tuple[str, ...]

    def text(self) -> Iterator[str]:
        """Yield its lines."""
        yield from self.lines


def report(job: Job, *, ending: bool = False) -> JobReport:
    """Return how *job* is; with *ending*, a failure of its command is one of the report."""
    # Looked at first: what it says after it has ended is complete.
    state = job.state()
    last = _last_progress(job) if state == "running" else ()
    failed = _failure(job, state) if ending else None
    command = " ".join(job.command)
    return JobReport(
        job.id, command, state, job.exit_code(), job.since, job.ended(), last, job.log, failed
    )


def read_log(job: Job) -> JobLog:
    """Return what *job* said so far."""
    return JobLog(job.id, tuple(line for event in _events(job) for line in _said(event)))


def follow(job: Job, emit: Emit) -> None:
    """Emit what *job* says, from its beginning, until it has ended."""
    with job.log.open(encoding="utf-8", errors="replace") as file:
        rest = ""
        while True:
            runs = job.state() == "running"
            rest = _emit_lines(rest + file.read(), emit)
            if not runs:
                return
            time.sleep(_STEP_S)


def _emit_lines(text: str, emit: Emit) -> str:
    """Emit the whole lines of *text*, and return what is left."""
    *lines, rest = text.split("\n")
    for line in lines:
        event = _shown(_parse(line))
        if event is not None:
            emit(event)
    return rest


def _events(job: Job) -> Iterator[dict[str, Any]]:
    text = job.log.read_text(encoding="utf-8", errors="replace")
    yield from (_parse(line) for line in text.splitlines())


def _parse(line: str) -> dict[str, Any]:
    """Return the event in *line*; anything else is what a program said on its way down."""
    try:
        event = json.loads(line)
        if isinstance(event, dict) and "event" in event:
            return event
    except ValueError:
        pass
    return {"event": "log", "message": line, "level": "info"}


def _shown(event: dict[str, Any]) -> Event | None:
    match event["event"]:
        case "progress":
            known = {name: value for name, value in event.items() if name in _PROGRESS_FIELDS}
            return Progress(**known)
        case "log":
            return Log(event["message"], event["level"])
    return None


def _said(event: dict[str, Any]) -> Iterator[str]:
    match _shown(event):
        case Log(message, level):
            yield f"warning: {message}" if level == "warning" else message
        case None if event["event"] == "error":
            error = event["error"]
            yield f"error: {error['message']}"
            yield f"hint:  {error['hint']}"
        case _:
            return


def _last_progress(job: Job) -> tuple[Progress, ...]:
    events = (_shown(event) for event in _events(job))
    last = [event for event in events if isinstance(event, Progress)][-1:]
    return tuple(last)


def _failure(job: Job, state: JobState) -> AavaError | None:
    hint = f"run `aava jobs logs {job.id}`"
    if state == "lost":
        return AavaError(f"`{job.id}` was killed, or the host went down", hint=hint)
    if state != "failed":
        return None
    for event in _events(job):
        if event["event"] == "error":
            error = event["error"]
            return _error_class(error["code"])(error["message"], hint=error["hint"])
    return AavaError(f"`{job.id}` ended with the exit code {job.exit_code()}", hint=hint)


def _error_class(code: str) -> type[AavaError]:
    return next((each for each in AavaError.__subclasses__() if each.code == code), AavaError)


def _cells(job: JobReport) -> tuple[str, ...]:
    code = f" ({job.exit_code})" if job.exit_code else ""
    return (job.id, job.state + code, _clock(job.since), job.command)


def _clock(when: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(when))

"""Jobs on disk: one folder each, with the command, its process, what it said and how it ended."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from aava_cli.errors import NotFound
from aava_cli.files import PRIVATE_FILE, atomic_write, hand_over, private_folder
from aava_cli.processes import liveness, parse_process
from aava_cli.store import prepare_state

if TYPE_CHECKING:
    from pathlib import Path

    from aava_cli.processes import Process
    from aava_cli.settings import Settings

JobState: TypeAlias = Literal["running", "done", "failed", "lost"]
"""`lost` ended without a word: the host went down, or somebody killed all of it."""

JOB_VARIABLE = "AAVA_JOB"
"""Says to a command in the background which job it is."""

_ID = re.compile(r"([a-z]+)-(\d+)")


@dataclass(frozen=True, slots=True)
class Job:
    """One command that was sent to the background; *process* leads its session."""

    id: str
    command: tuple[str, ...]
    since: float
    process: Process
    folder: Path

    @property
    def log(self) -> Path:
        """The events of the command, a line of JSON each."""
        return self.folder / "log"

    @property
    def exit_file(self) -> Path:
        """The exit code, once there is one."""
        return self.folder / "exit"

    def exit_code(self) -> int | None:
        """Return how the command ended, or None if that is not known."""
        try:
            return int(self.exit_file.read_text(encoding="ascii"))
        except (FileNotFoundError, ValueError):
            return None

    def state(self) -> JobState:
        """Return how it is with the job at this moment."""
        # Whether it lives is asked first: it may end in between, and then it has its code.
        lives = liveness(self.process) != "dead"
        code = self.exit_code()
        if code is not None:
            return "failed" if code else "done"
        return "running" if lives else "lost"

    def ended(self) -> float | None:
        """Return when the command ended, or None if that is not known."""
        return self.exit_file.stat().st_mtime if self.exit_file.exists() else None


def new_folder(settings: Settings, kind: str) -> Path:
    """Return a new folder for a job that is a *kind* of command; its name is the job's id."""
    jobs = _jobs_folder(settings)
    prepare_state(settings)
    private_folder(jobs)
    number = 1 + max((_number(path.name) for path in jobs.iterdir()), default=0)
    while True:
        folder = jobs / f"{kind}-{number}"
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            number += 1
        else:
            hand_over(folder)
            return folder


def record(folder: Path, command: tuple[str, ...], process: Process) -> Job:
    """Write down that *process* carries out *command* as the job of *folder*."""
    job = Job(folder.name, command, time.time(), process, folder)
    fields = {"command": command, "since": job.since, "process": str(process)}
    atomic_write(folder / "job.json", json.dumps(fields).encode(), mode=PRIVATE_FILE)
    return job


def all_jobs(settings: Settings) -> tuple[Job, ...]:
    """Return the jobs of the project, the oldest first."""
    found = map(job_in, job_folders(settings))
    return tuple(job for job in found if job is not None)


def job_folders(settings: Settings) -> tuple[Path, ...]:
    """Return the folders of all jobs, the oldest first; one that just begins may have no job.

    A link is none of them: nobody here makes one, and it may lead anywhere.
    """
    found = (
        path
        for path in _jobs_folder(settings).glob("*-*")
        if _ID.fullmatch(path.name) and not path.is_symlink()
    )
    return tuple(sorted(found, key=lambda path: (_number(path.name), path.name)))


def find_job(settings: Settings, name: str) -> Job:
    """Return the job *name*.

    Raises:
        NotFound: there is none.
    """
    jobs = {job.id: job for job in all_jobs(settings)}
    if name not in jobs:
        raise NotFound.named("job", name, jobs, listing="aava jobs list")
    return jobs[name]


def job_in(folder: Path) -> Job | None:
    """Return the job of *folder*; None where it has no process yet, or never got one."""
    try:
        fields = json.loads((folder / "job.json").read_bytes())
        process = parse_process(fields["process"])
        if process is None:
            return None
        return Job(folder.name, tuple(fields["command"]), fields["since"], process, folder)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _number(name: str) -> int:
    found = _ID.fullmatch(name)
    return int(found[2]) if found else 0


def _jobs_folder(settings: Settings) -> Path:
    return settings.state_dir / "jobs"

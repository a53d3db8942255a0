"""Start a command as a job, and stop one."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import TYPE_CHECKING

from aava_cli.errors import Busy, NotPossible
from aava_cli.files import PRIVATE_FILE, hand_over
from aava_cli.jobs.store import JOB_VARIABLE, find_job, new_folder, record
from aava_cli.processes import local_process
from aava_cli.redact import shown_word

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aava_cli.jobs.store import Job
    from aava_cli.settings import Settings

_STEP_S = 0.1

# The shell begins once the job is on record: one that nobody could find and end never runs. It
# outlives a command that is killed, and records that too. It leaves signals to the command:
# what is caught here is not caught there, what is ignored here stays ignored.
RECORD = """
trap '' HUP
trap : TERM INT
read -r go || exit
"$@" </dev/null
code=$?
echo "$code" >"$0.new" && mv "$0.new" "$0"
"""


def start_job(settings: Settings, kind: str, words: Sequence[str]) -> Job:
    """Carry out `aava` *words* on this project in a session of its own, and return at once."""
    folder = new_folder(settings, kind)
    program = (sys.executable, "-m", "aava_cli", "--events", *_places(settings))
    argv = ["sh", "-c", RECORD, str(folder / "exit"), *program, *words]
    log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, PRIVATE_FILE)
    hand_over(folder / "log")
    gate, opening = os.pipe()
    environ = {**os.environ, JOB_VARIABLE: folder.name}
    try:
        redirect = [(os.POSIX_SPAWN_DUP2, source, to) for source, to in _streams(gate, log)]
        pid = os.posix_spawnp("sh", argv, environ, file_actions=redirect, setsid=True)
        job = record(folder, ("aava", *map(shown_word, words)), local_process(pid))
        os.write(opening, b"go\n")
    finally:
        for each in (log, gate, opening):
            os.close(each)
    return job


def _places(settings: Settings) -> tuple[str, ...]:
    places = ("--project", str(settings.project), "--models-dir", str(settings.models_dir))
    return (*places, "--daemon", settings.daemon_url) if settings.daemon_url else places


def _streams(gate: int, log: int) -> tuple[tuple[int, int], ...]:
    return ((gate, 0), (log, 1), (log, 2))


def wait_for(job: Job, timeout_s: float | None = None) -> None:
    """Return when *job* has ended.

    Raises:
        Busy: it still runs after *timeout_s*.
    """
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    while job.state() == "running":
        if deadline is not None and time.monotonic() >= deadline:
            hint = f"run `aava jobs wait {job.id}`"
            raise Busy(f"`{job.id}` still runs after {timeout_s:g} s", hint=hint)
        time.sleep(_STEP_S)


def _terminate(pid: int) -> None:
    try:
        # The shell that leads the session catches this, and records how the command ends.
        os.killpg(pid, signal.SIGTERM)
    except ProcessLookupError:
        # One that runs in a terminal need not lead a group, and records that itself.
        os.kill(pid, signal.SIGTERM)


def cancel_job(settings: Settings, name: str, timeout_s: float) -> Job:
    """End the job *name* as Ctrl-C would: what it began is undone, or kept for the next time.

    Raises:
        NotFound: there is no such job.
        NotPossible: it runs on another host.
        Busy: it still cleans up after *timeout_s*.
    """
    job = find_job(settings, name)
    if job.state() == "running":
        if job.process.place != local_process(os.getpid()).place:
            message = f"`{job.id}` runs on another host"
            raise NotPossible(message, hint=f"run `aava jobs cancel {job.id}` there")
        _terminate(job.process.pid)
        wait_for(job, timeout_s)
    return job

"""The native daemon as a job of its project: which one it is, and whether it has loaded."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from aava_cli.backends import backend_in_env, selected_in
from aava_cli.daemon.client import connect
from aava_cli.daemon.loads import LoadTimes
from aava_cli.errors import DaemonUnreachable, NotPossible
from aava_cli.jobs.launch import start_job
from aava_cli.jobs.report import report
from aava_cli.jobs.store import all_jobs
from aava_cli.roles import ROLES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from aava_cli.jobs.store import Job
    from aava_cli.session import Session
    from aava_cli.settings import Settings

JOB_KIND = "serve"
# It ends its engines, each of which may be in the middle of a sentence.
END_S = 30.0
_POLL_S = 0.2
_ANSWER_S = 10.0


def start_serving(session: Session) -> Job:
    """Start `aava serve` in the background, with what `.env` says, and return at once."""
    return start_job(session.settings, JOB_KIND, (JOB_KIND,))


def serving_jobs(settings: Settings) -> Iterator[Job]:
    """Yield the jobs of the project that run a daemon at this moment, the oldest first."""
    for job in all_jobs(settings):
        if job.folder.name.startswith(f"{JOB_KIND}-") and job.state() == "running":
            yield job


def job_of(settings: Settings, pid: object) -> Job | None:
    """Return the job of the project whose daemon is the process *pid*, or None if it is none."""
    import psutil

    if not isinstance(pid, int):
        return None
    try:
        leader = psutil.Process(pid).ppid()
    except psutil.Error:
        return None
    jobs = (job for job in all_jobs(settings) if job.state() == "running")
    return next((job for job in jobs if job.process.pid == leader), None)


def require_running(job: Job) -> None:
    """Raise what *job* gave as its reason, if it has ended."""
    if job.state() != "running":
        reason = report(job, ending=True).failure()
        hint = f"run `aava jobs logs {job.id}`"
        raise reason or NotPossible(f"`{job.id}` ended at once", hint=hint)


def start_name(env: Mapping[str, str]) -> str:
    """Return what a start with *env* is called: how long it takes depends on what it loads."""
    backends = [backend_in_env(role, env) for role in ROLES]
    loaded = (
        f"{backend.name}:{selected_in(backend, env).model}"
        for backend in backends
        if backend and not (backend.role == "llm" and env.get("LOCAL_AI_MODE") == "minimal")
    )
    return " ".join(("start", *loaded))


def start_timeout_s(session: Session, values: Mapping[str, str]) -> float:
    """Return how long a start with *values* in `.env` may take: several times what it took."""
    name = start_name({**session.env(), **values})
    return LoadTimes(session.settings.state_dir).deadline_s((name,))


def wait_until_loaded(
    session: Session,
    timeout_s: float,
    require_alive: Callable[[], None] = lambda: None,
    *,
    since_s: float | None = None,
) -> None:
    """Return once the daemon answers and loads nothing; a load that failed is told by a switch.

    *since_s* is when it was started, by the monotonic clock: how long that took is remembered.
    None where somebody else began it.

    Raises:
        DaemonUnreachable: it does not in time.
        AavaError: *require_alive* said that it will not.
    """
    begun_s = time.monotonic()
    while time.monotonic() - begun_s < timeout_s:
        require_alive()
        if _has_loaded(session):
            if since_s is not None:
                name, loads = start_name(session.env()), LoadTimes(session.settings.state_dir)
                loads.note((name,), time.monotonic() - since_s)
            return
        time.sleep(_POLL_S)
    message = f"the daemon is not ready after {timeout_s:g} s"
    hint = f"a large model takes longer: `aava up --timeout {2 * timeout_s:.0f}`"
    raise DaemonUnreachable(message, hint=hint)


def _has_loaded(session: Session) -> bool:
    # One that loads may be slow to answer: that is no reason to give it up.
    with suppress(DaemonUnreachable), connect(session, timeout_s=_ANSWER_S) as daemon:
        return not daemon.status().get("loading")
    return False

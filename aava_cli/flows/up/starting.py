"""Start the project's daemon: its container, or `aava serve` in a session of its own."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from aava_cli.backends import backend_in_env, selected_in
from aava_cli.daemon.loads import LoadTimes
from aava_cli.daemon.sparing import SpareCalls
from aava_cli.docker.argv import SERVICE
from aava_cli.docker.compose import find_project, read_service
from aava_cli.docker.engine import find_container, require_engine
from aava_cli.docker.health import wait_until_well
from aava_cli.docker.recreate import RecreateService
from aava_cli.errors import DaemonUnreachable, NotPossible
from aava_cli.flows.up.envwriting import env_steps
from aava_cli.flows.up.look import ask_daemon
from aava_cli.jobs.launch import cancel_job, start_job
from aava_cli.jobs.report import report
from aava_cli.jobs.store import all_jobs
from aava_cli.journal import Journal
from aava_cli.roles import ROLES
from aava_cli.transaction import carry_out

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aava_cli.daemon.step import Terms
    from aava_cli.docker.argv import Project
    from aava_cli.docker.engine import Engine
    from aava_cli.flows.up.look import Daemon
    from aava_cli.jobs.store import Job
    from aava_cli.session import Session
    from aava_cli.settings import Settings
    from aava_cli.steps import Step

JOB_KIND = "serve"
_POLL_S = 0.2
# It ends its engines, each of which may be in the middle of a sentence.
_END_S = 30.0
_AS_IT_IS: dict[str, str] = {}


def start_native(session: Session, terms: Terms) -> Job:
    """Start `aava serve` in the background and return its job once the daemon has loaded.

    It survives the terminal. One that is starting already is waited for. Who interrupts the
    wait does not want the daemon any more: it is ended.

    Raises:
        AavaError: it ended again, for the reason that it gave.
        DaemonUnreachable: it does not answer in time.
    """
    settings = session.settings
    try:
        running, begun_s = _running_job(settings), time.monotonic()
        job = running or start_job(settings, JOB_KIND, (JOB_KIND,))
        since_s = None if running else begun_s
        wait_until_loaded(session, terms, lambda: _require_running(job), since_s=since_s)
    except BaseException as error:
        begun = _running_job(settings)
        if begun is not None:
            cancel_job(settings, begun.id, _END_S)
            if isinstance(error, DaemonUnreachable):
                error.message += "; it was ended"
        raise
    return job


def _require_running(job: Job) -> None:
    if job.state() != "running":
        reason = report(job, ending=True).failure()
        hint = f"run `aava jobs logs {job.id}`"
        raise reason or NotPossible(f"`{job.id}` ended at once", hint=hint)


def _running_job(settings: Settings) -> Job | None:
    jobs = (job for job in all_jobs(settings) if job.folder.name.startswith(f"{JOB_KIND}-"))
    return next((job for job in jobs if job.state() == "running"), None)


def stop_native(session: Session, daemon: Daemon, terms: Terms) -> None:
    """End the daemon, which has to be a job of this project; no live call is cut unasked.

    Raises:
        NotPossible: somebody else started it.
        Busy: calls are live.
    """
    spare = SpareCalls(session, terms.guard)
    spare.drain()
    spare.check()
    job = job_of(session, daemon)
    if job is None:
        message = "the daemon has to start again, and `aava up` did not start it"
        raise NotPossible(message, hint="restart it, then run `aava up` again")
    cancel_job(session.settings, job.id, _END_S)


def job_of(session: Session, daemon: Daemon) -> Job | None:
    """Return the job of the project that *daemon* is, or None if it is none."""
    import psutil

    try:
        leader = psutil.Process(daemon.status.get("pid")).ppid()
    except psutil.Error:
        return None
    jobs = (job for job in all_jobs(session.settings) if job.state() == "running")
    return next((job for job in jobs if job.process.pid == leader), None)


def start_container(session: Session, terms: Terms) -> None:
    """Have the daemon's container run with what `.env` says now, and its daemon answer.

    One that is starting already is waited for. After a failure it is as it was before.

    Raises:
        ContainerFailed: the container of before does not get well.
        RolledBack: the new one does not; it is gone again.
        DaemonUnreachable: it is well, and its daemon listens elsewhere.
    """
    project, _engine = _project(session)
    container, since_s = find_container(project.name, SERVICE), None
    if container is not None and container.status == "running" and not container.restarts:
        wait_until_well(project.name, SERVICE, timeout_s=_timeout_s(session, terms))
    else:
        since_s = time.monotonic()
        _replace(session, terms, {})
    wait_until_loaded(session, terms, lambda: None, since_s=since_s)


def restart_container(session: Session, terms: Terms, values: Mapping[str, str]) -> None:
    """Have `.env` say *values*, and a container that reads them; or change nothing.

    Raises:
        Busy: calls are live.
        RolledBack: the new one does not get well; the old one runs again.
    """
    since_s = time.monotonic()
    _replace(session, terms, values)
    wait_until_loaded(session, terms, lambda: None, since_s=since_s)


def _project(session: Session) -> tuple[Project, Engine]:
    engine = require_engine()
    found = find_project(session.settings.project, session.env(), engine)
    return read_service(found).project, engine


def _timeout_s(session: Session, terms: Terms, values: Mapping[str, str] = _AS_IT_IS) -> float:
    loads = LoadTimes(session.settings.state_dir)
    return terms.timeout_s or loads.deadline_s((start_name({**session.env(), **values}),))


def start_name(env: Mapping[str, str]) -> str:
    """Return what a start with *env* is called: how long it takes depends on what it loads."""
    backends = [backend_in_env(role, env) for role in ROLES]
    loaded = (
        f"{backend.name}:{selected_in(backend, env).model}"
        for backend in backends
        if backend and not (backend.role == "llm" and env.get("LOCAL_AI_MODE") == "minimal")
    )
    return " ".join(("start", *loaded))


def _note_start(session: Session, since_s: float | None) -> None:
    if since_s is not None:
        loads = LoadTimes(session.settings.state_dir)
        loads.note((start_name(session.env()),), time.monotonic() - since_s)


def _replace(session: Session, terms: Terms, values: Mapping[str, str]) -> None:
    project, engine = _project(session)
    with session.lock():
        reads = env_steps(session, values)
        step = RecreateService.plan(
            project, engine, reads=reads, timeout_s=_timeout_s(session, terms, values)
        )
        spare = SpareCalls(session, terms.guard)
        spare.drain()
        # The calls are looked at last: a moment later the old container goes.
        steps: tuple[Step, ...] = (*reads, spare, step)
        carry_out(steps, Journal(session.settings.state_dir), verify=step.verify)


def wait_until_loaded(
    session: Session,
    terms: Terms,
    require_running: Callable[[], None],
    *,
    since_s: float | None = None,
) -> None:
    """Return once the daemon answers and loads nothing; a load that failed is told by a switch.

    *since_s* is when it was started, by the monotonic clock: how long it took since then is
    remembered. None where somebody else began it.

    Raises:
        DaemonUnreachable: it does not in time.
    """
    begun_s, timeout_s = time.monotonic(), _timeout_s(session, terms)
    while time.monotonic() - begun_s < timeout_s:
        require_running()
        # One that loads may be slow to answer: that is no reason to give it up.
        with suppress(DaemonUnreachable):
            daemon = ask_daemon(session)
            if daemon is not None and not daemon.status.get("loading"):
                _note_start(session, since_s)
                return
        time.sleep(_POLL_S)
    message = f"the daemon was started, and is not ready after {timeout_s:g} s"
    hint = f"a large model takes longer: `aava up --timeout {2 * timeout_s:.0f}`"
    raise DaemonUnreachable(message, hint=hint)

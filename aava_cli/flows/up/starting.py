"""Start the project's daemon: its container, or `aava serve` in a session of its own."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from aava_cli.daemon.environment import container_environment
from aava_cli.daemon.restart import RestartDaemon
from aava_cli.daemon.serving import (
    END_S,
    job_of,
    require_running,
    serving_jobs,
    start_serving,
    start_timeout_s,
    wait_until_loaded,
)
from aava_cli.daemon.sparing import SpareCalls
from aava_cli.docker.argv import SERVICE
from aava_cli.docker.compose import find_project, read_service
from aava_cli.docker.engine import find_container, require_engine
from aava_cli.docker.health import is_well, wait_until_well
from aava_cli.docker.recreate import RecreateService
from aava_cli.errors import DaemonUnreachable, NotPossible
from aava_cli.flows.up.envwriting import env_steps
from aava_cli.flows.up.look import ask_daemon
from aava_cli.jobs.launch import cancel_job
from aava_cli.journal import Journal
from aava_cli.session import Session
from aava_cli.transaction import carry_out

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aava_cli.daemon.step import Terms
    from aava_cli.docker.argv import Project
    from aava_cli.docker.engine import Container, Engine
    from aava_cli.flows.up.look import Daemon
    from aava_cli.jobs.store import Job
    from aava_cli.steps import Step

_ADDRESS = ("LOCAL_WS_HOST", "LOCAL_WS_PORT")
_AS_IT_IS: Mapping[str, str] = {}


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
        running, begun_s = next(serving_jobs(settings), None), time.monotonic()
        job = running or start_serving(session)
        since_s = None if running else begun_s
        timeout_s, alive = _timeout_s(session, terms), partial(require_running, job)
        wait_until_loaded(session, timeout_s, alive, since_s=since_s)
    except BaseException as error:
        for begun in serving_jobs(settings):
            cancel_job(settings, begun.id, END_S)
            if isinstance(error, DaemonUnreachable):
                error.message += "; it was ended"
        raise
    return job


def restart_native(
    session: Session, daemon: Daemon, terms: Terms, values: Mapping[str, str]
) -> None:
    """Have `.env` say *values*, and a daemon that has read them; or change nothing.

    Raises:
        NotPossible: the daemon is no job of this project: somebody else started it.
        Busy: calls are live.
        RolledBack: the new one does not load; the old one answers again.
    """
    job = job_of(session.settings, daemon.status.get("pid"))
    if job is None:
        message = "the daemon has to start again, and `aava up` did not start it"
        raise NotPossible(message, hint="restart it, then run `aava up` again")
    with session.lock():
        reads = env_steps(session, values)
        step = RestartDaemon(session, job.id, reads, _timeout_s(session, terms, values))
        spare = SpareCalls(session, terms.guard)
        spare.drain()
        # The calls are looked at last: a moment later the old daemon goes.
        steps: tuple[Step, ...] = (*reads, spare, step)
        verify = partial(require_mode, session, values["LOCAL_AI_MODE"])
        carry_out(steps, Journal(session.settings.state_dir), verify=verify)


def require_mode(session: Session, mode: str) -> None:
    """Raise `NotPossible` unless the daemon says that it runs in *mode*."""
    daemon = ask_daemon(session)
    if daemon is None or daemon.mode != mode:
        message = f"the daemon that was started does not run in `{mode}` mode"
        raise NotPossible(message, hint="see whether another program writes `.env`")


def start_container(session: Session, terms: Terms) -> bool:
    """Have the daemon's container run with what `.env` says now, and its daemon answer.

    One that is starting with it already is waited for; any other is replaced. Return whether
    that was needed. After a failure the container is as it was before.

    Raises:
        Busy: the container serves calls elsewhere.
        ContainerFailed: the container of before does not get well.
        RolledBack: the new one does not; it is gone again.
        DaemonUnreachable: it is well, and its daemon listens elsewhere.
    """
    project, _engine = _project(session)
    container = find_container(project.name, SERVICE)
    since_s = None
    if container is not None and _begins_as_told(session, container):
        wait_until_well(project.name, SERVICE, timeout_s=_timeout_s(session, terms))
    elif ask_daemon(session) is None:
        since_s = time.monotonic()
        _replace(session, terms, {})
    wait_until_loaded(session, _timeout_s(session, terms), since_s=since_s)
    return since_s is not None


def _begins_as_told(session: Session, container: Container) -> bool:
    """Return whether *container* is starting with what `.env` says, and so is to be waited for."""
    if container.status != "running" or container.restarts or is_well(container):
        return False
    made_with, env = container_environment(session.settings.project), session.env()
    read = (key for key in env if key.startswith("LOCAL_"))
    return made_with is None or all(made_with.get(key) == env[key] for key in read)


def serves_elsewhere(session: Session) -> Session | None:
    """Return a session that asks the daemon of a container that is well where it listens.

    None where there is no such container: nobody can be on the phone with it.
    """
    project, _engine = _project(session)
    container = find_container(project.name, SERVICE)
    if container is None or not is_well(container):
        return None
    from aava_cli.daemon.address import find_address

    made_with = container_environment(session.settings.project) or {}
    said = {key: made_with[key] for key in _ADDRESS if key in made_with}
    url = find_address(None, {**session.env(), **said}).urls[0]
    return Session({**session.flags, "daemon": url}, session.output)


def restart_container(session: Session, terms: Terms, values: Mapping[str, str]) -> None:
    """Have `.env` say *values*, and a container that reads them; or change nothing.

    Raises:
        Busy: calls are live.
        RolledBack: the new one does not get well; the old one runs again.
    """
    since_s = time.monotonic()
    _replace(session, terms, values)
    wait_until_loaded(session, _timeout_s(session, terms), since_s=since_s)


def _project(session: Session) -> tuple[Project, Engine]:
    engine = require_engine()
    found = find_project(session.settings.project, session.env(), engine)
    return read_service(found).project, engine


def _timeout_s(session: Session, terms: Terms, values: Mapping[str, str] = _AS_IT_IS) -> float:
    return terms.timeout_s or start_timeout_s(session, values)


def _replace(session: Session, terms: Terms, values: Mapping[str, str]) -> None:
    project, engine = _project(session)
    with session.lock():
        reads = env_steps(session, values)
        step = RecreateService.plan(
            project, engine, reads=reads, timeout_s=_timeout_s(session, terms, values)
        )
        asked = serves_elsewhere(session) if terms.guard else None
        spare = SpareCalls(asked or session, terms.guard)
        spare.drain()
        # The calls are looked at last: a moment later the old container goes.
        steps: tuple[Step, ...] = (*reads, spare, step)
        carry_out(steps, Journal(session.settings.state_dir), verify=step.verify)

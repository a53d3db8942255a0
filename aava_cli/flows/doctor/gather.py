"""Everything about a project that a report needs, in its order."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from aava_cli.flows.doctor import looks
from aava_cli.flows.doctor.scene import Part, Scene, look_up
from aava_cli.flows.doctor.tails import read_tail

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from aava_cli.session import Session

    Look: TypeAlias = "Callable[[Scene], Any]"

_JOBS = 5
# Whatever else is in the folder of a job was put there by somebody, and may be of any kind.
_FILES_OF_A_JOB = ("build.log", "exit", "job.json", "log")

LOOKS: Mapping[str, Look] = {
    "preflight.json": looks.check_host,
    "status.json": looks.ask_status,
    "versions.json": looks.versions,
    "disk.json": looks.disk,
    "models.json": looks.models,
    "history.json": looks.history,
    "journal.json": looks.journal,
    "generations.json": looks.generations,
    "processes.json": looks.processes,
    "environment.json": looks.environment,
    "config/settings.json": looks.settings,
    "config/env.json": looks.env,
    "config/engine.json": looks.engine_config,
    "config/catalogs.json": looks.own_catalogs,
    "config/compose.json": looks.compose,
    "container/state.json": looks.container,
    "container/log.txt": looks.container_log,
}


def gather(session: Session) -> Iterator[Part]:
    """Yield every part, always in the same order; nothing that goes wrong ends it."""
    scene = Scene(session)
    for name, look in LOOKS.items():
        yield look_up(name, partial(look, scene))
    yield from _job_parts(session)


def _job_parts(session: Session) -> Iterator[Part]:
    from aava_cli.jobs.store import job_folders

    found = look_up("jobs.txt", lambda: job_folders(session.settings))
    if found.problem is not None:
        yield found
    for folder in (found.content or ())[-_JOBS:]:
        for name in _FILES_OF_A_JOB:
            part = look_up(f"jobs/{Path(folder).name}/{name}", partial(_tail, Path(folder) / name))
            if part.content is not None or part.problem is not None:
                yield part


def _tail(path: Path) -> str | None:
    with suppress(FileNotFoundError):
        return read_tail(path)
    return None

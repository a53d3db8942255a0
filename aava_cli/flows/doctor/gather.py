"""Everything about a project that a report needs, a part at a time; a part may fail alone."""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from aava_cli.errors import AavaError
from aava_cli.flows.doctor.tails import read_tail, tail_of
from aava_cli.output import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from aava_cli.session import Session

    Look: TypeAlias = "Callable[[Session], Any]"

_JOBS = 5
_LOG_LINES = 2000
_TOLD = (
    *("AAVA_", "LOCAL_", "HF_", "HUGGINGFACE_", "TRANSFORMERS_", "DOCKER_", "COMPOSE_", "CUDA_"),
    *("NVIDIA_", "INCLUDE_", "XDG_", "LANG", "LC_", "PATH", "HOME", "TERM", "SSL_", "NO_COLOR"),
)
# Command lines of programs that are no business of ours may have passwords in any form.
_PROGRAMS = ("aava", "local_ai_server", "docker-compose", "docker-buildx", "docker")
_FIRST_WORDS = 4


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a report: JSON, or a text; *problem* is why there is none."""

    name: str
    content: Any = None
    problem: str | None = None
    error: AavaError | None = None


def gather(session: Session) -> Iterator[Part]:
    """Yield every part, always in the same order; nothing that goes wrong ends it."""
    for name, look in LOOKS.items():
        yield look_up(name, partial(look, session))
    yield from _job_parts(session)


def look_up(name: str, look: Callable[[], Any]) -> Part:
    """Return the part *name* that *look* finds, or why it does not."""
    try:
        return Part(name, plain(look()))
    except AavaError as error:
        return Part(name, problem=error.message, error=error)
    except Exception as error:  # noqa: BLE001 - whatever is broken here is what the report is about
        return Part(name, problem=f"{type(error).__name__}: {error}")


def check_host(session: Session) -> Any:  # noqa: ANN401 - whatever a preflight answers
    """Return what every check of a preflight found."""
    from aava_cli.preflight.checks import run_checks
    from aava_cli.preflight.probe import gather_facts

    return run_checks(gather_facts(session))


def ask_status(session: Session) -> Any:  # noqa: ANN401 - as above
    """Return what is selected beside what runs."""
    from aava_cli.daemon.overview import project_status

    return project_status(session)


def _versions(_session: Session) -> dict[str, Any]:
    from importlib.metadata import distributions

    from aava_cli import __version__
    from aava_cli.gpu.probe import find_gpus
    from aava_cli.preflight.engine import find_docker

    packages = {each.metadata["Name"]: each.version for each in distributions()}
    return {
        "aava": __version__,
        "python": sys.version,
        "platform": platform.platform(),
        "kernel": platform.release(),
        "gpus": find_gpus(),
        "docker": find_docker(),
        "packages": dict(sorted(packages.items())),
    }


def _settings(session: Session) -> dict[str, Any]:
    settings = session.settings
    return {
        "project": settings.project,
        "models_dir": settings.models_dir,
        "daemon_url": settings.daemon_url,
        "state_dir": settings.state_dir,
    }


def _env(session: Session) -> dict[str, str]:
    return session.env()


def _engine_config(session: Session) -> dict[str, Any]:
    return session.engine_config()


def _own_catalogs(session: Session) -> list[dict[str, Any]]:
    import tomllib

    found = (path for path in session.settings.user_catalogs() if path.is_file())
    return [
        {"path": path, "content": tomllib.loads(path.read_text(encoding="utf-8"))} for path in found
    ]


def _compose(session: Session) -> dict[str, Any]:
    from aava_cli.docker.compose import find_project, read_config
    from aava_cli.docker.engine import require_engine

    folder = session.settings.project
    return read_config(find_project(folder, session.env(), require_engine()))


def _environment(_session: Session) -> dict[str, str]:
    # What has nothing to do with us may be a secret under any name.
    return {
        name: value if name.startswith(_TOLD) or name.lower().endswith("_proxy") else "set"
        for name, value in sorted(os.environ.items())
    }


def _models(session: Session) -> Any:  # noqa: ANN401 - as above
    from aava_cli.download.listing import Filter, list_models

    return list_models(session.settings, session.catalog(), Filter(installed=True))


def _history(session: Session) -> list[dict[str, Any]]:
    from aava_cli.history import read_history

    return [
        {
            **plain(each),
            "files": [_without_bytes(plain(step.to_json())) for step in each.files],
        }
        for each in read_history(session.settings.state_dir)
    ]


def _journal(session: Session) -> Any:  # noqa: ANN401 - as somebody wrote it
    from aava_cli.journal import JOURNAL

    path = session.settings.state_dir / JOURNAL
    if not path.exists():
        return "no change is under way"
    journal = json.loads(path.read_bytes())
    steps = [_without_bytes(step) for step in journal.get("steps", ())]
    return {**journal, "steps": steps}


def _without_bytes(step: dict[str, Any]) -> dict[str, Any]:
    """Return *step* of a change without the content of files, of which the size is enough."""
    sizes = {key: f"{len(step[key]) * 3 // 4} bytes" for key in ("old", "new") if step.get(key)}
    reads = [_without_bytes(each) for each in step.get("reads") or ()]
    return {**step, **sizes, **({"reads": reads} if reads else {})}


def _generations(session: Session) -> Any:  # noqa: ANN401 - as above
    from aava_cli.rebuild.generations import tell_generations

    return tell_generations(session.settings.state_dir)


def _disk(session: Session) -> dict[str, Any]:
    settings = session.settings
    state = settings.state_dir
    entries = sorted(state.iterdir()) if state.is_dir() else []
    folders = {"project": settings.project, "models": settings.models_dir}
    return {
        "state_bytes": {each.name: sum(_sizes(each)) for each in entries},
        "free_bytes": {
            name: shutil.disk_usage(path).free for name, path in folders.items() if path.is_dir()
        },
    }


def _sizes(path: Path) -> Iterator[int]:
    files: Iterable[Path] = path.rglob("*") if path.is_dir() else (path,)
    for each in files:
        status = each.lstat()
        # What is sparse takes what it takes, not what it says.
        yield min(status.st_size, status.st_blocks * 512)


def _processes(_session: Session) -> list[dict[str, Any]]:
    import psutil

    found = []
    for process in psutil.process_iter(("pid", "ppid", "create_time", "status", "cmdline")):
        words = process.info["cmdline"] or ()
        names = (word.rpartition("/")[2] for word in words[:_FIRST_WORDS])
        if any(name.startswith(_PROGRAMS) for name in names):
            found.append({**process.info, "cmdline": list(words)})
    return found


def _container(session: Session) -> dict[str, Any]:
    from aava_cli.daemon.environment import container_environment

    container = _find_container(session)
    environment = container_environment(session.settings.project) or {}
    return {**plain(container), "environment": dict(environment)}


def _container_log(session: Session) -> str:
    from aava_cli.docker.engine import last_words

    return tail_of("\n".join(last_words(_find_container(session), lines=_LOG_LINES)))


def _find_container(session: Session) -> Any:  # noqa: ANN401 - as above
    from aava_cli.docker.argv import SERVICE
    from aava_cli.docker.compose import find_project, read_service
    from aava_cli.docker.engine import find_container, require_engine
    from aava_cli.errors import NotFound
    from aava_cli.settings import is_compose_project

    folder = session.settings.project
    missing = NotFound("the daemon has no container here", hint="run `docker compose up -d`")
    if not is_compose_project(folder):
        raise missing
    project = read_service(find_project(folder, session.env(), require_engine())).project
    container = find_container(project.name, SERVICE)
    if container is None:
        raise missing
    return container


def _job_parts(session: Session) -> Iterator[Part]:
    from aava_cli.jobs.store import job_folders

    for folder in job_folders(session.settings)[-_JOBS:]:
        for file in sorted(each for each in folder.glob("*") if each.is_file()):
            yield look_up(f"jobs/{folder.name}/{file.name}", partial(read_tail, file))


LOOKS: dict[str, Look] = {
    "preflight.json": check_host,
    "status.json": ask_status,
    "versions.json": _versions,
    "disk.json": _disk,
    "models.json": _models,
    "history.json": _history,
    "journal.json": _journal,
    "generations.json": _generations,
    "processes.json": _processes,
    "environment.json": _environment,
    "config/settings.json": _settings,
    "config/env.json": _env,
    "config/engine.json": _engine_config,
    "config/catalogs.json": _own_catalogs,
    "config/compose.json": _compose,
    "container/state.json": _container,
    "container/log.txt": _container_log,
}

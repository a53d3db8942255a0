"""How each part of a report is found out."""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
from typing import TYPE_CHECKING, Any

from aava_cli.flows.doctor.tails import tail_of
from aava_cli.output import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from aava_cli.flows.doctor.scene import Scene

_LOG_LINES = 2000
_BLOCK_BYTES = 512  # of `st_blocks`, whatever the file system has
_TOLD = (
    *("AAVA_", "LOCAL_", "HF_", "HUGGINGFACE_", "TRANSFORMERS_", "DOCKER_", "COMPOSE_", "CUDA_"),
    *("NVIDIA_", "INCLUDE_", "XDG_", "LANG", "LC_", "PATH", "HOME", "TERM", "SSL_", "NO_COLOR"),
)
# Command lines of programs that are no business of ours may have passwords in any form.
_PROGRAMS = ("aava", "local_ai_server", "docker-compose", "docker-buildx", "docker")
_FIRST_WORDS = 4


def check_host(scene: Scene) -> Any:  # noqa: ANN401 - whatever a preflight answers
    """Return what every check of a preflight found."""
    from aava_cli.preflight.checks import run_checks
    from aava_cli.preflight.probe import gather_facts

    return run_checks(gather_facts(scene.session))


def ask_status(scene: Scene) -> Any:  # noqa: ANN401 - as above
    """Return what is selected beside what runs."""
    from aava_cli.daemon.overview import project_status

    return project_status(scene.session)


def versions(_scene: Scene) -> dict[str, Any]:
    """Return what is installed here, and the driver of its GPUs."""
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


def settings(scene: Scene) -> dict[str, Any]:
    """Return where things are."""
    places = ("project", "models_dir", "state_dir", "daemon_url")
    return {name: getattr(scene.settings, name) for name in places}


def env(scene: Scene) -> dict[str, str]:
    """Return what `.env` says."""
    return scene.session.env()


def engine_config(scene: Scene) -> dict[str, Any]:
    """Return the engine's configuration, the overlay merged in."""
    return scene.session.engine_config()


def own_catalogs(scene: Scene) -> list[dict[str, Any]]:
    """Return the catalogs of the user and of the project."""
    import tomllib

    found = (path for path in scene.settings.user_catalogs() if path.is_file())
    return [
        {"path": path, "content": tomllib.loads(path.read_text(encoding="utf-8"))} for path in found
    ]


def compose(scene: Scene) -> dict[str, Any]:
    """Return what Compose makes of the project."""
    from aava_cli.docker.compose import find_project, read_config

    folder = scene.settings.project
    return read_config(find_project(folder, scene.session.env(), scene.engine()))


def environment(_scene: Scene) -> dict[str, str]:
    """Return the variables of this process; of most only that they are set."""
    # What has nothing to do with us may be a secret under any name.
    return {
        name: value if name.startswith(_TOLD) or name.lower().endswith("_proxy") else "set"
        for name, value in sorted(os.environ.items())
    }


def models(scene: Scene) -> Any:  # noqa: ANN401 - as above
    """Return the models that are on disk."""
    from aava_cli.download.listing import Filter, list_models

    return list_models(scene.settings, scene.session.catalog(), Filter(installed=True))


def history(scene: Scene) -> list[dict[str, Any]]:
    """Return the changes that were made."""
    from aava_cli.history import read_history

    return [
        {
            **plain(each),
            "files": [_without_bytes(plain(step.to_json())) for step in each.files],
        }
        for each in read_history(scene.settings.state_dir)
    ]


def journal(scene: Scene) -> dict[str, Any]:
    """Return the change that is under way."""
    from aava_cli.journal import JOURNAL

    path = scene.settings.state_dir / JOURNAL
    if not path.exists():
        return {"under_way": False}
    content = json.loads(path.read_bytes())
    steps = [_without_bytes(step) for step in content.get("steps", ())]
    return {**content, "steps": steps}


def _without_bytes(step: dict[str, Any]) -> dict[str, Any]:
    """Return *step* of a change without the content of files, of which the size is enough."""
    sizes = {key: f"{len(step[key]) * 3 // 4} bytes" for key in ("old", "new") if step.get(key)}
    reads = [_without_bytes(each) for each in step.get("reads") or ()]
    return {**step, **sizes, **({"reads": reads} if reads else {})}


def generations(scene: Scene) -> Any:  # noqa: ANN401 - as above
    """Return the images that can be gone back to."""
    from aava_cli.rebuild.generations import tell_generations

    return tell_generations(scene.settings.state_dir)


def disk(scene: Scene) -> dict[str, Any]:
    """Return what the project's state takes, and what is free."""
    state = scene.settings.state_dir
    entries = sorted(state.iterdir()) if state.is_dir() else []
    folders = {"project": scene.settings.project, "models": scene.settings.models_dir}
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
        yield min(status.st_size, status.st_blocks * _BLOCK_BYTES)


def processes(_scene: Scene) -> list[dict[str, Any]]:
    """Return the command lines of aava, of the daemon and of docker."""
    import psutil

    found = []
    for process in psutil.process_iter(("pid", "ppid", "create_time", "status", "cmdline")):
        words = process.info["cmdline"] or ()
        names = (word.rpartition("/")[2] for word in words[:_FIRST_WORDS])
        if any(name.startswith(_PROGRAMS) for name in names):
            found.append({**process.info, "cmdline": list(words)})
    return found


def container(scene: Scene) -> dict[str, Any]:
    """Return the daemon's container, and what it was made with."""
    from aava_cli.daemon.environment import container_environment

    made_with = container_environment(scene.settings.project) or {}
    return {**plain(_find_container(scene)), "environment": dict(made_with)}


def container_log(scene: Scene) -> str:
    """Return the end of what the daemon's container printed."""
    from aava_cli.docker.engine import last_words

    return tail_of("\n".join(last_words(_find_container(scene), lines=_LOG_LINES)))


def _find_container(scene: Scene) -> Any:  # noqa: ANN401 - as above
    from aava_cli.docker.argv import SERVICE
    from aava_cli.docker.compose import find_project, read_service
    from aava_cli.docker.engine import find_container
    from aava_cli.errors import NotFound
    from aava_cli.settings import is_compose_project

    folder = scene.settings.project
    missing = NotFound("the daemon has no container here", hint="run `docker compose up -d`")
    if not is_compose_project(folder):
        raise missing
    project = read_service(find_project(folder, scene.session.env(), scene.engine())).project
    found = find_container(project.name, SERVICE)
    if found is None:
        raise missing
    return found

"""Whether the daemon can use a GPU here: what `GPU_AVAILABLE` in `.env` has to say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aava_cli.preflight.findings import known

if TYPE_CHECKING:
    from aava_cli.preflight.facts import Docker, Facts


def gpu_available(facts: Facts) -> tuple[bool, str]:
    """Return whether a container, or this host for a native daemon, can use a GPU, and why.

    Raises:
        NotKnown: a fact that it depends on could not be found out.
    """
    gpus = known(facts.gpus)
    if gpus.problem is not None:
        return False, f"the driver does not work: {gpus.detail or gpus.problem}"
    if not gpus.devices:
        return False, "no GPU"
    name = gpus.devices[0].name
    if not known(facts.is_compose_project):
        return True, f"{name}, for the native daemon"
    lack = _lack(known(facts.docker))
    return lack is None, f"{name}, but {lack}" if lack else f"{name}, which containers can be given"


def _lack(docker: Docker | None) -> str | None:
    """Return why no container can be given a GPU, None where one can."""
    if docker is None or docker.version is None:
        return "no engine answers that could give it to a container"
    if docker.is_podman or docker.is_snap:
        return "this engine drops it from a Compose file"
    if "nvidia" in docker.runtimes or docker.has_cdi:
        return None
    return "the engine cannot give it to a container"

"""Wait until a container is well, and say why one is not."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from aava_cli.docker.calls import succeeds
from aava_cli.docker.engine import find_container, last_words
from aava_cli.errors import AavaError

if TYPE_CHECKING:
    from aava_cli.docker.engine import Container

_POLL_S = 0.2
_LONGEST_POLL_S = 2.0
_SLOWER = 1.5


class ContainerFailed(AavaError):
    """The container ended, or did not get well in time."""

    code = "container-failed"


def wait_until_well(
    project: str, service: str, *, other_than: str | None = None, timeout_s: float
) -> Container:
    """Return the container of *service* once it is well and is not the one *other_than*.

    Raises:
        ContainerFailed: it ended, starts again and again, or is not well after *timeout_s*.
    """
    deadline, pause_s = time.monotonic() + timeout_s, _POLL_S
    while True:
        container = find_container(project, service)
        if container is None or container.id == other_than:
            message = f"Compose made no new container for `{service}`"
            raise ContainerFailed(message, hint="run `docker compose ps --all` to see what runs")
        _require_alive(container)
        if is_well(container):
            return container
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise _not_well(container, f"is not healthy after {timeout_s:.0f} s")
        time.sleep(min(pause_s, left_s))
        pause_s = min(pause_s * _SLOWER, _LONGEST_POLL_S)


def _require_alive(container: Container) -> None:
    if container.restarts:
        # The exit code is by now that of the one that was started again.
        raise _not_well(container, "ended, and was started again")
    if container.status in ("exited", "dead", "removing"):
        raise _not_well(container, f"ended with {container.exit_code}")
    if container.health == "unhealthy":
        raise _not_well(container, "is unhealthy")


def _not_well(container: Container, how: str) -> ContainerFailed:
    lines = last_words(container)
    said = f": {lines[-1]}" if lines else ""
    hint = f"read `docker logs {container.name}`"
    return ContainerFailed(f"the container `{container.name}` {how}{said}", hint=hint)


def is_well(container: Container) -> bool:
    """Return whether *container* runs, and passes the check that it was given."""
    if container.status != "running":
        return False
    if container.check is None or container.health == "healthy":
        return True
    # The engine asks once in an interval, which may be a minute, and the first time after it.
    return succeeds(
        ("docker", "exec", container.id, *container.check.argv), timeout_s=container.check.timeout_s
    )

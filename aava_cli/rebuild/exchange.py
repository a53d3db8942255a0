"""Have the daemon run another image: tag, `.env` and container together, or not at all."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aava_cli.backups import keep_version
from aava_cli.daemon.client import connect
from aava_cli.daemon.loads import LoadTimes
from aava_cli.daemon.sparing import SpareCalls
from aava_cli.daemon.status import loaded_roles
from aava_cli.docker.engine import find_container, find_image
from aava_cli.docker.health import ContainerFailed
from aava_cli.docker.recreate import RecreateService
from aava_cli.docker.tagging import MoveTag
from aava_cli.errors import AavaError
from aava_cli.journal import Journal
from aava_cli.rebuild.generations import Shelf
from aava_cli.rebuild.plan import edited_env, include_values
from aava_cli.roles import ROLES
from aava_cli.session import read_text
from aava_cli.steps import WriteFile
from aava_cli.transaction import carry_out

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from aava_cli.daemon.step import Terms
    from aava_cli.rebuild.scene import Scene
    from aava_cli.session import Session
    from aava_cli.steps import Step

_START = "container"
# The first start of an image may load gigabytes, and nobody has seen it yet.
_FIRST_START_S = 1200.0
_LEAST_START_S = 300.0
_POLL_S = 0.2
# Another command on the project takes seconds; what was built waits for it.
_PATIENCE_S = 120.0


class CapabilityMissing(AavaError):
    """The new container is well, and its daemon cannot do what it was built for."""

    code = "capability-missing"


@dataclass(frozen=True, slots=True)
class Target:
    """The image that is to run, what `.env` is to say of it, and what its daemon can do then."""

    image_id: str
    env: Mapping[str, str | None]
    able: Mapping[str, bool]


def exchange(session: Session, scene: Scene, target: Target, terms: Terms) -> None:
    """Replace the image of *scene* by *target*, and the container with it; keep the old one.

    Raises:
        Busy: another command does not come to its end, or calls are live.
        NotPossible: another program has moved the tag or replaced the container meanwhile.
        RolledBack: the new container is not as it should be; all is as before.
        RecoveryDue: that could not be brought about.
    """
    settings = session.settings
    times = LoadTimes(settings.state_dir)
    with session.lock(wait_s=_PATIENCE_S):
        journal = Journal(settings.state_dir)
        journal.require_none()
        spare = SpareCalls(session, terms.guard)
        spare.drain()
        reads = tuple(_read_by_container(session, scene, target))
        recreate = RecreateService.plan(
            scene.service.project,
            scene.engine,
            reads=reads,
            timeout_s=terms.timeout_s or _deadline_s(times),
        )
        shelf = Shelf(settings.state_dir)
        begun_s = time.monotonic()
        # The calls are looked at last: a moment later the old container goes.
        steps = (*_keep(session, scene, shelf), *reads, spare, recreate)
        carry_out(steps, journal, verify=lambda: _verify(session, scene, recreate, target))
        times.note((_START,), time.monotonic() - begun_s)
        # The change is made; what cannot be tidied up now is when the next one is.
        with suppress(AavaError):
            shelf.prune(target.image_id)


def require_writable(session: Session) -> None:
    """Raise `NotPossible` if `.env` could not be written later."""
    path = session.settings.env_file
    data = read_text(path).encode()
    WriteFile.change(path, data, data).check()


def agree(session: Session, env: Mapping[str, str | None]) -> dict[str, str | None]:
    """Have `.env` say *env*, and return what of it is new; the image and what runs are so already.

    Raises:
        Busy: another command does not come to its end.
        NotPossible: another program has written `.env` meanwhile.
    """
    said = session.env()
    new = {key: value for key, value in env.items() if said.get(key) != value}
    if new:
        with session.lock(wait_s=_PATIENCE_S):
            steps = tuple(_written(session, new))
            carry_out(steps, Journal(session.settings.state_dir), verify=lambda: None)
    return new


def _deadline_s(times: LoadTimes) -> float:
    if times.expected_s(_START) is None:
        return _FIRST_START_S
    # Another model may be selected by now than at the starts that were seen.
    return max(_LEAST_START_S, times.deadline_s((_START,)))


def _keep(session: Session, scene: Scene, shelf: Shelf) -> Iterator[Step]:
    if scene.current is not None:
        env = include_values(session.env())
        kept = shelf.next(scene.service.image, scene.current.id, env)
        yield MoveTag(kept.tag, None, scene.current.id, scene.engine.id)


def _read_by_container(session: Session, scene: Scene, target: Target) -> Iterator[Step]:
    old = scene.image.id if scene.image else None
    yield MoveTag(scene.service.image, old, target.image_id, scene.engine.id)
    yield from _written(session, target.env)


def _written(session: Session, env: Mapping[str, str | None]) -> Iterator[Step]:
    path = session.settings.env_file
    text = read_text(path)
    edited = edited_env(text, env, name=str(path))
    if edited != text:
        keep_version(session.settings.state_dir, path.name, text.encode())
        yield WriteFile.change(path, text.encode(), edited.encode())


def _verify(session: Session, scene: Scene, recreate: RecreateService, target: Target) -> None:
    """Raise unless the new image runs, can do what it should, and loaded what ran before."""
    recreate.verify()
    container = find_container(recreate.project.name, recreate.service)
    image = find_image(scene.service.image)
    if container is None or {container.image_id, image and image.id} != {target.image_id}:
        message = f"another program moved `{scene.service.image}` while the container was replaced"
        raise ContainerFailed(message, hint="run the same command again")
    if not scene.status and not target.able:
        return
    with connect(session) as daemon:
        able = daemon.capabilities()
    for capability, wanted in target.able.items():
        if able.get(capability, False) != wanted:
            how = "cannot do" if wanted else "still does"
            message = f"the new daemon {how} `{capability}`"
            raise CapabilityMissing(message, hint=f"read `docker logs {container.name}`")
    _require_loaded(session, scene.status, time.monotonic() + recreate.timeout_s)


def _require_loaded(session: Session, before: Mapping[str, Any], deadline: float) -> None:
    while True:
        with connect(session) as daemon:
            status = daemon.status()
        lost = set(loaded_roles(before, ROLES)) - set(loaded_roles(status, ROLES))
        if not lost:
            return
        # The native daemon listens before its models are there.
        if not status.get("loading") or time.monotonic() >= deadline:
            message = f"the new daemon did not load again: {', '.join(sorted(lost))}"
            raise CapabilityMissing(message, hint="run `aava models verify`")
        time.sleep(_POLL_S)

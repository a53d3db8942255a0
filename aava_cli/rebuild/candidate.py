"""Build the new image under a tag of its own, while the old one goes on."""

from __future__ import annotations

import json
import os
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aava_cli.daemon.loads import LoadTimes
from aava_cli.docker import argv
from aava_cli.docker.argv import Project
from aava_cli.docker.buildlog import BuildLog
from aava_cli.docker.calls import end_orphans, lines
from aava_cli.docker.engine import find_image, remove_tag
from aava_cli.docker.problems import EngineFailed, ImageMissing
from aava_cli.docker.tagging import sibling
from aava_cli.errors import AavaError, NoSpace
from aava_cli.events import Log, Progress
from aava_cli.files import PRIVATE_FILE, atomic_write, hand_over, private_folder
from aava_cli.rebuild.causes import BuildFailed, failure_of
from aava_cli.rebuild.plan import build_args
from aava_cli.redact import scrub, secrets_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import TextIO

    from aava_cli.jobs.own import OwnJob
    from aava_cli.rebuild.plan import RebuildPlan
    from aava_cli.rebuild.scene import Scene

_TAG = "aava-candidate"
_TASK = "build"
# The older builder says neither which step failed nor how far it is.
_BUILDER = {"DOCKER_BUILDKIT": "1"}


@dataclass(frozen=True, slots=True)
class Workshop:
    """Where a build is prepared and told of; *use_cache* has it take over what was built before."""

    state_dir: Path
    job: OwnJob
    use_cache: bool = True

    @property
    def folder(self) -> Path:
        """Where the build's Compose file is, and by which its processes are known."""
        return self.state_dir / "rebuild"

    @property
    def log(self) -> Path:
        """All that the build prints."""
        return self.job.folder / "build.log"


@contextmanager
def candidate(scene: Scene, plan: RebuildPlan, workshop: Workshop) -> Iterator[str]:
    """Build what *plan* says and give the block the new image's id; its tag goes with the block.

    Only for who holds the lock of rebuilds: a build that a killed command left is ended.

    Raises:
        BuildFailed, NoSpace, NetworkError, IntegrityError: a step failed, for the reason that
            it gave.
    """
    tag = sibling(scene.service.image, _TAG)
    folder = private_folder(workshop.folder)
    end_orphans(folder)
    try:
        _build(scene, plan, workshop, tag)
        image = find_image(tag)
        if image is None:
            message = f"the build ended well, and `{tag}` is not there"
            raise BuildFailed(message, hint=f"read `{workshop.log}`")
        yield image.id
    finally:
        # Where the engine does not answer any more, the next build takes the tag over.
        with suppress(AavaError):
            _forget(tag)


def _forget(tag: str) -> None:
    with suppress(ImageMissing):
        remove_tag(tag)


def _build(scene: Scene, plan: RebuildPlan, workshop: Workshop, tag: str) -> None:
    service = scene.service
    # The environment beats `.env`, wherever the files use such a variable.
    config = scene.read_config(plan.includes)
    args = build_args(plan, scene.known)
    described = service.with_build(config, image=tag, args=args)
    file = workshop.folder / "compose.json"
    atomic_write(file, json.dumps(described).encode(), mode=PRIVATE_FILE)
    project = Project(workshop.folder, (file,), service.project.name)
    command = argv.build(project, service.name, {}, use_cache=workshop.use_cache)
    times, begun_s = LoadTimes(workshop.state_dir), time.monotonic()
    secrets = secrets_in(os.environ, scene.known.env, args)
    descriptor = os.open(workshop.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, PRIVATE_FILE)
    hand_over(workshop.log)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as log:
            said = lines(command, folder=workshop.folder, environ=_BUILDER)
            printed = (scrub(line, secrets) for line in said)
            _follow(printed, log, workshop, times.expected_s(plan.name))
    finally:
        # Its arguments may hold secrets.
        file.unlink(missing_ok=True)
    times.note((plan.name,), time.monotonic() - begun_s)


def _follow(
    printed: Iterator[str], log: TextIO, workshop: Workshop, expected_s: float | None
) -> None:
    """Tell how far the build is, and keep all that is *printed* in *log*."""
    build, begun_s, told = BuildLog(), time.monotonic(), (0, 0)
    left_s: int | None = None
    try:
        for line in printed:
            log.write(line + "\n")
            build.feed(line)
            if (build.done, build.total) != told:
                told = (build.done, build.total)
                if expected_s is not None:
                    over_s = expected_s - time.monotonic() + begun_s
                    # One that takes longer than the last says nothing of when it ends.
                    left_s = round(over_s) if over_s > 0 else None
                workshop.job.emit(Progress(_TASK, *told, unit="steps", remaining_s=left_s))
    except EngineFailed as error:
        if build.failed is None:
            raise BuildFailed(error.message, hint=f"read `{workshop.log}`") from error
    except NoSpace:
        if build.failed is None:
            raise
    if build.failed is not None:
        for said in build.failed.last_lines:
            workshop.job.emit(Log(f"  | {said}", "warning"))
        raise failure_of(build.failed, workshop.log)

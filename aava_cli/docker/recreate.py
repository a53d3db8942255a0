"""The step of a transaction that replaces the daemon's container, so that it reads the files."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from aava_cli.docker import argv
from aava_cli.docker.argv import SERVICE, Project
from aava_cli.docker.calls import end_orphans, run
from aava_cli.docker.engine import (
    find_container,
    find_containers,
    remove_container,
    require_engine,
)
from aava_cli.docker.health import is_well, wait_until_well
from aava_cli.docker.problems import EngineFailed
from aava_cli.errors import AavaError, NotPossible, RecoveryDue

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aava_cli.docker.argv import OnService
    from aava_cli.docker.engine import Container, Engine
    from aava_cli.journal import StepLoader
    from aava_cli.steps import Step

# Undo has to load what was there before; it does not stop where the change was given little time.
UNDO_TIMEOUT_S = 900.0
# A container that was well has not answered once within its own patience, on a busy host.
_SECOND_LOOK_S = 20.0

Condition: TypeAlias = Literal["well", "unwell", "stopped", "absent"]
"""How a container was before the change; undo brings it there again, and no further."""

_BRINGS_BACK: Mapping[Condition, OnService] = {
    "well": argv.up,
    "unwell": argv.up,
    "stopped": argv.create,
    "absent": argv.remove,
}


@dataclass(frozen=True, slots=True)
class RecreateService:
    """Replace the container of one service, and wait until the new one is well.

    A container reads its files and its image when it is made. Undo therefore first undoes the
    steps *reads*, whose work the new container has seen, and then replaces it once more, from
    the files *made_from* of the old one: the GPU overlay may have joined them since.
    """

    project: Project
    service: str
    engine_id: str
    container_id: str | None
    condition: Condition
    reads: tuple[Step, ...]
    timeout_s: float
    made_from: tuple[Path, ...] = ()
    kind: str = "recreate-service"

    @classmethod
    def plan(
        cls, project: Project, engine: Engine, *, reads: tuple[Step, ...], timeout_s: float
    ) -> RecreateService:
        """Return the step for the daemon of *project*, as its container is now."""
        container = find_container(project.name, SERVICE)
        return cls(
            project,
            SERVICE,
            engine.id,
            container.id if container else None,
            condition_of(container),
            reads,
            timeout_s,
            container.files if container else (),
        )

    @classmethod
    def from_json(
        cls, kinds: Mapping[str, StepLoader], fields: Mapping[str, Any]
    ) -> RecreateService:
        """Return the step that `to_json` described, with what it reads built by *kinds*."""
        project = Project(
            Path(fields["folder"]), tuple(map(Path, fields["files"])), fields["project"]
        )
        return cls(
            project,
            fields["service"],
            fields["engine_id"],
            fields["container_id"],
            fields["condition"],
            tuple(kinds[step["kind"]](step) for step in fields["reads"]),
            fields["timeout_s"],
            tuple(map(Path, fields["made_from"])),
        )

    def to_json(self) -> dict[str, Any]:
        """Return what the journal needs to build this step again."""
        return {
            "folder": str(self.project.folder),
            "files": [str(path) for path in self.project.files],
            "project": self.project.name,
            "service": self.service,
            "engine_id": self.engine_id,
            "container_id": self.container_id,
            "condition": self.condition,
            "reads": [{"kind": step.kind, **step.to_json()} for step in self.reads],
            "timeout_s": self.timeout_s,
            "made_from": [str(path) for path in self.made_from],
        }

    def check(self) -> None:
        """Raise `NotPossible` if somebody has replaced the container since the plan was made."""
        container = find_container(self.project.name, self.service)
        if (container.id if container else None) != self.container_id:
            message = f"the container of `{self.service}` was replaced by another program"
            raise NotPossible(message, hint="run the same command again")

    def apply(self) -> None:
        """Have the container replaced, and wait until the new one is well.

        Raises:
            EngineFailed: Compose said no.
            ContainerFailed: the new container ended, or was not well in time.
        """
        deadline = time.monotonic() + self.timeout_s
        self._compose(self.project, argv.up, self.timeout_s)
        wait_until_well(
            self.project.name,
            self.service,
            other_than=self.container_id,
            timeout_s=max(0.0, deadline - time.monotonic()),
        )

    def verify(self) -> None:
        """Raise `ContainerFailed` unless the new container is still well."""
        wait_until_well(
            self.project.name,
            self.service,
            other_than=self.container_id,
            timeout_s=_SECOND_LOOK_S,
        )

    def undo(self, *, recovering: bool) -> None:
        """Bring back what the container reads, then a container that reads it.

        Raises:
            RecoveryDue: one of both is not possible now.
        """
        if recovering:
            end_orphans(self.project.folder)
        for step in reversed(self.reads):
            step.undo(recovering=recovering)
        try:
            self._restore()
        except AavaError as error:
            message = f"the old container could not be brought back: {error.message}"
            raise RecoveryDue(message, hint=f"{error.hint}; then run `aava recover`") from error

    def _restore(self) -> None:
        if require_engine().id != self.engine_id:
            message = "another Docker engine answers than the one that was changed"
            raise NotPossible(message, hint="set `DOCKER_HOST` or the context as it was then")
        try:
            self._bring_back()
        except EngineFailed:
            # What was asked of the engine before a kill may be carried out only now.
            self._bring_back()
        if self.condition == "well":
            wait_until_well(self.project.name, self.service, timeout_s=UNDO_TIMEOUT_S)

    def _bring_back(self) -> None:
        # Compose, interrupted between two containers, stumbles over what it left.
        for container in find_containers(self.project.name, self.service):
            if container.status != "running":
                remove_container(container.id)
        self._compose(self._project_before(), _BRINGS_BACK[self.condition], UNDO_TIMEOUT_S)

    def _project_before(self) -> Project:
        known = self.made_from and all(path.is_file() for path in self.made_from)
        return replace(self.project, files=self.made_from) if known else self.project

    def _compose(self, project: Project, command: OnService, timeout_s: float) -> None:
        run(command(project, self.service), timeout_s=timeout_s, folder=project.folder)


def condition_of(container: Container | None) -> Condition:
    """Return how *container* is, None being one that was never made."""
    if container is None:
        return "absent"
    if container.status in ("created", "exited", "dead"):
        return "stopped"
    return "well" if is_well(container) else "unwell"

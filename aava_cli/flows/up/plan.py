"""Decide what `aava up` has to do: which steps are missing, and why; nothing is done here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from aava_cli.backends import BACKENDS
from aava_cli.output import Result, human_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from aava_cli.download.plan import PullPlan
    from aava_cli.events import Item
    from aava_cli.flows.up.choosing import ModelSet
    from aava_cli.switch.changes import Change

StepName: TypeAlias = Literal["recover", "init", "pull", "build", "start", "switch", "smoke"]
Way: TypeAlias = Literal["docker", "native"]
"""Where the daemon runs: in a container of the project, or as `aava serve` on this host."""

# What the steps are there to put right, and what is about the native daemon alone.
_OURS = frozenset({"recovery", "models", "drift"})
# A project that is complete needs no more room: a pull and a rebuild ask for what they take.
_OF_STEPS = frozenset({"disk-models", "disk-docker"})
# What an operator sets of an engine beside its model.
_SETTINGS = frozenset(
    setting.env
    for backend in BACKENDS.values()
    for setting in backend.settings
    if setting.option != backend.model
)
_OF_NATIVE = "engines"
# Compose reads nothing of a project without `.env`, which is made before it is asked.
_NEEDS_ENV = "compose-config"


@dataclass(frozen=True, slots=True)
class Step:
    """One step: whether there is something to do, and what, or why not."""

    name: StepName
    needed: bool
    what: str


@dataclass(frozen=True, slots=True)
class Seen:
    """The project and its daemon as they are; a *daemon_mode* of None is one that runs none.

    *interrupted* is the change that waits for recovery, *builds* what the image lacks, *image*
    its name, each None where only `.env` will tell; *moves* is what a switch would change. *port*
    is what `.env` is to be told of where to listen, None where it says so.
    """

    way: Way
    project: Path
    is_made: bool
    interrupted: str | None
    env_mode: str | None
    pull: PullPlan
    image: str | None
    builds: tuple[str, ...] | None
    answers: bool
    daemon_mode: str | None
    moves: tuple[str, ...]
    port: int | None = None


@dataclass(frozen=True, slots=True)
class UpPlan(Result):
    """All that one `aava up` does."""

    project: Path
    way: Way
    chosen: ModelSet
    steps: tuple[Step, ...]
    pull: PullPlan

    @property
    def changes_nothing(self) -> bool:
        """Whether all is there already, and only to be proven."""
        return not any(step.needed for step in self.steps if step.name != "smoke")

    def text(self) -> Iterator[str]:
        """Yield the models, then a line per step."""
        where = {"docker": "in Docker", "native": "by `aava serve`"}[self.way]
        yield f"project  {self.project}, {where}"
        yield f"profile  {self.chosen.profile}: {', '.join(_named(self.chosen))}"
        for step in self.steps:
            yield f"{'to do' if step.needed else 'done':<6} {step.name:<8} {step.what}"


def plan_up(chosen: ModelSet, seen: Seen) -> UpPlan:
    """Return what is missing until the *chosen* models run in the project that was *seen*."""
    return UpPlan(
        project=seen.project,
        way=seen.way,
        chosen=chosen,
        steps=tuple(_steps(chosen, seen)),
        pull=seen.pull,
    )


def that_matter(items: Iterable[Item], way: Way, *, is_made: bool) -> tuple[Item, ...]:
    """Return what failed of *items* and stands against a daemon that runs by *way*.

    A project that *is_made* has its `.env`.
    """
    return tuple(
        each
        for each in items
        if each.status == "fail" and each.name not in _OURS | _OF_STEPS
        if not (way == "native" and each.group == "docker")
        if not (way == "docker" and each.name == _OF_NATIVE)
        if is_made or each.name != _NEEDS_ENV
    )


def _steps(chosen: ModelSet, seen: Seen) -> Iterator[Step]:
    if seen.interrupted is not None:
        yield Step("recover", needed=True, what=f"undo what was interrupted: {seen.interrupted}")
    yield _init(chosen, seen)
    yield _pull(seen)
    if seen.way == "docker":
        yield _build(chosen, seen)
    yield _start(chosen, seen)
    yield _switch(seen)
    yield Step("smoke", needed=True, what=f"prove {', '.join(chosen.roles)} with one sentence")


def _init(chosen: ModelSet, seen: Seen) -> Step:
    if not seen.is_made:
        return Step("init", needed=True, what=f"make `{seen.project}` a project")
    restarts = must_restart(chosen, seen.daemon_mode)
    changes = []
    if chosen.mode is not None and seen.env_mode != chosen.mode and not restarts:
        was = seen.env_mode or "not set"
        changes.append(f"`LOCAL_AI_MODE` becomes `{chosen.mode}`; it is {was}")
    if seen.port is not None:
        changes.append(f"`LOCAL_WS_PORT` becomes `{seen.port}`; it is not set")
    if changes:
        return Step("init", needed=True, what=", ".join(changes))
    return Step("init", needed=False, what="the project is there")


def _pull(seen: Seen) -> Step:
    missing = [each.model for each in seen.pull.models if not _is_there(seen.pull, each.model)]
    if not missing:
        return Step("pull", needed=False, what="every model is on disk")
    size, free = human_bytes(seen.pull.download_bytes), human_bytes(seen.pull.free_bytes)
    room = f"{size} to download, {free} free on {seen.pull.models_dir}"
    return Step("pull", needed=True, what=f"{', '.join(missing)}: {room}")


def _is_there(pull: PullPlan, name: str) -> bool:
    files = (file for model in pull.models if model.model == name for file in model.files)
    return all(file.action == "keep" for file in files)


def _build(chosen: ModelSet, seen: Seen) -> Step:
    if seen.builds is None:
        what = f"what the image lacks of {', '.join(chosen.backends)}"
        return Step("build", needed=True, what=what)
    if not seen.builds:
        return Step("build", needed=False, what=f"`{seen.image}` has every engine")
    what = f"`{seen.image}`, with {', '.join(seen.builds)}"
    return Step("build", needed=True, what=what)


def _start(chosen: ModelSet, seen: Seen) -> Step:
    if not seen.answers:
        how = "its container" if seen.way == "docker" else "`aava serve` in the background"
        return Step("start", needed=True, what=how)
    if must_restart(chosen, seen.daemon_mode):
        what = f"the daemon again, in `{chosen.mode}` mode; it runs in `{seen.daemon_mode}`"
        return Step("start", needed=True, what=what)
    return Step("start", needed=False, what="a daemon answers")


def must_restart(chosen: ModelSet, daemon_mode: str | None) -> bool:
    """Return whether a daemon in *daemon_mode* has to start again to run *chosen*."""
    return None not in (chosen.mode, daemon_mode) and chosen.mode != daemon_mode


def _switch(seen: Seen) -> Step:
    if not seen.moves:
        then = "they run" if seen.answers else "the daemon loads them when it starts"
        return Step("switch", needed=False, what=f"`.env` selects them, and {then}")
    return Step("switch", needed=True, what="; ".join(seen.moves))


def told(changes: Iterable[Change]) -> tuple[str, ...]:
    """Return in words what of the *changes* of a switch matters: models, and how they run."""
    listed = tuple(changes)
    of_note = tuple(each for each in listed if each.where == "daemon" or each.key in _SETTINGS)
    shown = of_note or listed
    return tuple(f"{each.key}: {each.old or '-'} -> {each.new or '-'}" for each in shown)


def _named(chosen: ModelSet) -> Iterator[str]:
    for role in chosen.roles:
        yield f"{role} {chosen.models[role] or 'as `.env` selects'}"

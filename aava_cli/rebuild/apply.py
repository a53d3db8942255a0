"""Carry a rebuild out: the new image is built beside the old one, then takes its place."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from aava_cli.backends import BACKENDS
from aava_cli.docker.engine import image_args
from aava_cli.errors import Busy, NotPossible
from aava_cli.events import Log
from aava_cli.files import command_line, exclusive_lock, lock_holder, name_holder
from aava_cli.jobs.own import own_job
from aava_cli.journal import Journal
from aava_cli.output import Result, human_time
from aava_cli.rebuild.candidate import Workshop, candidate
from aava_cli.rebuild.conditions import require_conditions, require_exchange, require_no_helper
from aava_cli.rebuild.exchange import Target, agree, exchange, require_writable
from aava_cli.rebuild.generations import Shelf
from aava_cli.rebuild.plan import plan_rebuild, refuse_selected
from aava_cli.rebuild.scene import look
from aava_cli.store import prepare_state

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from aava_cli.daemon.step import Terms
    from aava_cli.events import Emit
    from aava_cli.jobs.own import OwnJob
    from aava_cli.rebuild.generations import Generation
    from aava_cli.rebuild.plan import RebuildPlan, Wish
    from aava_cli.rebuild.scene import Scene
    from aava_cli.session import Session
    from aava_cli.settings import Settings

_LETTERS = 12
_KIND = "rebuild"
_LOCK = "rebuild.lock"
_BUSY_HINT = "run `aava jobs list` to see it, and `aava jobs wait JOB`"


@dataclass(frozen=True, slots=True)
class Rebuilt(Result):
    """What a rebuild changed; nothing, where the image already was as wished."""

    added: tuple[str, ...]
    dropped: tuple[str, ...]
    image: str | None
    job: str | None
    took_s: float
    written: Mapping[str, str | None] = field(default_factory=dict)

    def text(self) -> Iterable[str]:
        """Yield what the daemon can do now, and the way back."""
        if self.image is None:
            yield "already so: nothing was built, nothing was started again"
            for key, value in self.written.items():
                yield f"written   {key}={value}, so that the next build agrees"
            return
        for how, names in (("added", self.added), ("left out", self.dropped)):
            if names:
                yield f"{how:<9} {', '.join(names)}"
        yield f"image     {self.image}, in {human_time(self.took_s)} (job {self.job})"
        yield "the daemon runs it and is well; `aava rebuild rollback` goes back"


NOTHING = Rebuilt((), (), None, None, 0.0)


def make_plan(session: Session, wish: Wish) -> tuple[Scene, RebuildPlan]:
    """Return how things are and what a rebuild to *wish* would do, and do nothing of it."""
    scene = look(session)
    return scene, plan_rebuild(wish, scene.known, scene.service.image)


def apply_rebuild(session: Session, wish: Wish, terms: Terms, *, use_cache: bool = True) -> Rebuilt:
    """Have the daemon's image hold what *wish* says, and the daemon run it; or change nothing.

    Raises:
        Busy: another rebuild is at work, or calls are live.
        NotPossible, NoSpace: something stands against it; nothing was begun.
        BuildFailed: a step of the build failed; nothing was changed.
        RolledBack: the new image does not do what it should; the old one runs again.
        RecoveryDue: an earlier change was interrupted, or this one could not be undone.
    """
    # An image that an interrupted change left is not as wished, whatever it holds.
    _require_settled(session.settings)
    plan = make_plan(session, wish)[1]
    if plan.is_empty:
        return replace(NOTHING, written=agree(session, plan.env))
    begun_s = time.monotonic()
    with _one_rebuild(session) as job:
        scene, plan = make_plan(session, wish)
        if plan.is_empty:
            return NOTHING
        require_conditions(scene, plan, job.emit)
        require_writable(session)
        if terms.guard is not None and terms.guard.drain_s is None:
            # Who will not wait need not build first.
            terms.guard.require_idle(scene.status)
        job.emit(Log(f"building {', '.join(plan.add) or 'without ' + ', '.join(plan.drop)}"))
        workshop = Workshop(session.settings.state_dir, job, use_cache)
        with candidate(scene, plan, workshop) as image_id:
            target = _target(scene, plan, image_id)
            require_no_helper(scene)
            job.emit(Log("starting the daemon with the new image"))
            exchange(session, scene, target, terms)
        _tell_hidden(scene, plan, job.emit)
        took_s = round(time.monotonic() - begun_s, 3)
        return Rebuilt(plan.add, plan.drop, _short(image_id), job.id, took_s)


def _target(scene: Scene, plan: RebuildPlan, image_id: str) -> Target:
    recorded, file = image_args(image_id), scene.service.dockerfile or "Dockerfile"
    for name in (*plan.add, *plan.drop):
        key = BACKENDS[name].build_arg
        if recorded.get(key, plan.includes[key]) != plan.includes[key]:
            message = f"`{file}` set `{key}` to another value than it was given"
            raise NotPossible(message, hint=f"see what `{file}` makes of `{key}`")
    if scene.current is not None and scene.current.id == image_id:
        message = f"`{file}` makes the same image, whatever {_arguments(plan)} says"
        raise NotPossible(message, hint=f"see what `{file}` makes of it; update the project")
    return Target(image_id, plan.env, _able(scene, plan))


def _arguments(plan: RebuildPlan) -> str:
    keys = (BACKENDS[name].build_arg for name in (*plan.add, *plan.drop))
    return ", ".join(f"`{key}`" for key in dict.fromkeys(keys))


def _able(scene: Scene, plan: RebuildPlan) -> dict[str, bool]:
    """Return what the new daemon has to be able to do: all that the old one was, and the new."""
    dropped = {BACKENDS[name].build_arg for name in plan.drop}
    gone = {each.capability for each in BACKENDS.values() if each.build_arg in dropped}
    before = {key for key, able in (scene.known.capabilities or {}).items() if able} - gone
    # What is left out is asked of the image: the daemon offers some for their models alone.
    shown = (BACKENDS[name] for name in plan.add if name not in scene.known.hidden)
    return dict.fromkeys(sorted(before | {backend.capability for backend in shown}), True)


def _tell_hidden(scene: Scene, plan: RebuildPlan, emit: Emit) -> None:
    for name in sorted(scene.known.hidden.intersection(plan.add)):
        folder = f"models/{BACKENDS[name].hidden_without}"
        told = f"`{name}` is in the image; the daemon offers it once `{folder}` holds its models"
        emit(Log(told, "warning"))


def preview_rollback(session: Session, back: int) -> Generation:
    """Return the image that was current *back* rebuilds ago.

    Raises:
        NotFound: it is not kept.
    """
    return Shelf(session.require_project().state_dir).find(back)


def apply_rollback(session: Session, back: int, terms: Terms) -> Rebuilt:
    """Have the daemon run the image that was current *back* rebuilds ago; or change nothing.

    Raises:
        NotFound: it is not kept.
        Busy, NotPossible, RolledBack, RecoveryDue: as for a rebuild.
    """
    begun_s = time.monotonic()
    preview_rollback(session, back)
    with _one_rebuild(session) as job:
        kept = preview_rollback(session, back)
        scene = look(session)
        args = image_args(kept.tag)
        lacking = [each for each in BACKENDS.values() if args.get(each.build_arg) == "false"]
        for backend in lacking:
            refuse_selected(backend, scene.known.env)
        require_exchange(scene)
        exchange(session, scene, Target(kept.image_id, kept.env, {}), terms)
        took_s = round(time.monotonic() - begun_s, 3)
        return Rebuilt((), (), _short(kept.image_id), job.id, took_s)


@contextmanager
def _one_rebuild(session: Session) -> Iterator[OwnJob]:
    """Hold the lock of rebuilds for the block, which is a job; who comes second is told which.

    Raises:
        Busy: another rebuild is at work on the project.
        RecoveryDue: a change was interrupted.
    """
    settings = session.settings
    lock = prepare_state(settings) / _LOCK
    with exclusive_lock(lock, command=command_line(), hint=_BUSY_HINT):
        _require_settled(settings)
        with own_job(settings, _KIND, session.output.emit) as job:
            name_holder(lock, f"{job.id}: {command_line()}")
            yield job


def _require_settled(settings: Settings) -> None:
    """Raise `Busy` if a change is under way, and `RecoveryDue` if one was interrupted."""
    journal = Journal(settings.state_dir)
    at_work = lock_holder(settings.lock_file) if journal.is_open else None
    if at_work is not None:
        raise Busy(at_work, hint="wait until it has finished, then try again")
    journal.require_none()


def require_no_rebuild(session: Session) -> None:
    """Raise `Busy` if another rebuild is at work, before one is begun in the background."""
    at_work = lock_holder(prepare_state(session.settings) / _LOCK)
    if at_work is not None:
        raise Busy(at_work, hint=_BUSY_HINT)


def _short(image_id: str) -> str:
    return image_id.rpartition(":")[2][:_LETTERS]

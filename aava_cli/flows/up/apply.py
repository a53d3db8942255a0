"""Carry `aava up` out, verb by verb: each does only what is missing, and can be gone on from."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, cast, get_args

from aava_cli.catalog_profiles import Mode
from aava_cli.errors import AavaError
from aava_cli.events import Log, Progress
from aava_cli.files import command_line, exclusive_lock
from aava_cli.flows.switching import build_missing, pull_named, try_roles
from aava_cli.flows.up.envwriting import write_env
from aava_cli.flows.up.look import ask_daemon, choices_of
from aava_cli.flows.up.plan import must_restart, told
from aava_cli.flows.up.remembering import Remembered, definition_of, recall, remember
from aava_cli.output import Result, human_bytes
from aava_cli.store import prepare_state

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
    from pathlib import Path

    from aava_cli.daemon.step import Terms
    from aava_cli.flows.up.plan import StepName, UpPlan
    from aava_cli.session import Session
    from aava_cli.smoke.report import Smoked

_BEFORE_ANYTHING: frozenset[StepName] = frozenset({"recover", "init"})
_AGAIN = "`aava up` goes on from here when it is run again"
_NOT_AT_BOOT = "the daemon does not start with this host; docs/up.md has a unit that does it"
_BUSY_HINT = "wait until it has finished: this project gets all that it does"


@dataclass(frozen=True, slots=True)
class StepDone:
    """One step, and what it changed; nothing, where all of it was there."""

    name: StepName
    changed: str | None


@dataclass(frozen=True, slots=True)
class Upped(Result):
    """What `aava up` did, and the proof that the models work."""

    project: Path
    profile: str
    steps: tuple[StepDone, ...]
    smoked: Smoked

    def text(self) -> Iterable[str]:
        """Yield a line per step, then the sentence on its way through the models."""
        for step in self.steps:
            yield f"{step.name:<10}  {step.changed or 'nothing to do'}"
        for part in self.smoked.text():
            yield str(part)

    def failure(self) -> AavaError | None:
        """Return which model did not do its work."""
        failure = self.smoked.failure()
        if failure is not None:
            failure.hint = f"{failure.hint}; {_AGAIN}"
        return failure


@dataclass(frozen=True, slots=True)
class Work:
    """One `aava up` under way."""

    session: Session
    plan: UpPlan
    terms: Terms
    port: int | None


def apply_up(session: Session, plan: UpPlan, terms: Terms, *, port: int | None = None) -> Upped:
    """Bring about what *plan* says, and prove that it works; a new project listens on *port*.

    Raises:
        NoSpace: the models have no room; nothing was begun.
        Busy: another `aava up` is at work on the project, or calls are live.
        AavaError: a step failed; it is named, and what was done before it stays.
    """
    plan.pull.check_room()
    work = Work(session, plan, terms, port)
    lock = prepare_state(session.settings) / "up.lock"
    with exclusive_lock(lock, command=command_line(), hint=_BUSY_HINT):
        before = tuple(_carry_out(work, names=_BEFORE_ANYTHING))
        if ask_daemon(session) is None and not _serves_elsewhere(work):
            # Nobody is on the phone with it, even where the engine cannot be asked.
            work = replace(work, terms=replace(terms, guard=None))
        done = (*before, *_carry_out(work, names=_STEPS.keys() - _BEFORE_ANYTHING))
        with _telling(work, "smoke"):
            smoked = try_roles(session, plan.chosen.roles)
    return Upped(plan.project, plan.chosen.profile, done, smoked)


def _serves_elsewhere(work: Work) -> bool:
    """Return whether the daemon's container serves where `.env` does not look for it."""
    from aava_cli.flows.up import starting

    return work.plan.way == "docker" and starting.serves_elsewhere(work.session) is not None


def _carry_out(work: Work, *, names: Collection[StepName]) -> Iterator[StepDone]:
    for step in work.plan.steps:
        if step.name in names:
            with _telling(work, step.name):
                yield StepDone(step.name, _STEPS[step.name](work))


@contextmanager
def _telling(work: Work, name: StepName) -> Iterator[None]:
    """Tell that the step *name* begins; a failure of the block says that it was in this one."""
    names = [step.name for step in work.plan.steps]
    number, total = names.index(name) + 1, len(names)
    emit = work.session.output.emit
    emit(Log(f"step {number} of {total}: {name}"))
    if work.session.output.form == "events":
        # People have read the line above.
        emit(Progress("up", number - 1, total, unit="steps"))
    try:
        yield
    except AavaError as error:
        error.message = f"step {number} of {total}, {name}: {error.message}"
        error.hint = f"{error.hint}; {_AGAIN}"
        raise


def _recover(work: Work) -> str | None:
    from aava_cli.recovery import recover_project

    recovered = recover_project(work.session)
    return None if recovered.command is None else f"undid `{recovered.command}`"


def _init(work: Work) -> str | None:
    from aava_cli.project.cli import PORT
    from aava_cli.project.layout import init_project

    session, mode = work.session, work.plan.chosen.mode
    made = init_project(session.settings, port=work.port or PORT).made
    daemon = ask_daemon(session)
    wanted: dict[str, str] = {}
    if mode and not (daemon and must_restart(work.plan.chosen, daemon.mode)):
        wanted["LOCAL_AI_MODE"] = mode
    if work.port is not None:
        wanted["LOCAL_WS_PORT"] = str(work.port)
    _remember(work)
    written = write_env(session, wanted)
    if made:
        return f"made {session.settings.project}"
    return f"set {', '.join(wanted)}" if written else None


def _pull(work: Work) -> str | None:
    names = work.plan.chosen.pulls
    if not names:
        return None
    pulled = pull_named(work.session, names)
    fetched = [model.model for model in pulled.models if any(f.fetched for f in model.files)]
    return f"{', '.join(fetched)}, {human_bytes(pulled.downloaded_bytes)}" if fetched else None


def _build(work: Work) -> str | None:
    _select_for_start(work)
    choices = choices_of(work.session, work.plan.chosen)
    rebuilt = build_missing(work.session, choices, work.terms)
    return None if rebuilt.image is None else f"{', '.join(rebuilt.added)}; it runs"


def _start(work: Work) -> str | None:
    from aava_cli.flows.up import starting

    session, terms, in_docker = work.session, work.terms, work.plan.way == "docker"
    daemon = ask_daemon(session)
    if daemon is None:
        _select_for_start(work)
        if in_docker:
            is_new = starting.start_container(session, terms)
            return "the container, with these models" if is_new else "waited for the container"
        job = starting.start_native(session, terms)
        session.output.emit(Log(_NOT_AT_BOOT))
        return f"`aava serve` with these models, as the job `{job.id}`"
    if not must_restart(work.plan.chosen, daemon.mode):
        return None
    wanted = {"LOCAL_AI_MODE": str(work.plan.chosen.mode)}
    if in_docker:
        starting.restart_container(session, terms, wanted)
    else:
        starting.restart_native(session, daemon, terms, wanted)
    return f"the daemon again, in `{work.plan.chosen.mode}` mode"


def _select_for_start(work: Work) -> None:
    """Have `.env` select the models where no daemon answers: one that starts loads them at once."""
    from aava_cli.switch.apply import Wish, apply_switch, make_plan

    if ask_daemon(work.session) is None:
        wish = Wish(choices_of(work.session, work.plan.chosen), offline=True)
        apply_switch(work.session, partial(make_plan, work.session, wish), work.terms)


def _switch(work: Work) -> str | None:
    from aava_cli.switch.apply import Wish, apply_switch, make_plan

    wish = Wish(choices_of(work.session, work.plan.chosen))
    switched = apply_switch(work.session, partial(make_plan, work.session, wish), work.terms)
    _settle(work)
    return "; ".join(told(switched.changes)) or None


def _remember(work: Work) -> None:
    """Keep what was chosen as a wish, beside the models that ran until now."""
    session, chosen = work.session, work.plan.chosen
    kept = recall(session.settings.state_dir)
    settled = kept.settled if kept else None
    # What `.env` selects, or ran before, needs no record to come back.
    if chosen.keeps_options or chosen == settled:
        return
    mode = session.env().get("LOCAL_AI_MODE")
    if kept and kept.is_proven and settled and mode in get_args(Mode):
        settled = replace(settled, mode=cast("Mode", mode))
    wish = Remembered(chosen, definition=_definition(work), before=settled)
    remember(session.settings, wish)


def _settle(work: Work) -> None:
    """Keep what was chosen for good: the daemon runs it."""
    settings, chosen = work.session.settings, work.plan.chosen
    if chosen.keeps_options:
        kept = recall(settings.state_dir)
        if kept and kept.before:
            remember(settings, Remembered(kept.before, is_proven=True))
        return
    remember(settings, Remembered(chosen, is_proven=True, definition=_definition(work)))


def _definition(work: Work) -> str:
    return definition_of(work.session.catalog().profiles.get(work.plan.chosen.profile))


_STEPS: Mapping[StepName, Callable[[Work], str | None]] = {
    "recover": _recover,
    "init": _init,
    "pull": _pull,
    "build": _build,
    "start": _start,
    "switch": _switch,
}
"""What carries each step out but the last, and says what that changed."""

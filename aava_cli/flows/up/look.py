"""Look at the host, the project and its daemon, and change nothing."""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aava_cli.backends import BACKENDS, backend_in_env, lookup
from aava_cli.catalog import plain
from aava_cli.daemon.client import connect
from aava_cli.errors import AavaError, DaemonUnreachable, NotPossible, RecoveryDue
from aava_cli.events import Log
from aava_cli.flows.up.choosing import AUTO, Host, choose_models
from aava_cli.flows.up.listing import list_profiles
from aava_cli.flows.up.owner import is_made, port_to_write, require_own
from aava_cli.flows.up.plan import Seen, plan_up, that_matter, told
from aava_cli.flows.up.remembering import go_on_with, recall, require_known
from aava_cli.journal import Journal
from aava_cli.preflight.findings import CheckFailed
from aava_cli.project.layout import example_of
from aava_cli.session import Session, read_text
from aava_cli.settings import default_project, is_compose_project

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aava_cli.download.plan import PullPlan
    from aava_cli.flows.up.choosing import ModelSet
    from aava_cli.flows.up.listing import Profiles
    from aava_cli.flows.up.plan import UpPlan, Way
    from aava_cli.memory.host import HostMemory
    from aava_cli.roles import Role
    from aava_cli.settings import Settings
    from aava_cli.switch.choose import Choice

# A daemon that is idle answers in milliseconds; one that loads is waited for elsewhere.
_ANSWER_S = 10.0


@dataclass(frozen=True, slots=True)
class Daemon:
    """Two replies of a daemon that answers."""

    status: Mapping[str, Any]
    capabilities: Mapping[str, bool]

    @property
    def mode(self) -> str | None:
        """What `LOCAL_AI_MODE` was when it started."""
        mode: str | None = lookup(self.status, "config.runtime_mode")
        return mode


def choose_place(session: Session) -> None:
    """Work on the project that was named or is around us, else make the current folder one."""
    is_default = session.settings.project == default_project()
    if is_default and not is_made(session.settings):
        session.choose_project(Path.cwd())


def find_way(settings: Settings) -> Way:
    """Return where the daemon is to run: in Docker, where there is one and a project for it."""
    has_docker = shutil.which("docker") is not None
    return "docker" if has_docker and is_compose_project(settings.project) else "native"


def look(session: Session, profile: str, port: int | None) -> UpPlan:
    """Return what `aava up` would do for *profile*; a new project's daemon will have *port*.

    Raises:
        CheckFailed: the host is not ready, or no profile fits it.
        NotFound: there is no such profile, or a remembered model has left the catalog.
        Busy: another command is changing the project.
        UsageError: the project listens on another port already.
        DaemonUnreachable: a daemon is there, and does not answer.
    """
    settings, way = session.settings, find_way(session.settings)
    made, new_port = is_made(settings), port_to_write(session, port)
    scout = session if made and new_port is None else _ahead_of_env(session, port)
    require_ready(scout, way)
    daemon = ask_daemon(scout)
    require_own(session, way, daemon.status if daemon else None)
    chosen = _chosen(session, profile, way, daemon)
    pull = _foreseen_pull(session, chosen)
    image, builds = _image(session, chosen) if way == "docker" and made else (None, None)
    seen = Seen(
        way=way,
        project=settings.project,
        is_made=made,
        interrupted=_interrupted(session),
        env_mode=session.env().get("LOCAL_AI_MODE"),
        pull=pull,
        image=image,
        builds=builds,
        answers=daemon is not None,
        daemon_mode=daemon.mode if daemon else None,
        moves=_moves(session, chosen, is_made=made, answers=daemon is not None),
        port=new_port,
    )
    return plan_up(chosen, seen)


def tell_profiles(session: Session) -> Profiles:
    """Return every profile, and what this host would run of it."""
    settings, daemon = session.settings, None
    with suppress(AavaError):
        daemon = ask_daemon(session)
    return list_profiles(session.catalog(), find_host(settings, find_way(settings), daemon))


def ask_daemon(session: Session) -> Daemon | None:
    """Return what the project's daemon answers, or None where nothing listens.

    Raises:
        DaemonUnreachable: something listens, and does not answer.
        AccessDenied: it wants another token.
    """
    try:
        with connect(session, timeout_s=_ANSWER_S) as daemon:
            return Daemon(daemon.status(), daemon.capabilities())
    except DaemonUnreachable as error:
        if isinstance(error.__cause__, ConnectionRefusedError):
            return None
        raise


def choices_of(session: Session, chosen: ModelSet) -> tuple[Choice, ...]:
    """Return what a switch to *chosen* is asked for; raises as a switch does."""
    from aava_cli.switch.choose import choose, choose_all

    if chosen.keeps_options:
        return tuple(_as_it_runs(session, role, chosen.models[role]) for role in chosen.roles)
    names = {role: name for role, name in chosen.models.items() if name is not None}
    selected = (role for role in chosen.roles if role not in names)
    return (
        *choose_all(session, names, chosen.options),
        *(choose(session, role, None) for role in selected),
    )


def _as_it_runs(session: Session, role: Role, name: str | None) -> Choice:
    """Return the model *name* with the options of `.env`, where that selects it."""
    from aava_cli.switch.choose import choose

    if name is None or backend_in_env(role, session.env()) is None:
        return choose(session, role, name)
    named, selected = choose(session, role, name), choose(session, role, None)
    ways = [(each.selection.backend, each.selection.model) for each in (named, selected)]
    return replace(selected, model_id=named.model_id) if ways[0] == ways[1] else named


def find_host(settings: Settings, way: Way, daemon: Daemon | None) -> Host:
    """Return what models have here, with what those give back that *daemon* has loaded."""
    from aava_cli.limits import usable_processors
    from aava_cli.measuring.running import running_models

    memory = _memory(way)
    running = running_models(settings, daemon.status, memory.gpus) if daemon else ()
    return Host(
        memory=memory,
        processors=usable_processors(),
        able=_able(way, daemon),
        fetches=way == "docker",
        loaded=tuple(each.loaded() for each in running),
    )


def _memory(way: Way) -> HostMemory:
    from aava_cli.docker.engine import require_engine
    from aava_cli.docker.gpu import has_usable_gpu
    from aava_cli.measuring.host import read_host

    memory = read_host()
    if way == "native" or not memory.gpus or has_usable_gpu(require_engine()):
        return memory
    return replace(memory, gpus=())


def _able(way: Way, daemon: Daemon | None) -> frozenset[str]:
    from aava_cli.serve.engines import is_available

    if way == "docker":
        return frozenset(BACKENDS)
    if daemon is None:
        return frozenset(name for name in BACKENDS if is_available(name))
    records = BACKENDS.values()
    return frozenset(each.name for each in records if daemon.capabilities.get(each.capability))


def _ahead_of_env(session: Session, port: int | None) -> Session:
    """Return a session that looks where `.env` will say, once it is made."""
    from aava_cli import envfile
    from aava_cli.daemon.address import find_address

    example = None if session.settings.env_file.exists() else example_of(session.settings)
    values = envfile.read(read_text(example), name=str(example)) if example else session.env()
    if port is not None:
        values["LOCAL_WS_PORT"] = str(port)
    address = find_address(session.settings.daemon_url, values)
    return Session({**session.flags, "daemon": address.urls[0]}, session.output)


def require_ready(session: Session, way: Way) -> None:
    """Return if no check of the host stands against a daemon that runs by *way*.

    Raises:
        CheckFailed: one does; its fix is the hint, and others are warned of.
    """
    from aava_cli.preflight.checks import run_checks
    from aava_cli.preflight.probe import gather_facts

    is_made = session.settings.env_file.exists()
    items = run_checks(gather_facts(session)).items
    failed = that_matter(items, way, is_made=is_made)
    for each in failed[1:]:
        session.output.emit(Log(f"{each.name}: {each.message}; {each.remediation}", "warning"))
    for each in failed:
        hint = each.remediation or "run `aava preflight`"
        raise CheckFailed(f"{each.name}: {each.message}", hint=hint)
    _require_runner(way)


def _require_runner(way: Way) -> None:
    """Raise `CheckFailed` unless there is what the daemon runs in, or is made of."""
    from aava_cli.docker.engine import require_engine
    from aava_cli.docker.problems import EngineUnreachable
    from aava_cli.serve.config import require_server

    try:
        require_engine() if way == "docker" else require_server()
    except (EngineUnreachable, NotPossible) as error:
        raise CheckFailed(error.message, hint=error.hint) from error


def _chosen(session: Session, profile: str, way: Way, daemon: Daemon | None) -> ModelSet:
    before, catalog = recall(session.settings.state_dir), session.catalog()
    name = profile if profile == AUTO else plain(profile)
    kept = go_on_with(before, name, session.env(), catalog) if before else None
    if kept is not None:
        require_known(kept, catalog)
        return kept
    if before is not None and name == AUTO and before.chosen.profile in catalog.profiles:
        name = before.chosen.profile
    return choose_models(name, catalog, find_host(session.settings, way, daemon))


def _foreseen_pull(session: Session, chosen: ModelSet) -> PullPlan:
    from aava_cli.download.presence import judge_for
    from aava_cli.download.pulling import foresee

    return foresee(session.catalog().expand(chosen.pulls), judge_for(session, keep=False))


def _image(session: Session, chosen: ModelSet) -> tuple[str, tuple[str, ...]]:
    """Return the image of the daemon, and which engines of *chosen* it lacks."""
    from aava_cli.flows.switching import needed_engines
    from aava_cli.rebuild.plan import Wish, plan_rebuild
    from aava_cli.rebuild.scene import look as look_at_image

    scene = look_at_image(session)
    needed = needed_engines(choices_of(session, chosen))
    image = scene.service.image
    return image, plan_rebuild(Wish(needed), scene.known, image).add if needed else ()


def _moves(session: Session, chosen: ModelSet, *, is_made: bool, answers: bool) -> tuple[str, ...]:
    """Return what a switch to *chosen* would change, as far as that can be known by now."""
    from aava_cli.switch.apply import Wish, make_plan

    if is_made:
        # What is not there yet, or cannot run yet, is what the steps before are for.
        with suppress(AavaError):
            wish = Wish(choices_of(session, chosen), offline=not answers)
            return told(make_plan(session, wish)[1].changes)
    return ("the daemon runs these models, all or none",)


def _interrupted(session: Session) -> str | None:
    """Return the change that waits for recovery; raises `Busy` while one is under way."""
    journal = Journal(session.settings.state_dir)
    if not journal.is_open:
        return None
    with session.lock():
        try:
            journal.require_none()
        except RecoveryDue as due:
            return due.message
    return None

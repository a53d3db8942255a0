"""The state of a project: what is selected beside what runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aava_cli.backends import Selection, backend_in_env, running_in, selected_in
from aava_cli.errors import AavaError, DaemonUnreachable, RecoveryDue
from aava_cli.output import Result, Table
from aava_cli.roles import ROLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aava_cli.daemon.status import Slot
    from aava_cli.roles import Role
    from aava_cli.session import Session


# Whoever looks wants to know now; a daemon that takes longer than this is not answering.
TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class RoleState:
    """What `.env` selects for one role, and what the daemon runs."""

    role: Role
    selected: str | None
    running: str | None
    loaded: bool
    loading: bool
    drift: bool
    error: str | None

    @property
    def note(self) -> str:
        """What a person should know about this role, in a few words."""
        if self.error:
            return self.error
        if self.running is None:
            return ""
        if self.drift:
            return "drift: the daemon runs another model than `.env` selects"
        if self.loading:
            return "loading"
        return "loaded" if self.loaded else "not loaded"


@dataclass(frozen=True, slots=True)
class ProjectStatus(Result):
    """Selection and runtime side by side."""

    project: str
    daemon: str
    version: str | None
    degraded: bool
    busy: str | None
    recovery_due: bool
    roles: tuple[RoleState, ...]
    trouble: AavaError | None

    def text(self) -> Iterable[str | Table]:
        """Yield the project, the daemon and a row per role."""
        yield f"project  {self.project}"
        yield f"daemon   {self.daemon}"
        rows = tuple(
            (each.role, each.selected or "-", each.running or "-", each.note) for each in self.roles
        )
        yield Table(("role", "selected", "running", ""), rows)
        if self.busy:
            yield self.busy

    def failure(self) -> AavaError | None:
        """Return why the status is incomplete, or what has to be done first."""
        return self.trouble


def project_status(session: Session, *, timeout_s: float = TIMEOUT_S) -> ProjectStatus:
    """Return the state of the project and its daemon; one that is stopped costs *timeout_s*.

    Raises:
        NotFound: there is no project here.
        ConfigError: `.env` does not parse.
        AccessDenied: the daemon does not accept the token.
    """
    from aava_cli.files import lock_holder
    from aava_cli.journal import Journal

    settings = session.require_project()
    reply, unreachable = _ask(session, timeout_s)
    is_open = Journal(settings.state_dir).is_open
    busy = lock_holder(settings.lock_file) if is_open else None
    return ProjectStatus(
        project=str(settings.project),
        daemon=_describe_daemon(reply, unreachable),
        version=reply.get("version"),
        degraded=bool((reply.get("config") or {}).get("degraded")),
        busy=busy,
        recovery_due=is_open and busy is None,
        roles=_role_states(session.env(), reply),
        trouble=_recovery_due() if is_open and busy is None else unreachable,
    )


def _ask(session: Session, timeout_s: float) -> tuple[dict[str, Any], DaemonUnreachable | None]:
    from aava_cli.daemon.client import connect

    try:
        with connect(session, timeout_s=timeout_s) as daemon:
            return {"url": daemon.url, **daemon.status(timeout_s=timeout_s)}, None
    except DaemonUnreachable as error:
        return {}, error


def _describe_daemon(reply: Mapping[str, Any], unreachable: DaemonUnreachable | None) -> str:
    if unreachable is not None:
        return f"not answering: {unreachable.message}"
    version = reply.get("version")
    product = f"aava serve {version}" if version else "local_ai_server"
    return f"{product} at {reply['url']}"


def _recovery_due() -> RecoveryDue:
    return RecoveryDue("a change was interrupted", hint="run `aava recover`")


def _role_states(env: Mapping[str, str], reply: Mapping[str, Any]) -> tuple[RoleState, ...]:
    from aava_cli.daemon.status import slots_of

    slots: dict[Role, Slot] = {slot.role: slot for slot in slots_of(reply)} if reply else {}
    return tuple(_role_state(role, env, reply, slots.get(role)) for role in ROLES)


def _role_state(
    role: Role, env: Mapping[str, str], reply: Mapping[str, Any], slot: Slot | None
) -> RoleState:
    wanted = backend_in_env(role, env)
    actual = slot.backend if slot else None
    selected = _with_model(selected_in(wanted, env) if wanted else None)
    running = _with_model(running_in(actual, reply) if actual else None)
    return RoleState(
        role,
        None if selected is None else str(selected),
        None if running is None else str(running),
        loaded=slot.loaded if slot else False,
        loading=role in reply.get("loading", ()),
        drift=_differ(selected, running),
        error=slot.error if slot else None,
    )


def _with_model(selection: Selection | None) -> Selection | None:
    return selection if selection and selection.model else None


def _differ(selected: Selection | None, running: Selection | None) -> bool:
    if selected is None or running is None:
        return False
    return (selected.backend.name, selected.model) != (running.backend.name, running.model)

"""The state of a project: what is selected beside what runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from aava_cli.daemon.places import Sources, remedies, role_states
from aava_cli.daemon.quoting import quoted
from aava_cli.daemon.standing import find_standing
from aava_cli.errors import AavaError, RecoveryDue
from aava_cli.output import Result, Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aava_cli.daemon.places import RoleState
    from aava_cli.daemon.standing import Kind, Standing, State
    from aava_cli.session import Session

# Whoever looks wants to know now; a daemon that takes longer than this is not answering.
TIMEOUT_S = 10.0

_SILENCE = {"starting": "starting: its container runs and does not listen yet"}


@dataclass(frozen=True, slots=True)
class ProjectStatus(Result):
    """Selection and runtime side by side."""

    project: str
    daemon: str
    kind: Kind | None
    state: State
    version: str | None
    degraded: bool
    busy: str | None
    recovery_due: bool
    drift: bool
    hints: tuple[str, ...]
    roles: tuple[RoleState, ...]
    trouble: AavaError | None

    def text(self) -> Iterable[str | Table]:
        """Yield the project, the daemon, a row per role, and what would end a drift."""
        yield f"project  {self.project}"
        yield f"daemon   {self.daemon}" + self._told()
        yield self._table()
        for hint in self.hints:
            yield f"to make them agree: {hint}"
        if self.busy:
            yield self.busy

    def _told(self) -> str:
        # Who answers well need not say so; who does not answer is described already.
        return f", {self.state}" if self.kind and self.state != "ok" else ""

    def _table(self) -> Table:
        columns = [("selected", [each.selected for each in self.roles])]
        for place in ("overlay", "container", "process"):
            said = [getattr(each, place) for each in self.roles]
            columns += [(place, said)] if any(said) else []
        columns += [("running", [each.running for each in self.roles])]
        rows = (
            (each.role, *(said[place] or "-" for _name, said in columns), each.note)
            for place, each in enumerate(self.roles)
        )
        return Table(("role", *(name for name, _said in columns), ""), tuple(rows))

    def failure(self) -> AavaError | None:
        """Return why the status is incomplete, or what has to be done first."""
        return self.trouble


def project_status(session: Session, *, timeout_s: float = TIMEOUT_S) -> ProjectStatus:
    """Return the state of the project and its daemon; one that is stopped costs *timeout_s*.

    Raises:
        NotFound: there is no project here.
        ConfigError: `.env` or the YAML overlay does not parse.
        AccessDenied: the daemon does not accept the token.
    """
    from aava_cli.files import lock_holder
    from aava_cli.journal import Journal

    settings = session.require_project()
    standing = find_standing(session, timeout_s=timeout_s)
    reply = standing.reply
    is_open = Journal(settings.state_dir).is_open
    busy = lock_holder(settings.lock_file) if is_open else None
    roles = role_states(Sources.of(session, reply))
    if standing.kind == "model server":
        roles = tuple(_served(each, standing.health) for each in roles)
    return ProjectStatus(
        project=str(settings.project),
        daemon=_describe_daemon(standing),
        kind=standing.kind,
        state=standing.state,
        version=_version_in(reply),
        degraded=standing.state == "degraded",
        busy=busy,
        recovery_due=is_open and busy is None,
        drift=any(each.drift for each in roles),
        hints=tuple(dict.fromkeys(remedies(roles))),
        roles=roles,
        trouble=_recovery_due() if is_open and busy is None else standing.trouble,
    )


def _describe_daemon(standing: Standing) -> str:
    if standing.kind is None:
        return f"{_SILENCE.get(standing.state, 'not answering')}: {standing.trouble}"
    version = _version_in(standing.reply)
    product = f"{standing.kind} {version}" if version else standing.kind
    return f"{product} at {standing.url}"


def _version_in(reply: Mapping[str, Any]) -> str | None:
    said = reply.get("version")
    return quoted(said) if isinstance(said, str) else None


def _served(role: RoleState, health: Mapping[str, Any]) -> RoleState:
    """Return what a model server says that it runs for *role*; `.env` does not select it."""
    said = health["models"][role.role]
    parts = (said.get(name) for name in ("name", "device", "loading_strategy"))
    running = ", ".join(quoted(part) for part in parts if part)
    return replace(role, running=running, loaded=said.get("loaded", True) is True)


def _recovery_due() -> RecoveryDue:
    return RecoveryDue("a change was interrupted", hint="run `aava recover`")

"""The state of a project: what is selected beside what runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aava_cli.daemon.places import Sources, remedies, role_states
from aava_cli.errors import AavaError, DaemonUnreachable, RecoveryDue
from aava_cli.output import Result, Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aava_cli.daemon.places import RoleState
    from aava_cli.session import Session

# Whoever looks wants to know now; a daemon that takes longer than this is not answering.
TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class ProjectStatus(Result):
    """Selection and runtime side by side."""

    project: str
    daemon: str
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
        yield f"daemon   {self.daemon}"
        yield self._table()
        for hint in self.hints:
            yield f"to make them agree: {hint}"
        if self.busy:
            yield self.busy

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
    reply, unreachable = _ask(session, timeout_s)
    is_open = Journal(settings.state_dir).is_open
    busy = lock_holder(settings.lock_file) if is_open else None
    roles = role_states(Sources.of(session, reply))
    return ProjectStatus(
        project=str(settings.project),
        daemon=_describe_daemon(reply, unreachable),
        version=reply.get("version"),
        degraded=bool((reply.get("config") or {}).get("degraded")),
        busy=busy,
        recovery_due=is_open and busy is None,
        drift=any(each.drift for each in roles),
        hints=tuple(dict.fromkeys(remedies(roles))),
        roles=roles,
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

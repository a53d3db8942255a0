"""What `.env` selects: whether it is on disk and whole, and whether the rest agrees with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aava_cli.backends import BACKENDS, backend_in_env, selected_in
from aava_cli.errors import AavaError, AccessDenied, DaemonUnreachable, NotPossible, with_nearest
from aava_cli.preflight.projectfacts import Drift, Selected
from aava_cli.roles import ROLES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aava_cli.backends import Selection
    from aava_cli.session import Session

STATUS_S = 2.0


def find_selected(session: Session) -> tuple[Selected, ...]:
    """Return the models that `.env` selects, each with what is wrong with its files.

    Files are looked at by name, size and header; nobody reads gigabytes for it.

    Raises:
        ConfigError: `.env` does not parse.
    """
    unknown = _unknown_engines(session.env())
    return (*unknown, *(_looked_at(session, each) for each in _selections(session)))


def _unknown_engines(env: Mapping[str, str]) -> Iterator[Selected]:
    for role in ROLES:
        name = env.get(f"LOCAL_{role.upper()}_BACKEND")
        if name and backend_in_env(role, env) is None:
            known = (each.name for each in BACKENDS.values() if each.role == role)
            problem = with_nearest(f"no engine is called `{name}`", name, known)
            yield Selected(role, name, problem, "run `aava backends` to see every engine")


def _selections(session: Session) -> Iterator[Selection]:
    env = session.env()
    for role in ROLES:
        backend = backend_in_env(role, env)
        selection = selected_in(backend, env) if backend else None
        idle = role == "llm" and env.get("LOCAL_AI_MODE") == "minimal"
        if selection and selection.model and not idle:
            yield selection


def _looked_at(session: Session, selection: Selection) -> Selected:
    from aava_cli.installed import check_files

    try:
        check_files(session, selection, None, hashed=False)
    except AavaError as error:
        return Selected(selection.backend.role, str(selection), error.message, error.hint)
    return Selected(selection.backend.role, str(selection))


def find_drift(session: Session, *, timeout_s: float = STATUS_S) -> Drift:
    """Return where the overlay, the container and the daemon say something else than `.env`.

    Raises:
        ConfigError: `.env` or the YAML overlay does not parse.
    """
    from aava_cli.daemon.places import Sources, remedies, role_states

    reply = _status(session, timeout_s)
    states = role_states(Sources.of(session, reply))
    return Drift(
        tuple(f"{each.role}: {each.note}" for each in states if each.drift or each.error),
        tuple(dict.fromkeys(remedies(states))),
        answers=bool(reply),
    )


def _status(session: Session, timeout_s: float) -> dict[str, Any]:
    from aava_cli.daemon.client import connect

    try:
        with connect(session, timeout_s=timeout_s) as daemon:
            return daemon.status(timeout_s=timeout_s)
    except (AccessDenied, DaemonUnreachable, NotPossible):
        # The check of the port has words for it.
        return {}

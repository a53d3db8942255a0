"""All engines by name, and which of them files and replies name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aava_cli.backends.hearing import HEARING
from aava_cli.backends.speaking import SPEAKING
from aava_cli.backends.thinking import THINKING
from aava_cli.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aava_cli.backends.record import Backend
    from aava_cli.roles import Role

BACKENDS: Mapping[str, Backend] = {
    record.name: record for record in (*HEARING, *SPEAKING, *THINKING)
}


def backend_in_env(role: Role, env: Mapping[str, str]) -> Backend | None:
    """Return the backend that `.env` selects for *role*, if we know it."""
    only = _only_backend(role)
    return only or BACKENDS.get(env.get(f"LOCAL_{role.upper()}_BACKEND", ""))


def backend_in_status(role: Role, status: Mapping[str, Any]) -> Backend | None:
    """Return the backend that a `status` reply names for *role*, if we know it."""
    return _only_backend(role) or BACKENDS.get(str(status.get(f"{role}_backend")))


def _only_backend(role: Role) -> Backend | None:
    """Return the backend of a role that has but one: nothing in the files or replies names it."""
    backends = [each for each in BACKENDS.values() if each.role == role]
    return backends[0] if len(backends) == 1 else None


def backend_named(name: str, *, role: Role | None = None) -> Backend:
    """Return the record of the backend *name*; `-` and `_` are the same.

    Raises:
        NotFound: no backend (of that *role*) has that name; the nearest are named.
    """
    known = {each.name: each for each in BACKENDS.values() if role in (None, each.role)}
    found = known.get(name.replace("-", "_").lower())
    if found is None:
        kind = f"{role} backend" if role else "backend"
        raise NotFound.named(kind, name, known, listing="aava backends")
    return found

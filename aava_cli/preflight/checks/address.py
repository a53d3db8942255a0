"""The address at which the daemon is to listen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aava_cli.preflight.findings import NotKnown

if TYPE_CHECKING:
    from aava_cli.preflight.projectfacts import EnvFile

UNGUARDED = ("127.0.0.1", "localhost", "::1")
"""Where the daemon asks for no token; it starts on the rest of 127.0.0.0/8, and then refuses
every connection without one."""


def host_of(env: EnvFile) -> str:
    """Return the host that `.env` names; one that cannot be read ends the check that asks."""
    if env.problem or not env.host:
        raise NotKnown(env.problem or env.address_problem)
    return env.host

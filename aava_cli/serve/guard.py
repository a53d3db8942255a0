"""How much of connections the daemon takes on before it knows who is there, and for how long."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar

from aava_cli.serve.leaving import Leaving
from aava_cli.serve.limits import MIB

if TYPE_CHECKING:
    from aava_cli.serve.limits import Limits

WIRE = "wire"
"""What a connection's scope calls its wire, in its `state`."""

# A connection with less than this on its way is never in the way of others.
_SMALL_BYTES = MIB


_Guarded = TypeVar("_Guarded")


def guarded(protocol: type[_Guarded], guard: Guard) -> type[_Guarded]:
    """Return *protocol*, whose connections ask *guard* what they may hold."""
    # The server makes them, of a class, and knows nothing of a guard.
    return type(protocol.__name__, (protocol,), {"_guard": guard})


class Silent(Protocol):
    """A connection that has asked for nothing yet, or for nothing more."""

    def drop(self) -> None:
        """End the connection."""
        ...


@dataclass(slots=True)
class Guard:
    """Counts what all connections together hold; *needs_token* says that all begin as strangers."""

    limits: Limits
    needs_token: bool
    arriving_bytes: int = 0
    leaving: Leaving = field(default_factory=Leaving)
    _silent: dict[Silent, None] = field(default_factory=dict)

    @property
    def first_message_bytes(self) -> int:
        """How large a message may be before it is known who sends it."""
        most = self.limits.message_bytes
        return min(most, self.limits.stranger_bytes) if self.needs_token else most

    def has_place(self, connections: int) -> bool:
        """Whether one of so many *connections* may stay; one that says nothing may have to go."""
        if connections <= self.limits.sockets:
            return True
        oldest = next(iter(self._silent), None)
        if oldest is None:
            return False
        self.heard(oldest)
        oldest.drop()
        return True

    def awaits(self, connection: Silent) -> None:
        """Count *connection* among those that say nothing."""
        self._silent[connection] = None

    def heard(self, connection: Silent) -> None:
        """Take note that *connection* said something, or went."""
        self._silent.pop(connection, None)

    def hold(self, before: int, now: int) -> bool:
        """Count a connection's bytes, *now* instead of *before*; whether there is room for them."""
        self.arriving_bytes += now - before
        return now <= _SMALL_BYTES or self.arriving_bytes <= self.limits.arriving_bytes

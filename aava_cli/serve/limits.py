"""How much the daemon takes on: every limit, with what it is where nobody set it."""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1 << 10
MIB = 1 << 20
DAY_S = 86_400

# Connections that only ask, such as `aava status`, are let in beside those that carry calls.
SPARE_CONNECTIONS = 32


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits; what is beyond one is refused in words, and nothing grows.

    *message_bytes* bounds one WebSocket message, *queue* the requests of one connection that
    wait for their answers, *waiting_bytes* the sound of all connections that waits for an engine.
    *body_bytes*, *requests* and *upload_s* are for HTTP: one body, how many at once, how long one
    may take to arrive, as may a WebSocket message; for as long a client may take nothing of what
    it is sent. *recording_s* is the longest recording.
    *handshake_s* is how long a connection may ask for nothing, *auth_s* how long it may stay
    without the token, and *stranger_bytes* bounds its messages until then. *arriving_bytes*
    bounds what all connections have sent and is not answered. *drain_s* is how long calls may go
    on after SIGTERM. *memory_bytes* is what the daemon and its models may take; None is what the
    host or its container has.
    """

    sessions: int = 64
    queue: int = 16
    message_bytes: int = 32 * MIB
    waiting_bytes: int = 256 * MIB
    body_bytes: int = 64 * MIB
    requests: int = 64
    upload_s: float = 120.0
    recording_s: float = 1800.0
    handshake_s: float = 10.0
    auth_s: float = 30.0
    stranger_bytes: int = 16 * KIB
    arriving_bytes: int = 256 * MIB
    drain_s: float = 30.0
    memory_bytes: int | None = None

    @property
    def connections(self) -> int:
        """How many WebSocket connections there may be."""
        return self.sessions + SPARE_CONNECTIONS

    @property
    def sockets(self) -> int:
        """How many connections there may be, of whatever kind."""
        return self.connections + self.requests + SPARE_CONNECTIONS

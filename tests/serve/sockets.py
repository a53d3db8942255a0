"""A WebSocket byte by byte, and how a connection ends."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING

import pytest
from websockets.exceptions import ConnectionClosed

from tests.daemon_fixture import DEADLINE_S

if TYPE_CHECKING:
    from tests.daemon_fixture import Client, RunningDaemon

HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def raw(daemon: RunningDaemon, first: bytes = b"") -> socket.socket:
    """Return a connection on which *first* was sent, and nothing else."""
    connection = socket.create_connection(("127.0.0.1", daemon.port), timeout=DEADLINE_S)
    connection.sendall(first)
    return connection


def frame(payload: bytes, *, opcode: int = 1, size: int | None = None) -> bytes:
    """Return *payload* as a client sends it, or the beginning of *size* bytes."""
    length = len(payload) if size is None else size
    return bytes([0x80 | opcode, 0xFF]) + length.to_bytes(8, "big") + bytes(4) + payload


def talking(daemon: RunningDaemon) -> socket.socket:
    """Return a WebSocket on which nothing was said."""
    connection = raw(daemon, HANDSHAKE)
    assert b" 101 " in connection.recv(4096)
    return connection


def end_of(client: Client) -> tuple[int, str]:
    """Return how the daemon closed the connection."""
    with pytest.raises(ConnectionClosed) as raised:
        client.receive()
    assert raised.value.rcvd is not None
    return raised.value.rcvd.code, raised.value.rcvd.reason


def is_open(port: int) -> bool:
    """Whether somebody listens."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False

"""All that is done on a connection ends at one deadline."""

from __future__ import annotations

import socket
import ssl
import time
from typing import TYPE_CHECKING

import httpcore
import pytest

from aava_cli.daemon.deadline import TimedBackend
from tests.daemon.conftest import raw_server

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def silent(port: int) -> Iterator[int]:
    """Return the port of a server that takes connections and says nothing."""
    with raw_server(port, None):
        yield port


def test_handshake_ends_at_the_deadline(silent: int) -> None:
    """A server that never begins to speak TLS is left, and so are all that come after."""
    backend = TimedBackend(time.monotonic() + 0.3)
    stream = backend.connect_tcp("127.0.0.1", silent)
    assert isinstance(stream.get_extra_info("socket"), socket.socket)
    with pytest.raises(httpcore.ConnectTimeout):
        stream.start_tls(ssl.create_default_context(), "localhost", timeout=60)
    stream.close()
    with pytest.raises(httpcore.ReadTimeout):
        backend.connect_tcp("127.0.0.1", silent, timeout=60)


def test_read_ends_at_the_deadline(silent: int) -> None:
    """Whatever timeout is asked for."""
    stream = TimedBackend(time.monotonic() + 0.3).connect_tcp("127.0.0.1", silent)
    stream.write(b"hello", timeout=60)
    with pytest.raises(httpcore.ReadTimeout):
        stream.read(1, timeout=60)
    stream.close()

"""Connections that are closed while their clients still send."""

from __future__ import annotations

import asyncio
import socket
from contextlib import ExitStack

import pytest

from aava_cli.serve.leaving import Leaving


def pair() -> tuple[socket.socket, socket.socket]:
    """Return a daemon's end of a connection, and its client's."""
    own, client = socket.socketpair()
    own.settimeout(0)
    client.settimeout(0)
    return own, client


async def is_cut(client: socket.socket) -> bool:
    """Return once nobody is left to take what *client* sends."""
    while True:
        await asyncio.sleep(0.01)
        try:
            client.send(b"x")
        except OSError:
            return True


@pytest.mark.parametrize(("patience_s", "is_done"), [(60, True), (0.05, False)])
def test_client_hears_the_end_and_sends_on(patience_s: float, is_done: bool) -> None:  # noqa: FBT001 - a case
    """It is read from, and the connection goes once it is done, or when the time is over."""

    async def talk() -> bool:
        loop, (own, client) = asyncio.get_running_loop(), pair()
        with client:
            Leaving().keep(own, patience_s)
            own.close()
            assert b"" == await loop.sock_recv(client, 100)
            if not is_done:
                return await is_cut(client)
            await loop.sock_sendall(client, bytes(1 << 20))
            client.shutdown(socket.SHUT_WR)
            return True

    assert asyncio.run(talk())


def test_places_are_counted() -> None:
    """Beyond them a connection ends at once; one that broke makes room."""

    async def talk() -> None:
        leaving = Leaving()
        with ExitStack() as clients:
            ends = [pair() for _ in range(33)]
            for own, client in ends:
                clients.enter_context(client)
                leaving.keep(own, 0.3)
                own.close()
            assert 1 == ends[0][1].send(b"x")
            with pytest.raises(BrokenPipeError):
                ends[-1][1].send(b"x")
            assert await is_cut(ends[0][1])

    asyncio.run(talk())

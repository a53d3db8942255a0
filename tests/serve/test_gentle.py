"""How connections are read: in small turns, and answered without delay."""

from __future__ import annotations

import asyncio
import re
import socket
from typing import TYPE_CHECKING, Any

import pytest
from uvicorn import Config
from uvicorn.server import ServerState

from aava_cli.serve.gentle import Gentle

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Message = dict[str, Any]


async def count_body(
    scope: Message,
    receive: Callable[[], Awaitable[Message]],
    send: Callable[[Message], Awaitable[None]],
) -> None:
    """Answer with how many bytes came."""
    assert scope["type"] == "http"
    count, more = 0, True
    while more:
        message = await receive()
        count += len(message.get("body", b""))
        more = message.get("more_body", False)
        # Reading is paused meanwhile, and resumed by the next one.
        await asyncio.sleep(0)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"counted %d" % count})


async def answers_to(sent: bytes) -> tuple[bytes, list[int]]:
    """Return the answers to *sent*, and whether each connection sends without delay."""
    config = Config(count_body, http=Gentle, lifespan="off", log_level="warning")
    config.load()
    options: list[int] = []

    class Watched(Gentle):
        """Tells how its socket is set."""

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            """Look at the socket once it is set up."""
            super().connection_made(transport)
            own = transport.get_extra_info("socket")
            options.append(own.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    def protocol() -> Watched:
        return Watched(config=config, server_state=ServerState(), app_state={})

    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    server = await asyncio.get_running_loop().create_server(protocol, sock=listener)
    async with server:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        answers = await reader.read()
        writer.close()
        await writer.wait_closed()
    return answers, options


LAST = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b"


@pytest.mark.parametrize("size", [0, 1, 4096, 4097, 1_000_000])
def test_body_comes_whole_however_it_is_cut(size: int) -> None:
    """In one piece or in chunks of a few bytes, and the requests behind it as well."""
    plain = LAST % (size, b"x" * size)
    chunks = b"3\r\nabc\r\n" * (size // 300)
    chunked = (
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%b0\r\n\r\n" % chunks
    )
    answers, options = asyncio.run(answers_to(chunked * 2 + plain))
    counted = [int(each) for each in re.findall(rb"counted (\d+)", answers)]
    assert [size // 300 * 3, size // 300 * 3, size] == counted
    assert options
    assert all(options)

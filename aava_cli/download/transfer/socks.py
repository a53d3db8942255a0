"""Ask a SOCKS 5 proxy for a connection, by name and with a password if it wants one."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from aava_cli.download.sources.http import Transient

if TYPE_CHECKING:
    import socket

    from aava_cli.download.sources.proxies import Proxy

_VERSION, _PASSWORD_VERSION = 5, 1
_OPEN, _PASSWORD = 0, 2
_CONNECT = 1
_IPV4, _NAME, _IPV6 = 1, 3, 4
_ADDRESS_BYTES = {_IPV4: 4, _IPV6: 16}
_PORT_BYTES = 2
_REASONS = {
    2: "its rules forbid it",
    3: "the network cannot be reached",
    4: "the host cannot be reached",
    5: "the connection was refused",
    6: "it took too long",
}


def enter(connection: socket.socket, proxy: Proxy, host: str, port: int) -> None:
    """Have *proxy*, at the other end of *connection*, pass on all that follows to *host*.

    Raises:
        Transient: it will not, or it is no SOCKS 5 proxy.
        OSError: the connection broke.
    """
    offered = bytes([_OPEN] if proxy.user is None else [_OPEN, _PASSWORD])
    connection.sendall(bytes([_VERSION, len(offered)]) + offered)
    version, chosen = _exactly(connection, 2)
    if version != _VERSION:
        raise _refused("does not speak SOCKS 5")
    if chosen not in offered:
        raise _refused("wants other credentials than it was given")
    if chosen == _PASSWORD:
        connection.sendall(_credentials(proxy))
        if _exactly(connection, 2)[1] != 0:
            raise _refused("does not accept the credentials")
    connection.sendall(bytes([_VERSION, _CONNECT, 0]) + _place(host) + port.to_bytes(2))
    _expect_success(connection)


def _expect_success(connection: socket.socket) -> None:
    _version, answer, _reserved, kind = _exactly(connection, 4)
    if answer != 0:
        raise _refused(f"cannot connect: {_REASONS.get(answer, f'it answers {answer}')}")
    # Where the proxy connects from is of no interest, and in the way of what follows.
    size = _ADDRESS_BYTES[kind] if kind in _ADDRESS_BYTES else _exactly(connection, 1)[0]
    _exactly(connection, size + _PORT_BYTES)


def _credentials(proxy: Proxy) -> bytes:
    return bytes([_PASSWORD_VERSION]) + _counted(proxy.user or "") + _counted(proxy.password)


def _place(host: str) -> bytes:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return bytes([_NAME]) + _counted(host)
    return bytes([_IPV6 if ":" in host else _IPV4]) + address.packed


def _counted(text: str) -> bytes:
    data = text.encode()
    try:
        return len(data).to_bytes(1) + data
    except OverflowError as error:
        raise _refused("takes no name and no password of more than 255 bytes") from error


def _exactly(connection: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        data = connection.recv(size - len(received))
        if not data:
            raise _refused("closed the connection")
        received += data
    return received


def _refused(reason: str) -> Transient:
    return Transient(f"the proxy {reason}", connected=False)

"""A network for httpcore on which all that is done ends at one deadline."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import httpcore

if TYPE_CHECKING:
    from collections.abc import Iterable
    from ssl import SSLContext

    SocketOptions = Iterable[Any]


class TimedBackend(httpcore.NetworkBackend):
    """Connections that end at *deadline_s*, by the monotonic clock.

    A timeout of a read begins anew with each byte, so that one that drips never ends.
    """

    def __init__(self, deadline_s: float) -> None:
        self._deadline_s = deadline_s
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: SocketOptions | None = None,
    ) -> httpcore.NetworkStream:
        """Connect, in what is left of the time."""
        del timeout
        left_s = _left_s(self._deadline_s)
        stream = self._inner.connect_tcp(host, port, left_s, local_address, socket_options)
        return _TimedStream(stream, self._deadline_s)


class _TimedStream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, deadline_s: float) -> None:
        self._stream = stream
        self._deadline_s = deadline_s

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        del timeout
        return self._stream.read(max_bytes, _left_s(self._deadline_s))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        del timeout
        self._stream.write(buffer, _left_s(self._deadline_s))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        del timeout
        left_s = _left_s(self._deadline_s)
        try:
            secured = self._stream.start_tls(ssl_context, server_hostname, left_s)
        except httpcore.ConnectError as error:
            # It is connected: who listens speaks no TLS, or shows a certificate of nobody.
            raise httpcore.ProtocolError(str(error)) from error
        return _TimedStream(secured, self._deadline_s)

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401 - as the library has it
        return self._stream.get_extra_info(info)


def _left_s(deadline_s: float) -> float:
    left_s = deadline_s - time.monotonic()
    if left_s <= 0:
        raise httpcore.ReadTimeout
    return left_s

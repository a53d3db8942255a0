"""Tell who started the daemon how it is: systemd's protocol, and a descriptor to write into.

The messages are those of `sd_notify(3)`: lines of `NAME=value` in a datagram to the socket that
`NOTIFY_SOCKET` names.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from typing import TYPE_CHECKING

from aava_cli.errors import NotPossible

if TYPE_CHECKING:
    from collections.abc import MutableMapping

_MICROSECONDS = 1_000_000
_READY = b"READY=1\n"
_STANDARD_ERROR = 2


def require_open(descriptor: int | None) -> None:
    """Refuse a *descriptor* that nobody passed on; asked before anything else is opened.

    Raises:
        NotPossible: it is not open.
    """
    try:
        if descriptor is not None:
            os.fstat(descriptor)
    except OSError as error:
        message = f"the descriptor {descriptor} of `--ready-fd` is not open: {error.strerror}"
        hint = f"open it at the start: `aava serve --ready-fd {descriptor} {descriptor}> FILE`"
        raise NotPossible(message, hint=hint) from error


class Notifier:
    """Whoever wants to know; where nobody does, nothing is sent."""

    def __init__(self, environ: MutableMapping[str, str], ready_fd: int | None = None) -> None:
        # The processes of the models have nothing to say to whoever started us.
        address = environ.pop("NOTIFY_SOCKET", "")
        watchdog = environ.pop("WATCHDOG_USEC", "")
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._ready_fd = ready_fd
        self.alive_every_s = int(watchdog) / _MICROSECONDS / 2 if watchdog.isdecimal() else None

    def ready(self, status: str) -> None:
        """Say that the daemon works, and *status* in words."""
        self._send(f"READY=1\nSTATUS={status}")
        if self._ready_fd is not None:
            # Nobody may be left to read it.
            with contextlib.suppress(OSError):
                os.write(self._ready_fd, _READY)
                # What else is said would go to whoever gets the number of a standard stream.
                if self._ready_fd > _STANDARD_ERROR:
                    os.close(self._ready_fd)
            self._ready_fd = None

    def status(self, words: str) -> None:
        """Say in *words* what the daemon does."""
        self._send(f"STATUS={words}")

    def stopping(self, status: str) -> None:
        """Say that the daemon is about to end."""
        self._send(f"STOPPING=1\nSTATUS={status}")

    async def keep_alive(self) -> None:
        """Say that the daemon lives, as often as systemd's watchdog wants to hear it."""
        while self.alive_every_s:
            self._send("WATCHDOG=1")
            await asyncio.sleep(self.alive_every_s)

    def _send(self, message: str) -> None:
        if not self._address:
            return
        # A daemon that cannot be heard serves all the same.
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender,
        ):
            sender.setblocking(False)  # noqa: FBT003 - the only way to say it
            sender.sendto(message.encode(), self._address)

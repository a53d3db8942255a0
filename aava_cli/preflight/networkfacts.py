"""What is known of addresses, ports and servers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from aava_cli.gpu.facts import EngineGpu


@dataclass(frozen=True, slots=True)
class Port:
    """Who listens where the daemon is to listen."""

    address: str
    answer: Literal["nobody", "daemon", "silence", "stranger"]
    detail: str = ""
    holder: str | None = None
    gpu: EngineGpu | None = None


@dataclass(frozen=True, slots=True)
class Listener:
    """Who listens on a port that another service of the project needs."""

    number: int
    service: str
    holder: str | None
    in_container: bool


@dataclass(frozen=True, slots=True)
class Network:
    """Which loopback addresses a program can listen on, and which others this host has."""

    ipv4: bool
    ipv6: bool
    outward_ipv4: bool = True
    outward_ipv6: bool = False

    @property
    def is_ipv6_only(self) -> bool:
        """Whether IPv6 is all there is to reach anybody with."""
        return self.ipv6 and not (self.ipv4 and (self.outward_ipv4 or not self.outward_ipv6))


@dataclass(frozen=True, slots=True)
class Proxies:
    """The proxies that the environment names, as they may be shown, and where they do not count."""

    named: tuple[tuple[str, str], ...] = ()
    exceptions: str = ""
    problems: tuple[str, ...] = ()
    spares_loopback: bool = True


@dataclass(frozen=True, slots=True)
class Answered:
    """Whether a server of the hub answers; *offline* is the variable that forbids to ask.

    *skew_s* is how far this host's clock is ahead of the server's.
    """

    host: str
    status: int | None = None
    problem: str | None = None
    offline: str | None = None
    proxy: str | None = None
    skew_s: float | None = None


@dataclass(frozen=True, slots=True)
class Names:
    """Whether the hub's name leads to an address; *proxy* is who knows names, where one does."""

    host: str
    addresses: tuple[str, ...] = ()
    problem: str | None = None
    offline: str | None = None
    proxy: str | None = None

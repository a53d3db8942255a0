"""Ask sources what they have, without downloading it: many at a time, few of one host."""

from __future__ import annotations

import re
import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias
from urllib.parse import unquote, urlsplit

from aava_cli.download.sources.http import Transient, check_status, open_client
from aava_cli.download.sources.resolver import Resolver
from aava_cli.download.transfer.fetch import Patience
from aava_cli.errors import AavaError, AccessDenied, IntegrityError, NotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import httpx

    from aava_cli.download.transfer.fetch import Download
    from aava_cli.download.transfer.partial import Digest

Answer: TypeAlias = Literal["there", "gone", "denied", "unreachable"]

_AT_ONCE = 8
_PER_HOST = 4
_TOTAL = re.compile(r"bytes \d+-\d+/(\d+)")
_NO_HEAD = frozenset({403, 405, 501})


@dataclass(frozen=True, slots=True)
class Answered:
    """What *source* has: size and digest as it says, and the source at its revision."""

    source: str
    answer: Answer
    size_bytes: int | None = None
    digest: Digest | None = None
    pinned: str | None = None
    problem: str | None = None


@dataclass(slots=True)
class Asker:
    """Asks sources; a host that cannot be reached is not asked again."""

    resolver: Resolver = field(default_factory=lambda: Resolver(mirror=None, strict=True))
    patience: Patience = field(default_factory=lambda: Patience(attempts=3))
    _hosts: dict[str, threading.Semaphore] = field(
        default_factory=lambda: defaultdict(lambda: threading.Semaphore(_PER_HOST))
    )
    _down: dict[str, str] = field(default_factory=dict)
    _one: threading.Lock = field(default_factory=threading.Lock)

    def ask_all(
        self, sources: Sequence[str], report: Callable[[int, int], None]
    ) -> dict[str, Answered]:
        """Return what each of *sources* answers."""
        unique = tuple(dict.fromkeys(sources))
        answers: dict[str, Answered] = {}
        pool = ThreadPoolExecutor(_AT_ONCE)
        try:
            for answered in pool.map(self.ask, unique):
                answers[answered.source] = answered
                report(len(answers), len(unique))
        finally:
            # Ctrl-C waits for nobody who was not asked yet.
            pool.shutdown(cancel_futures=True)
        return answers

    def ask(self, source: str) -> Answered:
        """Return what *source* answers."""
        host = _host(source)
        with self._hosts[host]:
            if host in self._down:
                return Answered(source, "unreachable", problem=self._down[host])
            try:
                return self._patiently(source)
            except (IntegrityError, NotFound) as error:
                return Answered(source, "gone", problem=error.message)
            except AccessDenied as error:
                return Answered(source, "denied", problem=error.message)
            except AavaError as error:
                if isinstance(error, Transient) and not error.connected:
                    self._down[host] = error.message
                return Answered(source, "unreachable", problem=error.message)

    def _patiently(self, source: str) -> Answered:
        for attempt in range(self.patience.attempts - 1):
            try:
                return self._ask(source)
            except Transient as error:
                if not error.connected:
                    raise
                self.patience.sleep(self.patience.delay_s(attempt, error.wait_s))
        return self._ask(source)

    def _ask(self, source: str) -> Answered:
        if source.startswith("hf:"):
            resolved = self.resolver.resolve(source)
        else:
            # Indexes, releases and lists are asked for once, and then kept.
            with self._one:
                resolved = self.resolver.resolve(source)
        download = resolved.download
        if resolved.member is not None:
            # What is known is the package's; the file inside has its own size and digest.
            return Answered(source, "there", pinned=resolved.pinned)
        size = download.size_bytes
        if not source.startswith("hf:"):
            size = _measure(download) or size
        return Answered(source, "there", size, download.digest, resolved.pinned)


def _host(source: str) -> str:
    parts = urlsplit(source)
    return parts.netloc.rpartition("@")[2] or parts.scheme


def _measure(download: Download) -> int | None:
    """Return the size that the server says, if it does.

    Raises:
        NotFound: there is no such file.
        AccessDenied: the server wants other credentials.
        NetworkError: it cannot be asked.
    """
    if download.url.startswith("file:"):
        path = Path(unquote(urlsplit(download.url).path))
        if not path.is_file():
            raise NotFound(f"`{path}` is no file", hint="check the path of the source")
        return path.stat().st_size
    with open_client(download.access) as client:
        answer = client.head(download.url)
        if answer.status_code not in _NO_HEAD:
            return _size_in(answer)
        with client.stream("GET", download.url, headers={"Range": "bytes=0-0"}) as part:
            return _size_in(part)


def _size_in(response: httpx.Response) -> int | None:
    check_status(response)
    part = _TOTAL.fullmatch(response.headers.get("content-range", ""))
    if part is not None:
        return int(part[1])
    length = response.headers.get("content-length", "")
    return int(length) if length.isdecimal() else None

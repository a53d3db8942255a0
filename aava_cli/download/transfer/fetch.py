"""Fetch one file over as many connections as help; what is kept on disk is worth resuming.

`fetch` is the whole interface: what is downloaded, where it is put, and what it may use.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import unquote, urlsplit

from aava_cli.download.sources.http import Transient
from aava_cli.download.transfer.halt import Halt
from aava_cli.download.transfer.hasher import BUFFER_BYTES
from aava_cli.download.transfer.origin import Download, Origins, StartOver, Whole
from aava_cli.download.transfer.pace import MOST_CONNECTIONS, Budget, parse_rate
from aava_cli.download.transfer.partial import Binding, Partial
from aava_cli.download.transfer.pool import Limits, Pool
from aava_cli.errors import IntegrityError, NotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from aava_cli.download.transfer.pool import Opened

__all__ = ["Download", "Fetched", "Means", "Patience", "Report", "fetch", "means_of"]

Report: TypeAlias = "Callable[[int, int | None, int | None], None]"


@dataclass(frozen=True, slots=True)
class Fetched:
    """A complete download that is what it should be; *received_bytes* of it came just now."""

    path: Path
    size_bytes: int
    sha256: str
    received_bytes: int


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a download is tried: *attempts* in a row that bring nothing new."""

    attempts: int = 5
    first_delay_s: float = 0.5
    longest_delay_s: float = 20.0
    sleep: Callable[[float], None] = time.sleep
    stall_s: float = 5.0

    def delay_s(self, attempt: int, asked_s: float) -> float:
        """Return how long to wait before the next attempt, at least what the server asked."""
        backoff = min(self.first_delay_s * float(2**attempt), self.longest_delay_s)
        # Jitter keeps clients that failed together from coming back together.
        return max(asked_s, backoff * random.uniform(0.5, 1.0))  # noqa: S311 - no secret


@dataclass(frozen=True, slots=True)
class Means:
    """What a download may use: a *budget* that others share, and *alternatives* to its source.

    Alternatives have the same digest, and are asked for parts of the file at the same time; more
    may be found while the download runs. Whoever says *halt* ends it.
    """

    budget: Budget = field(default_factory=Budget)
    jobs: int | None = None
    alternatives: Sequence[Download] = ()
    halt: Halt = field(default_factory=Halt)


def means_of(jobs: int | None, limit_rate: str | None) -> Means:
    """Return what people allow: *jobs* connections, and *limit_rate* for all of them together.

    Raises:
        UsageError: that is no rate.
    """
    bytes_per_s = None if limit_rate is None else parse_rate(limit_rate)
    return Means(Budget(jobs or MOST_CONNECTIONS, bytes_per_s), jobs)


def fetch(
    download: Download,
    path: Path,
    report: Report,
    patience: Patience | None = None,
    means: Means | None = None,
) -> Fetched:
    """Return *download* complete and verified in *path*, resuming what is there already.

    Raises:
        NetworkError: the server cannot be reached or keeps failing; what came is kept.
        NotFound: the server has no such file.
        AccessDenied: the server wants other credentials.
        IntegrityError: size or digest are not what they should be; nothing is kept.
        NoSpace: the file system is full; what came is kept.
    """
    means = means or Means()
    binding = Binding(download.source, download.revision, download.size_bytes, download.digest)
    with Partial(path, binding) as partial:
        fetching = _Fetching(download, partial, report, patience or Patience(), means)
        was_begun = partial.done > 0
        try:
            sha256 = fetching.complete(means.alternatives)
        except IntegrityError:
            if not (was_begun or means.alternatives):
                raise
            # The old part or another source may be to blame: one more chance, from scratch.
            partial.start_over()
            sha256 = fetching.complete(())
        report(partial.done, partial.done, partial.done)
        return Fetched(path, partial.done, sha256, partial.written_bytes)


@dataclass(frozen=True, slots=True)
class _Fetching:
    """One download on its way."""

    download: Download
    partial: Partial
    report: Report
    patience: Patience
    means: Means

    def complete(self, alternatives: Sequence[Download]) -> str:
        """Get what is missing, from *alternatives* too; return the SHA-256 of all."""
        if not self.partial.state.complete:
            if self.download.url.startswith("file:"):
                self._copy()
            else:
                self._receive_all(alternatives)
        return self.partial.finish()

    def _copy(self) -> None:
        from pathlib import Path

        path = Path(unquote(urlsplit(self.download.url).path))
        try:
            with path.open("rb", buffering=0) as file:
                size_bytes = path.stat().st_size
                self.partial.start_over()
                self.partial.begin(None, size_bytes)
                buffer = memoryview(bytearray(BUFFER_BYTES))
                while got := file.readinto(buffer):
                    self.partial.append(buffer[:got])
                    self.report(self.partial.done, size_bytes, self.partial.hasher.position)
        except (FileNotFoundError, IsADirectoryError) as error:
            raise NotFound(f"`{path}` is no file", hint="check the path of the source") from error

    def _receive_all(self, alternatives: Sequence[Download]) -> None:
        partial, opened = self.partial, None
        origins = Origins(self.download, alternatives)
        origins.first.etag = partial.state.etag
        attempt, most = 0, partial.done
        while not partial.is_whole:
            try:
                opened = self._receive(origins, opened, attempt)
            except Transient as error:
                opened = None
                # Bytes that only replace dropped ones are no progress: that could go on for ever.
                attempt = 0 if partial.done > most else attempt + 1
                most = max(most, partial.done)
                if isinstance(error, StartOver):
                    partial.start_over()
                # Another source is a better use of the time than a host that is not there.
                alone = len(origins) == 1
                out_of_reach = alone and not error.connected and not partial.done
                if out_of_reach or attempt >= self.patience.attempts:
                    raise
                self.patience.sleep(self.patience.delay_s(attempt, error.wait_s))

    def _receive(self, origins: Origins, opened: Opened | None, turn: int) -> Opened | None:
        """Work until the file is whole; return an answer to begin again with, if there is one."""
        partial = self.partial
        for each in origins:
            each.failure = None
        if partial.done and not (self._is_proven() and origins.first.has_ranges):
            partial.start_over()
        limits = Limits(self.patience.stall_s, self.means.jobs, self.means.halt)
        pool = Pool(partial, origins, self.means.budget, limits, turn)
        try:
            pool.run(self.report, opened)
        except Whole:
            partial.start_over()
            return pool.work.opened
        return None

    def _is_proven(self) -> bool:
        """Return whether the rest of the file can be told to belong to what is there."""
        state = self.partial.state
        return state.size_bytes is not None and (self.partial.is_pinned or state.etag is not None)

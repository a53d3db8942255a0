"""One server that has the file: what it was asked, and what its answers are worth."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from aava_cli.download.sources.http import Access, Transient, check_answer
from aava_cli.download.transfer.route import Route, route_to
from aava_cli.errors import IntegrityError, NetworkError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aava_cli.download.transfer.partial import Digest
    from aava_cli.download.transfer.segments import Claim
    from aava_cli.download.transfer.wire import Answer

OK, PARTIAL_CONTENT, RANGE_NOT_SATISFIABLE = 200, 206, 416
REDIRECTS = frozenset({301, 302, 303, 307, 308})
REFUSALS = frozenset({401, 403, 404, 410})
MOST_REDIRECTS = 10
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
_EMPTY_RANGE = re.compile(r"bytes \*/0")


@dataclass(frozen=True, slots=True)
class Download:
    """What is fetched: *source* is its name in messages, *url* may be secret."""

    source: str
    url: str
    access: Access = field(default_factory=Access)
    revision: str | None = None
    size_bytes: int | None = None
    digest: Digest | None = None


class StartOver(Transient):
    """What was received and what the server has do not belong together."""


class Whole(StartOver):
    """The server sends the whole file instead of a part; who caught it may read it on."""

    def __init__(self) -> None:
        super().__init__("sends the whole file instead of the part that was asked for")


@dataclass(slots=True, eq=False)
class Origin:
    """One source of a download and what was learned of it on the way."""

    download: Download
    etag: str | None = None
    has_ranges: bool = True
    pipelines: bool = True
    final_url: str | None = None
    failure: BaseException | None = None

    @property
    def url(self) -> str:
        """Where the file was last, after all redirects."""
        return self.final_url or self.download.url

    def route(self, url: str) -> Route:
        """Return the way to *url*, to which redirects may have led."""
        return route_to(url, self._access(url))

    def headers(self, url: str, claim: Claim) -> list[tuple[str, str]]:
        """Return the headers that ask *url* for *claim*; secrets go to their own host only."""
        headers = list(self._access(url).headers)
        if self.asks_range(claim):
            last = "" if claim.asked_end is None else claim.asked_end - 1
            headers.append(("Range", f"bytes={claim.position}-{last}"))
            if self.etag:
                headers.append(("If-Range", self.etag))
        return headers

    def asks_range(self, claim: Claim) -> bool:
        """Return whether *claim* is a part; a file that fits into one answer is just asked for."""
        return self.has_ranges and not (claim.position == 0 and claim.asked_end is None)

    def forget(self, url: str) -> None:
        """Begin with the first address again, unless redirects lead elsewhere than *url* by now."""
        if self.final_url == url:
            self.final_url = None

    def redirected(self, url: str, answer: Answer) -> str:
        """Return where *answer* of *url* points to."""
        return urljoin(url, answer.header("location"))

    def check(self, answer: Answer, claim: Claim, size_bytes: int | None) -> int | None:
        """Return how long the file is by an *answer* that brings *claim*, where it says so.

        Raises:
            StartOver: the file is another than before.
            Whole: it brings the whole file instead.
            Transient, NetworkError, AccessDenied, NotFound: it brings nothing of use.
            IntegrityError: the file cannot be the one that is wanted.
        """
        if answer.status == RANGE_NOT_SATISFIABLE:
            return self._check_empty(answer)
        check_answer(answer.status, answer.reason, answer.headers)
        if (answer.header("content-encoding") or "identity") != "identity":
            raise NetworkError("sends changed bytes", hint="use a source that does not compress")
        if answer.status == PARTIAL_CONTENT and self.asks_range(claim):
            return self._check_range(answer, claim, size_bytes)
        if self.asks_range(claim):
            self.has_ranges = False
            raise Whole
        if answer.status == PARTIAL_CONTENT:
            raise StartOver("answers with a part, though the whole was asked for")
        self._check_length(answer.length)
        self.etag = strong_etag(answer)
        return answer.length

    def _check_empty(self, answer: Answer) -> int:
        if not _EMPTY_RANGE.fullmatch(answer.header("content-range")):
            raise StartOver("has no bytes at the place where the download ended")
        self._check_length(0)
        answer.left_bytes = 0
        answer.keeps_alive = False
        return 0

    def _check_range(self, answer: Answer, claim: Claim, size_bytes: int | None) -> int:
        found = _CONTENT_RANGE.fullmatch(answer.header("content-range"))
        start, last, total = map(int, found.groups()) if found else (-1, -1, -1)
        end = total if claim.asked_end is None else min(claim.asked_end, total)
        exact = start == claim.position and start < last + 1 == end
        if not exact or answer.length not in (None, end - start):
            # Whoever gets this wrong is asked for the whole.
            self.has_ranges = False
            raise StartOver("answers with another range than was asked for")
        self._check_length(total)
        self._check_same(strong_etag(answer), total, size_bytes)
        return total

    def _check_same(self, etag: str | None, total: int, size_bytes: int | None) -> None:
        is_other = size_bytes not in (None, total)
        if is_other or (None not in (etag, self.etag) and etag != self.etag):
            self.etag = None
            raise StartOver("has another file than before")
        self.etag = self.etag or etag

    def _check_length(self, length: int | None) -> None:
        expected = self.download.size_bytes
        if None not in (length, expected) and length != expected:
            message = f"the server has {length:,} bytes, expected {expected:,}"
            raise IntegrityError(message, hint="look at the source that was named")

    def _access(self, url: str) -> Access:
        """Return how *url* is spoken to: another host than the first gets no credentials."""
        access = self.download.access
        if _authority(url) == _authority(self.download.url):
            return access
        return replace(access, headers=())


class Origins:
    """The *first* source of a download and its *alternatives*, of which more may be found."""

    def __init__(self, first: Download, alternatives: Sequence[Download]) -> None:
        self.first = Origin(first)
        self._others: list[Origin] = []
        self._alternatives = alternatives
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return 1 + len(self._alternatives)

    def __iter__(self) -> Iterator[Origin]:
        with self._lock:
            self._others += map(Origin, self._alternatives[len(self._others) :])
            return iter((self.first, *self._others))


def strong_etag(answer: Answer) -> str | None:
    """Return the tag that only these very bytes have."""
    etag = answer.header("etag")
    # A weak tag also fits bytes that merely mean the same.
    return etag if etag.startswith('"') else None


def _authority(url: str) -> tuple[str, str | None, int | None]:
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname, port

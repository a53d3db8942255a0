"""Fetch one file over one connection; what is kept on disk is always worth resuming.

`fetch` is the whole interface: what is downloaded and where it is put.
"""

from __future__ import annotations

import random
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import unquote, urlsplit

from aava_cli.download.http import Access, Transient, check_status, open_client
from aava_cli.download.partial import Binding, Digest, Partial
from aava_cli.errors import IntegrityError, NetworkError, NotFound

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import httpx

Report: TypeAlias = "Callable[[int, int | None], None]"

_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
_PARTIAL_CONTENT, _RANGE_NOT_SATISFIABLE = 206, 416
_STEP_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Download:
    """What is fetched: *source* is its name in messages, *url* may be secret."""

    source: str
    url: str
    access: Access = field(default_factory=Access)
    revision: str | None = None
    size_bytes: int | None = None
    digest: Digest | None = None


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

    def delay_s(self, attempt: int, asked_s: float) -> float:
        """Return how long to wait before the next attempt, at least what the server asked."""
        backoff = min(self.first_delay_s * float(2**attempt), self.longest_delay_s)
        # Jitter keeps clients that failed together from coming back together.
        return max(asked_s, backoff * random.uniform(0.5, 1.0))  # noqa: S311 - no secret


def fetch(
    download: Download, path: Path, report: Report, patience: Patience = Patience()
) -> Fetched:
    """Return *download* complete and verified in *path*, resuming what is there already.

    Raises:
        NetworkError: the server cannot be reached or keeps failing; what came is kept.
        NotFound: the server has no such file.
        AccessDenied: the server wants other credentials.
        IntegrityError: size or digest are not what they should be; nothing is kept.
        NoSpace: the file system is full; what came is kept.
    """
    binding = Binding(download.source, download.revision, download.size_bytes, download.digest)
    with Partial(path, binding) as partial:
        resumed = partial.done > 0
        try:
            _complete(download, partial, report, patience)
        except IntegrityError:
            if not resumed:
                raise
            # The old part may be to blame, so the whole gets one more chance.
            partial.discard()
            _complete(download, partial, report, patience)
        report(partial.done, partial.done)
        return Fetched(path, partial.done, partial.sha256, partial.written_bytes)


def _complete(download: Download, partial: Partial, report: Report, patience: Patience) -> None:
    if not partial.state.complete:
        if download.url.startswith("file:"):
            _copy(download, partial, report)
        else:
            _receive_all(download, partial, report, patience)
    partial.finish()


def _copy(download: Download, partial: Partial, report: Report) -> None:
    from pathlib import Path

    path = Path(unquote(urlsplit(download.url).path))
    try:
        with path.open("rb") as file:
            size_bytes = path.stat().st_size
            partial.start_over(size_bytes=size_bytes)
            while data := file.read(_STEP_BYTES):
                partial.write(data)
                report(partial.done, size_bytes)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise NotFound(f"`{path}` is no file", hint="check the path of the source") from error


def _receive_all(download: Download, partial: Partial, report: Report, patience: Patience) -> None:
    attempt, most = 0, partial.done
    while not partial.is_whole:
        try:
            _receive(download, partial, report)
        except Transient as error:
            # Bytes that only replace dropped ones are no progress: that could go on for ever.
            attempt = 0 if partial.done > most else attempt + 1
            most = max(most, partial.done)
            # Another source is a better use of the time than a host that is not there.
            out_of_reach = not error.connected and not partial.done
            if out_of_reach or attempt >= patience.attempts:
                raise
            patience.sleep(patience.delay_s(attempt, error.wait_s))


def _receive(download: Download, partial: Partial, report: Report) -> None:
    headers = _resume_headers(partial)
    with (
        open_client(download.access) as client,
        client.stream("GET", download.url, headers=headers) as response,
    ):
        _begin(response, partial, asked_range=bool(headers))
        for data in response.iter_raw():
            partial.write(data)
            report(partial.done, partial.state.size_bytes)
    partial.expect_end()


def _resume_headers(partial: Partial) -> dict[str, str]:
    state, pinned = partial.state, partial.binding.digest is not None
    if not partial.done:
        return {}
    if state.size_bytes is None or not (state.etag or pinned):
        partial.discard()
        return {}
    headers = {"Range": f"bytes={partial.done}-"}
    return headers | {"If-Range": state.etag} if state.etag else headers


def _begin(response: httpx.Response, partial: Partial, *, asked_range: bool) -> None:
    """Decide what the bytes of *response* are: the rest, the whole from its start, or no good."""
    if response.status_code == _RANGE_NOT_SATISFIABLE:
        partial.discard()
        raise Transient("has no bytes at the place where the download ended")
    check_status(response)
    if response.headers.get("content-encoding", "identity") != "identity":
        raise NetworkError("sends changed bytes", hint="use a source that does not compress")
    if response.status_code != _PARTIAL_CONTENT:
        # A server that ignores Range answers with the whole file.
        _begin_whole(response, partial)
    elif not (asked_range and _continues(response, partial)):
        partial.discard()
        raise Transient("answers with another range than was asked for")


def _begin_whole(response: httpx.Response, partial: Partial) -> None:
    length = response.headers.get("content-length", "")
    expected = partial.binding.size_bytes
    size = int(length) if length.isdecimal() else None
    if None not in (size, expected) and size != expected:
        problem = f"the server has {size:,} bytes, expected {expected:,}"
        raise IntegrityError(problem, hint="look at the source that was named")
    if size is None and not _end_is_marked(response) and partial.binding.digest is None:
        message = "does not say how long the file is, so a broken download could not be told"
        raise NetworkError(message, hint="use another source")
    partial.start_over(etag=_strong_etag(response), size_bytes=expected if size is None else size)


def _end_is_marked(response: httpx.Response) -> bool:
    return "chunked" in response.headers.get("transfer-encoding", "").lower()


def _continues(response: httpx.Response, partial: Partial) -> bool:
    state = partial.state
    found = _CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
    if found is None or state.size_bytes is None:
        return False
    if _strong_etag(response) not in (None, state.etag):
        return False
    exact = (partial.done, state.size_bytes - 1, state.size_bytes)
    return exact == tuple(map(int, found.groups()))


def _strong_etag(response: httpx.Response) -> str | None:
    etag: str = response.headers.get("etag", "")
    # A weak tag also fits bytes that merely mean the same.
    return etag if etag.startswith('"') else None

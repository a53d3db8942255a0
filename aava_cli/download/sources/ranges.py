"""The bytes of a file by place, before it is downloaded: on a server, or on this disk."""

from __future__ import annotations

import re
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from aava_cli.download.sources.http import Transient, check_status, open_client

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from aava_cli.download.transfer.fetch import Download
    from aava_cli.gguf import Source

_PARTIAL_CONTENT, _RANGE_NOT_SATISFIABLE = 206, 416
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")


@contextmanager
def open_source(download: Download, *, limit_s: float | None = None) -> Iterator[Source]:
    """Yield the bytes of *download*, of which only those travel that are asked for.

    Raises:
        Transient: the server cannot be reached, is busy, or takes longer than *limit_s* in all.
        NotFound, AccessDenied, NetworkError: it does not give the file away.
    """
    if download.url.startswith("file:"):
        yield OnDisk(Path(unquote(urlsplit(download.url).path)))
        return
    with open_client(download.access) as client:
        yield _OnServer(client, download.url, download.size_bytes, limit_s)


class OnDisk:
    """A file of this host, of which the first *there_bytes* count; else all do."""

    def __init__(
        self, path: Path, there_bytes: int | None = None, size_bytes: int | None = None
    ) -> None:
        self._path = path
        self._there_bytes = there_bytes
        self._size_bytes = size_bytes

    @property
    def size_bytes(self) -> int | None:
        """How many bytes the whole file has."""
        return self._path.stat().st_size if self._there_bytes is None else self._size_bytes

    def read_at(self, offset: int, count: int) -> bytes:
        """Return *count* bytes from *offset* on, or as many as are there."""
        if self._there_bytes is not None:
            count = min(count, self._there_bytes - offset)
        with self._path.open("rb") as file:
            file.seek(offset)
            return file.read(max(0, count))


class _OnServer:
    """A file behind HTTP; where the server has no ranges, only its first bytes are to be had."""

    def __init__(
        self,
        client: httpx.Client,
        url: str,
        size_bytes: int | None,
        limit_s: float | None,
    ) -> None:
        self._client = client
        self._limit_s = limit_s
        self._began_s = time.monotonic()
        self._url = url
        self.size_bytes = size_bytes
        self._has_ranges = True

    def read_at(self, offset: int, count: int) -> bytes:
        """Return *count* bytes from *offset* on, or as many as the server gives."""
        if not self._has_ranges:
            return b""
        # Always the first address: what it redirects to may be another host, without our secrets.
        headers = {"Range": f"bytes={offset}-{offset + count - 1}"}
        with self._client.stream("GET", self._url, headers=headers) as response:
            if response.status_code == _RANGE_NOT_SATISFIABLE:
                return b""
            check_status(response)
            return self._first(response, count) if self._fits(response, offset) else b""

    def _fits(self, response: httpx.Response, offset: int) -> bool:
        """Take note of what *response* says, and return whether it begins at *offset*."""
        if response.headers.get("content-encoding", "identity") != "identity":
            return False
        length = response.headers.get("content-length", "")
        found = _RANGE.fullmatch(response.headers.get("content-range", ""))
        if response.status_code == _PARTIAL_CONTENT and found is not None:
            self.size_bytes = int(found[2])
            return int(found[1]) == offset
        self._has_ranges = False
        if response.status_code != _PARTIAL_CONTENT and length.isdecimal():
            self.size_bytes = int(length)
        return response.status_code != _PARTIAL_CONTENT and offset == 0

    def _first(self, response: httpx.Response, count: int) -> bytes:
        data = b""
        for piece in response.iter_raw():
            data += piece
            if len(data) >= count:
                # A server that ignores the range would send the whole file.
                break
            self._check_time()
        return data[:count]

    def _check_time(self) -> None:
        # A server that gives a byte now and then never is too late for a single read.
        if self._limit_s is not None and time.monotonic() - self._began_s > self._limit_s:
            raise Transient(f"its server took longer than {self._limit_s:g} s for what was asked")

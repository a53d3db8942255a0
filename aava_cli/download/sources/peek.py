"""Look at the first bytes of what would be downloaded, and refuse what is no model."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from aava_cli.download.sources.http import Transient, check_status, open_client
from aava_cli.errors import IntegrityError

if TYPE_CHECKING:
    from aava_cli.download.transfer.fetch import Download

_PEEK_BYTES = 512
_PAGES = (b"<!doctype html", b"<html", b"<?xml")
_POINTER = b"version https://git-lfs"
_MAGIC = {
    ".gguf": b"GGUF",
    ".zip": b"PK",
    ".bz2": b"BZh",
    ".gz": b"\x1f\x8b",
    ".tgz": b"\x1f\x8b",
    ".tbz2": b"BZh",
    ".xz": b"\xfd7zXZ\0",
    ".txz": b"\xfd7zXZ\0",
    ".zst": b"\x28\xb5\x2f\xfd",
    ".tzst": b"\x28\xb5\x2f\xfd",
}


def refuse_foreign(download: Download, filename: str) -> None:
    """Check that *download* begins as a file of the name *filename* does.

    A server that fails is left to the pull, which knows how to wait.

    Raises:
        IntegrityError: it is a web page, a pointer of git, or of another kind.
        NotFound: the server has no such file.
        AccessDenied: the server wants other credentials.
        NetworkError: the address cannot be asked.
    """
    if download.url.startswith("file:"):
        return
    try:
        head = _first_bytes(download)
    except Transient:
        return
    problem = foreign(head, filename)
    if problem:
        hint = "give the address of the file itself"
        raise IntegrityError(f"`{download.source}` {problem}", hint=hint)


def foreign(head: bytes, filename: str) -> str | None:
    """Return what is wrong with a file *filename* that begins with *head*, if anything is."""
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith(_PAGES):
        return "is a web page, no model"
    if head.startswith(_POINTER):
        return "is a pointer of git-lfs, not the file that it points to"
    suffix = PurePosixPath(filename).suffix.lower()
    magic = _MAGIC.get(suffix, b"")
    if head[: len(magic)] != magic:
        return f"does not begin as a `{suffix}` file does"
    return None


def _first_bytes(download: Download) -> bytes:
    headers = {"Range": f"bytes=0-{_PEEK_BYTES - 1}"}
    with (
        open_client(download.access) as client,
        client.stream("GET", download.url, headers=headers) as response,
    ):
        check_status(response)
        head = b""
        for data in response.iter_raw():
            head += data
            if len(head) >= _PEEK_BYTES:
                # A server that ignores Range would send the whole file.
                break
        return head[:_PEEK_BYTES]

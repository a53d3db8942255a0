"""A mirror on the local network: files by their digest, at `URL/sha256/<hex>`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from urllib.parse import urlsplit

from aava_cli.addresses import parses
from aava_cli.download.sources.http import Access, split_credentials, without_secrets
from aava_cli.errors import UsageError
from aava_cli.redact import shown_source

_HINT = "write it as `https://HOST[/PATH]`"


@dataclass(frozen=True, slots=True)
class Mirror:
    """Where files lie by digest; it needs no trust, because every byte is checked."""

    url: str
    access: Access

    def source(self, sha256: str) -> str:
        """Return the source of the file that has the digest *sha256*."""
        return f"{self.url}/sha256/{sha256}"

    def serves(self, source: str) -> bool:
        """Return whether *source* is of this mirror."""
        return source.startswith(f"{self.url}/sha256/")


def find_mirror(named: str | None = None) -> Mirror | None:
    """Return the mirror *named*, else the one of `AAVA_MIRROR`, if there is one.

    Raises:
        UsageError: it is no address.
    """
    address = named or os.environ.get("AAVA_MIRROR")
    if not address:
        return None
    if not parses(address):
        message = f"`{shown_source(address)}` is no address of a mirror"
        raise UsageError(message, hint=_HINT)
    url, headers = split_credentials(address.rstrip("/"))
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        message = f"`{without_secrets(address)}` is no address of a mirror"
        raise UsageError(message, hint=_HINT)
    # The operator named this host, and what it sends is checked against a known digest.
    plain_host = parts.hostname if parts.scheme == "http" else None
    return Mirror(url, Access(headers, None, plain_host))

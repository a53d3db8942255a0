"""What an address is."""

from __future__ import annotations


def parses(source: str) -> bool:
    """Return whether *source* can be taken apart as addresses are."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(source)
        (parts.hostname or "").encode("idna")
        port = parts.port
    except ValueError:
        return False
    return port != 0

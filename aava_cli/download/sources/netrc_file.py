"""What the user's netrc knows of hosts, for those whose own tools read it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from aava_cli.download.sources.http import basic

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAMES = (".netrc", "_netrc")


def netrc_headers(url: str) -> tuple[tuple[str, str], ...]:
    """Return what proves to the host of *url* who asks, if the user's netrc says it."""
    from netrc import NetrcParseError, netrc

    path = next(filter(Path.is_file, _candidates()), None)
    if path is None:
        return ()
    try:
        found = netrc(str(path)).authenticators(urlsplit(url).hostname or "")
    except (OSError, NetrcParseError, UnicodeDecodeError):
        # pip goes on without it as well: most of what it holds is not about packages.
        return ()
    return (basic(found[0], found[2] or ""),) if found else ()


def _candidates() -> Iterator[Path]:
    named = os.environ.get("NETRC")
    if named:
        yield Path(named).expanduser()
        return
    for name in _NAMES:
        yield Path.home() / name

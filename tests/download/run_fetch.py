"""Fetch one file in a process of its own: `python -m tests.download.run_fetch URL PATH SIZE SHA`.

It takes four connections, and slows down to the rate that a fifth word names.
"""

from __future__ import annotations

import sys
from pathlib import Path

from aava_cli.download.transfer.fetch import Download, fetch, means_of
from aava_cli.download.transfer.partial import Digest


def run(url: str, path: str, size: str, sha256: str, rate: str | None = None) -> None:
    """Fetch *url* to *path*."""
    digest = Digest("sha256", sha256)
    download = Download("test", url, size_bytes=int(size), digest=digest)
    fetch(download, Path(path), lambda *_: None, means=means_of(4, rate))


if __name__ == "__main__":
    run(*sys.argv[1:])

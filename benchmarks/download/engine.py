"""Fetch one file with the bare engine, and tell when it was verified."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from aava_cli.download.sources.http import Access
from aava_cli.download.transfer.fetch import Download, fetch, means_of
from aava_cli.download.transfer.partial import Digest


def main() -> None:
    """Fetch what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("path", type=Path)
    parser.add_argument("size_bytes", type=int)
    parser.add_argument("sha256")
    parser.add_argument("--connections", type=int)
    chosen = parser.parse_args()
    access = Access(plain_host="127.0.0.1")
    digest = Digest("sha256", chosen.sha256)
    download = Download(chosen.url, chosen.url, access, size_bytes=chosen.size_bytes, digest=digest)
    means = means_of(chosen.connections, None)
    fetch(download, chosen.path.absolute(), lambda *_: None, means=means)
    print(json.dumps({"verified_s": time.monotonic()}))


if __name__ == "__main__":
    main()

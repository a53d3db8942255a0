"""Downloads over TLS."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from aava_cli.download.sources.http import Access
from aava_cli.download.transfer.fetch import Download, fetch, means_of
from aava_cli.errors import NetworkError

if TYPE_CHECKING:
    from pathlib import Path


def test_trusted_server(secure: Download, tmp_path: Path) -> None:
    """Four encrypted connections bring the file."""
    fetched = fetch(secure, tmp_path / "p" / "k", lambda *_: None, means=means_of(4, None))
    assert secure.size_bytes == fetched.size_bytes


def test_server_that_nobody_vouches_for(secure: Download, tmp_path: Path) -> None:
    """A certificate that is signed by nobody known is no certificate."""
    unknown = replace(secure, access=Access())
    with pytest.raises(NetworkError, match="certificate is not trusted"):
        fetch(unknown, tmp_path / "p" / "k", lambda *_: None)

"""Nothing here asks the real hub: a test that wants one has its own."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def offline(own_home: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forbid to ask the hub; *own_home* has taken away what the user's shell says of it."""
    assert own_home
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)

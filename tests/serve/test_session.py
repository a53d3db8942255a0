"""What a session does with work that ends badly."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from aava_cli.serve.models import Models
from aava_cli.serve.session import Session
from aava_cli.settings import Settings

if TYPE_CHECKING:
    import pytest


class Silent:
    """A connection that nobody reads."""

    async def send_text(self, data: str) -> None:
        """Drop *data*."""

    async def send_bytes(self, data: bytes) -> None:
        """Drop *data*."""

    async def close(self, code: int, reason: str) -> None:
        """Take no notice."""

    def drop(self) -> None:
        """Take no notice."""


async def _fail_with(error: Exception) -> None:
    raise error


async def _listen_to(error: Exception) -> None:
    models = Models(Settings(Path("/project"), Path("/models")), {})
    session = Session(Silent(), models, authenticated=True)
    session.listen(_fail_with(error))
    for _ in range(3):
        await asyncio.sleep(0)


def test_bug_in_a_request_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A request that fails in a way that nobody foresaw leaves its traceback."""
    asyncio.run(_listen_to(ValueError("surprise")))
    assert ["a request ended without an answer"] == caplog.messages
    assert "surprise" in caplog.text


def test_client_that_left_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Nobody misses the answer."""
    asyncio.run(_listen_to(ConnectionResetError()))
    assert [] == caplog.messages

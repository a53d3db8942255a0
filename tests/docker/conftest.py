"""Programs that stand where `docker` should be, and print what real ones were seen to print."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeAlias

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Pose: TypeAlias = Callable[[str], None]


@pytest.fixture
def pose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pose:
    """Return a function that puts a shell script where `docker` is looked for first."""

    def put(script: str) -> None:
        folder = tmp_path / "posing"
        folder.mkdir()
        program = folder / "docker"
        program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    return put

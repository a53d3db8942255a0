"""A project of its own for each test, and the program run as a user runs it."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from aava_cli.app import main
from tests.daemon_fixture import free_port

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import TypeAlias

__all__ = ("Ran", "free_port")

pytest_plugins = ("tests.docker_fixture",)

_OWN_PREFIXES = ("AAVA_", "LOCAL_", "HF_", "XDG_", "COMPOSE_", "INCLUDE_")
_OWN_NAMES = ("NO_COLOR", "FORCE_COLOR", "TERM", "COLUMNS")


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended and what it printed."""

    exit_code: int
    stdout: str
    stderr: str


if TYPE_CHECKING:
    Aava: TypeAlias = Callable[..., Ran]


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep every test away from the user's configuration, caches and tokens."""
    for name in tuple(os.environ):
        if name.startswith(_OWN_PREFIXES) or name in _OWN_NAMES:
            monkeypatch.delenv(name)
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    for name in ("CONFIG", "DATA", "CACHE", "STATE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(home / name.lower()))
    return home


@pytest.fixture
def port() -> int:
    """Return the port that the project's daemon would listen on."""
    return free_port()


@pytest.fixture
def project(tmp_path: Path, port: int) -> Path:
    """Return a project that was set up, with no model and no daemon."""
    root = tmp_path / "project"
    for folder in ("config", "models/stt", "models/tts", "models/llm"):
        (root / folder).mkdir(parents=True)
    (root / ".aava").mkdir(mode=0o700)
    (root / ".env").write_text(f"LOCAL_WS_HOST=127.0.0.1\nLOCAL_WS_PORT={port}\n")
    return root


@pytest.fixture
def aava(project: Path, capsys: pytest.CaptureFixture[str]) -> Aava:
    """Return a function that runs `aava` on the project, in this process."""

    def run(*words: str) -> Ran:
        capsys.readouterr()
        code = main(["--project", str(project), *words])
        return Ran(code, *capsys.readouterr())

    return run


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Return what writes a line past pytest's capture: a figure that a long test found."""

    def write(line: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"\n{line}\n")

    return write

"""A misbehaving server, a catalog of one's own, and the models commands."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from aava_cli.app import main
from tests.conftest import Ran
from tests.download.run_models import build
from tests.download.server import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import TypeAlias

    from aava_cli.events import Event

    Models: TypeAlias = Callable[..., Ran]


@pytest.fixture
def server() -> Iterator[Server]:
    """Serve files on loopback for one test."""
    running = Server()
    yield running
    running.close()


@pytest.fixture
def registries(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """Set pip and npm up for the test's own server."""
    monkeypatch.setenv("PIP_INDEX_URL", f"{server.root}/simple/")
    monkeypatch.setenv("npm_config_registry", f"{server.root}/npm/")
    return server


@pytest.fixture
def models(project: Path, capsys: pytest.CaptureFixture[str]) -> Models:
    """Return a function that runs `aava models` on the project, in this process."""

    def run(*words: str) -> Ran:
        capsys.readouterr()
        code = main(["--project", str(project), "models", *words], build=build)
        return Ran(code, *capsys.readouterr())

    return run


@dataclass(slots=True)
class CatalogFile:
    """The project's own catalog, written anew for each model that is added."""

    path: Path
    tables: list[str] = field(default_factory=list)

    def add(self, model: str, backend: str, path: str, *files: str) -> None:
        """Add *model*, which is *path*, of *files*."""
        listed = ",\n".join(f"  {{ {file} }}" for file in files)
        self.tables.append(
            f"[models.{model}]\nbackend = '{backend}'\npath = '{path}'\nfiles = [\n{listed}\n]\n"
        )
        self.path.write_text("\n".join(self.tables))


@pytest.fixture
def catalog(project: Path) -> CatalogFile:
    """Return the project's own catalog, empty."""
    return CatalogFile(project / "config" / "catalog.local.toml")


@pytest.fixture
def events() -> list[Event]:
    """Collect events: `events.append` is an `Emit`."""
    return []


def sha256(data: bytes) -> str:
    """Return the SHA-256 of *data*."""
    return hashlib.sha256(data).hexdigest()


def known(data: bytes, *sources: str, path: str | None = None) -> str:
    """Return the catalog's line for a file whose bytes are known to be *data*."""
    return f"{unknown(*sources, path=path)}, size = {len(data)}, sha256 = '{sha256(data)}'"


def unknown(*sources: str, path: str | None = None) -> str:
    """Return the catalog's line for a file of which only the *sources* are known."""
    listed = ", ".join(f"'{source}'" for source in sources)
    place = f"path = '{path}', " if path else ""
    return f"{place}sources = [{listed}]"

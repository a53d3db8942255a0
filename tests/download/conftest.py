"""A misbehaving server, a catalog of one's own, and the models commands."""

from __future__ import annotations

import hashlib
import os
import ssl
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from aava_cli.app import main
from aava_cli.download.sources.http import Access
from aava_cli.download.transfer.fetch import Download
from aava_cli.download.transfer.partial import Digest
from tests.conftest import Ran
from tests.download.faults import FaultyServer
from tests.download.run_models import build
from tests.download.server import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import TypeAlias

    from aava_cli.events import Event

    Models: TypeAlias = Callable[..., Ran]


_SIGN = (
    *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
    *("-nodes", "-days", "2", "-subj", "/CN=localhost"),
    *("-addext", "subjectAltName=DNS:localhost"),
)


@pytest.fixture
def server() -> Iterator[Server]:
    """Serve files on loopback for one test."""
    running = Server()
    yield running
    running.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a key and a certificate for `localhost`, signed by itself, in one file."""
    folder = tmp_path_factory.mktemp("tls")
    key, signed = folder / "key", folder / "certificate"
    subprocess.run(
        [*_SIGN, "-keyout", str(key), "-out", str(signed)],
        check=True,
        capture_output=True,
    )
    both = folder / "both"
    both.write_bytes(key.read_bytes() + signed.read_bytes())
    return both


@pytest.fixture
def server_trust(certificate: Path) -> ssl.SSLContext:
    """Return how a server shows the certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
def secure(certificate: Path, server_trust: ssl.SSLContext) -> Iterator[Download]:
    """Serve 20 MiB over TLS, and return what fetches them."""
    body = os.urandom(20 << 20)
    server = FaultyServer(
        len(body),
        lambda start, end: body[start:end],
        lambda asked: asked.answer(),
        trust=server_trust,
    )
    digest = Digest("sha256", sha256(body))
    url = f"https://localhost:{server.port}/f"
    yield Download("test", url, Access((), certificate), None, len(body), digest)
    server.close()


@pytest.fixture
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no host be reached without the proxy that a test names."""
    for name in ("http", "https", "all", "no"):
        monkeypatch.delenv(f"{name}_proxy", raising=False)
        monkeypatch.delenv(f"{name}_proxy".upper(), raising=False)


@pytest.fixture
def registries(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """Set pip and npm up for the test's own server, and for nothing else."""
    for name in ("FIND_LINKS", "EXTRA_INDEX_URL", "NO_INDEX", "PROXY", "CERT", "CLIENT_CERT"):
        monkeypatch.delenv(f"PIP_{name}", raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
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

"""Downloads over TLS, straight and through a proxy's tunnel."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from aava_cli.download.sources.http import Access
from aava_cli.download.transfer.fetch import Download, fetch, means_of
from aava_cli.download.transfer.partial import Digest
from aava_cli.errors import NetworkError
from tests.download.test_faults import BODY, SIZE, hexdigest, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SIGN = (
    *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
    *("-nodes", "-days", "2", "-subj", "/CN=localhost"),
    *("-addext", "subjectAltName=DNS:localhost"),
)


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
def secure(certificate: Path) -> Iterator[Download]:
    """Serve the body over TLS, and return what fetches it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with serving(lambda asked: asked.answer(), trust=context) as server:
        digest = Digest("sha256", hexdigest(BODY))
        url = f"https://localhost:{server.port}/f"
        yield Download("test", url, Access((), certificate), None, SIZE, digest)


def test_trusted_server(secure: Download, tmp_path: Path) -> None:
    """Four encrypted connections bring the file."""
    means = means_of(4, None)
    fetched = fetch(secure, tmp_path / "p" / "k", lambda *_: None, means=means)
    assert hexdigest(BODY) == fetched.sha256


def test_server_that_nobody_vouches_for(secure: Download, tmp_path: Path) -> None:
    """A certificate that is signed by nobody known is no certificate."""
    unknown = replace(secure, access=Access())
    with pytest.raises(NetworkError, match="certificate is not trusted"):
        fetch(unknown, tmp_path / "p" / "k", lambda *_: None)


class Proxy:
    """A proxy that only makes tunnels; *asked* has the first line and the head of each request."""

    def __init__(self, answer: bytes = b"HTTP/1.1 200 Connected\r\n\r\n") -> None:
        self.asked: list[bytes] = []
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._run, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        self._listener.close()

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            head = client.recv(65536)
            self.asked.append(head)
            client.sendall(self._answer)
            if b" 200 " in self._answer:
                port = int(head.split()[1].rpartition(b":")[2])
                with socket.create_connection(("127.0.0.1", port)) as server:
                    back = threading.Thread(target=pump, args=(server, client), daemon=True)
                    back.start()
                    pump(client, server)
                    back.join()


def pump(source: socket.socket, target: socket.socket) -> None:
    """Pass on what *source* sends until it ends."""
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@pytest.fixture
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no host be reached without the proxy."""
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("direct")
def test_tunnel_through_a_proxy(
    secure: Download, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy passes on what it cannot read, and gets its own credentials only."""
    proxy = Proxy()
    monkeypatch.setenv("https_proxy", f"http://me:secret@127.0.0.1:{proxy.port}")
    token = replace(secure.access, headers=(("Authorization", "Bearer token"),))
    fetched = fetch(replace(secure, access=token), tmp_path / "p" / "k", lambda *_: None)
    proxy.close()
    assert hexdigest(BODY) == fetched.sha256
    assert all(b"Proxy-Authorization: Basic" in each for each in proxy.asked)
    assert not any(b"token" in each for each in proxy.asked)


@pytest.mark.usefixtures("direct")
def test_proxy_that_refuses(
    secure: Download, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Why there is no way through is told."""
    proxy = Proxy(b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n")
    monkeypatch.setenv("https_proxy", f"127.0.0.1:{proxy.port}")
    with pytest.raises(NetworkError, match="the proxy answers 407 Who are you"):
        fetch(secure, tmp_path / "p" / "k", lambda *_: None)
    proxy.close()


@pytest.mark.usefixtures("direct")
def test_proxy_of_another_kind(
    secure: Download, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be spoken is said, without its secrets."""
    monkeypatch.setenv("https_proxy", "socks5://me:secret@127.0.0.1:1")
    with pytest.raises(NetworkError, match=r"`socks5://127\.0\.0\.1:1` is not one"):
        fetch(secure, tmp_path / "p" / "k", lambda *_: None)


def test_proxy_is_not_used_where_none_is_wanted(
    secure: Download, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`no_proxy` is honoured."""
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "localhost")
    assert hexdigest(BODY) == fetch(secure, tmp_path / "p" / "k", lambda *_: None).sha256

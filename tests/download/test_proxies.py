"""Ways through proxies: HTTP, HTTPS and SOCKS 5, for downloads and for what is asked before."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from aava_cli.download.sources.http import Access, get_page
from aava_cli.download.sources.proxies import Proxy as Named
from aava_cli.download.sources.proxies import proxy_for
from aava_cli.download.transfer.fetch import Download, fetch, means_of
from aava_cli.errors import NetworkError
from tests.conftest import free_port
from tests.download.proxies import Proxy, SocksProxy

if TYPE_CHECKING:
    import ssl
    from pathlib import Path

    from tests.download.server import Server

pytestmark = pytest.mark.usefixtures("direct")
TOKEN = (("Authorization", "Bearer token"),)


def pull(download: Download, tmp_path: Path) -> int | None:
    """Fetch *download* over two connections, and return its size."""
    place = tmp_path / "p" / "k"
    return fetch(download, place, lambda *_: None, means=means_of(2, None)).size_bytes


def ask(server: Server) -> bytes:
    """Return what the test's own server has, by the client for pages."""
    server.serve("/page", b"hello")
    return get_page(f"{server.root}/page", Access(), accept="*/*")[0]


def test_tunnel_through_a_proxy(
    secure: Download, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy passes on what it cannot read, and gets its own credentials only."""
    proxy = Proxy()
    monkeypatch.setenv("https_proxy", f"http://me:secret@127.0.0.1:{proxy.port}")
    with_token = replace(secure, access=replace(secure.access, headers=TOKEN))
    assert secure.size_bytes == pull(with_token, tmp_path)
    proxy.close()
    assert all(b"Proxy-Authorization: Basic" in each for each in proxy.asked)
    assert not any(b"token" in each for each in proxy.asked)


def test_proxy_that_refuses(
    secure: Download, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Why there is no way through is told."""
    proxy = Proxy(b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n")
    monkeypatch.setenv("https_proxy", f"127.0.0.1:{proxy.port}")
    with pytest.raises(NetworkError, match="the proxy answers 407 Who are you"):
        pull(secure, tmp_path)
    proxy.close()


def test_proxy_that_speaks_tls(
    secure: Download, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server_trust: ssl.SSLContext
) -> None:
    """TLS to the proxy, and in it TLS to the server; nobody between sees who is asked for."""
    proxy = Proxy(trust=server_trust)
    monkeypatch.setenv("HTTPS_PROXY", f"https://me:secret@localhost:{proxy.port}")
    assert secure.size_bytes == pull(secure, tmp_path)
    page, _ = get_page(secure.url, secure.access, accept="*/*")
    proxy.close()
    assert secure.size_bytes == len(page)
    assert all(b"CONNECT localhost:" in each for each in proxy.asked)


def test_proxy_that_nobody_vouches_for(
    secure: Download, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server_trust: ssl.SSLContext
) -> None:
    """A proxy must be who it says that it is, before it learns anything."""
    proxy = Proxy(trust=server_trust)
    monkeypatch.setenv("HTTPS_PROXY", f"https://127.0.0.1:{proxy.port}")
    with pytest.raises(NetworkError, match="its certificate is not trusted"):
        pull(secure, tmp_path)
    proxy.close()
    assert [] == proxy.asked


def test_server_behind_tls_proxy_that_nobody_vouches_for(
    secure: Download, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server_trust: ssl.SSLContext
) -> None:
    """The proxy's own certificate says nothing of the server's."""
    proxy = Proxy(trust=server_trust)
    monkeypatch.setenv("HTTPS_PROXY", f"https://localhost:{proxy.port}")
    other = replace(secure, url=secure.url.replace("localhost", "127.0.0.1"))
    with pytest.raises(NetworkError, match="its certificate is not trusted"):
        pull(other, tmp_path)
    proxy.close()


def test_tunnel_that_ends(
    secure: Download, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server_trust: ssl.SSLContext
) -> None:
    """A proxy that hangs up within the inner handshake is a connection that broke."""
    proxy = Proxy(b"HTTP/1.1 204 Connected\r\n\r\n", trust=server_trust)
    monkeypatch.setenv("HTTPS_PROXY", f"https://localhost:{proxy.port}")
    with pytest.raises(NetworkError, match="cannot be reached"):
        pull(secure, tmp_path)
    proxy.close()


@pytest.mark.parametrize(
    ("credentials", "password"), [("", None), ("me:p%40ss@", None), ("me:p%40ss@", b"p@ss")]
)
@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
def test_socks(
    secure: Download,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    scheme: str,
    credentials: str,
    password: bytes | None,
) -> None:
    """The proxy looks names up, and a password is given where it is wanted."""
    proxy = SocksProxy(password)
    monkeypatch.setenv("ALL_PROXY", f"{scheme}://{credentials}127.0.0.1:{proxy.port}")
    assert secure.size_bytes == pull(secure, tmp_path)
    proxy.close()
    assert {b"1 3 localhost"} == set(proxy.asked)


def test_socks_without_tls(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain server is reached by its number, and asked as if there were no proxy."""
    proxy = SocksProxy()
    monkeypatch.setenv("all_proxy", f"socks5://127.0.0.1:{proxy.port}")
    assert 7 == pull(Download("test", server.serve("/f", b"weights")), tmp_path)
    assert b"hello" == ask(server)
    proxy.close()
    assert {b"1 1 \x7f\0\0\1"} == set(proxy.asked)
    assert len(server.gets("/f")) == 1


def test_socks_to_an_address_of_six_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """IPv6 has its own form; what the proxy answers is told in words."""
    proxy = SocksProxy(answer=4)
    monkeypatch.setenv("all_proxy", f"socks5://127.0.0.1:{proxy.port}")
    with pytest.raises(NetworkError, match="the proxy cannot connect: the host cannot be reached"):
        pull(Download("test", "http://[::1]:1/f"), tmp_path)
    proxy.close()
    assert b"1 4 " + bytes(15) + b"\1" == proxy.asked[0]


@pytest.mark.parametrize(
    ("credentials", "password", "answer", "said"),
    [
        ("", b"secret", 0, "wants other credentials than it was given"),
        ("me:wrong@", b"secret", 0, "does not accept the credentials"),
        (f"me:{'x' * 256}@", b"secret", 0, "no password of more than 255 bytes"),
        ("", None, 2, "cannot connect: its rules forbid it"),
        ("", None, 9, "cannot connect: it answers 9"),
    ],
)
def test_socks_that_refuses(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    credentials: str,
    password: bytes | None,
    answer: int,
    said: str,
) -> None:
    """The reason is the proxy's own, and the password is not in it."""
    proxy = SocksProxy(password, answer)
    monkeypatch.setenv("all_proxy", f"socks5://{credentials}127.0.0.1:{proxy.port}")
    with pytest.raises(NetworkError, match=said) as raised:
        pull(Download("test", "http://127.0.0.1:1/f"), tmp_path)
    proxy.close()
    assert "wrong" not in str(raised.value)


@pytest.mark.parametrize(
    ("answer", "said"), [(b"HTTP/1.1 400 What", "does not speak SOCKS 5"), (b"", "closed the conn")]
)
def test_proxy_that_is_no_socks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: bytes, said: str
) -> None:
    """Another protocol at that port is named as what it is not."""
    proxy = Proxy(answer)
    monkeypatch.setenv("all_proxy", f"socks5://127.0.0.1:{proxy.port}")
    with pytest.raises(NetworkError, match=said):
        pull(Download("test", "http://127.0.0.1:1/f"), tmp_path)
    proxy.close()


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("socks4://me:secret@127.0.0.1:1", r"`socks4://127\.0\.0\.1:1` is not one"),
        ("me:secret@", "is not one"),
        ("http://me:secret@127.0.0.1:http", "makes no sense"),
        ("http://me:secret@[1", "makes no sense"),
    ],
)
def test_proxy_of_another_kind(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str, said: str
) -> None:
    """What cannot be spoken is said, without its secrets, whoever would have gone through it."""
    monkeypatch.setenv("http_proxy", address)
    for go in (lambda: ask(server), lambda: pull(Download("test", f"{server.root}/f"), tmp_path)):
        with pytest.raises(NetworkError, match=said) as raised:
            go()
        assert "secret" not in str(raised.value) + raised.value.hint


def test_proxy_is_not_used_where_none_is_wanted(
    secure: Download, tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`no_proxy` is honoured for downloads and pages alike, networks included."""
    monkeypatch.setenv("all_proxy", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("no_proxy", "localhost,127.0.0.0/8")
    assert secure.size_bytes == pull(secure, tmp_path)
    assert b"hello" == ask(server)


@pytest.mark.parametrize(
    ("exceptions", "url", "expected"),
    [
        ("*", "https://a.example/f", True),
        ("a.example", "https://a.example/f", True),
        (" b.example , a.example", "https://a.example/f", True),
        ("example", "https://a.example/f", True),
        (".example", "https://a.example/f", True),
        ("*.example", "https://a.example/f", True),
        ("EXAMPLE", "https://A.example/f", True),
        ("xample", "https://a.example/f", False),
        (".", "https://a.example/f", False),
        ("a.example:443", "https://a.example/f", True),
        ("a.example:443", "https://a.example:8443/f", False),
        ("127.0.0.1:8080", "http://127.0.0.1:8080/f", True),
        ("10.0.0.0/8", "https://10.1.2.3/f", True),
        ("10.0.0.0/8", "https://11.1.2.3/f", False),
        ("10.0.0.0/8", "https://a.example/f", False),
        ("::1", "http://[::1]:80/f", True),
        ("[::1]:80", "http://[::1]/f", True),
        ("::1", "https://a.example/f", False),
        ("", "https://a.example/f", False),
    ],
)
def test_exceptions(
    monkeypatch: pytest.MonkeyPatch, exceptions: str, url: str, *, expected: bool
) -> None:
    """Names with all below them, networks, ports: as other tools read `NO_PROXY`."""
    monkeypatch.setenv("NO_PROXY", exceptions)
    assert expected == (proxy_for(url, "http://proxy.example") is None)


def test_named_proxy_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a registry's configuration says is nearer than the environment; ports have defaults."""
    monkeypatch.setenv("https_proxy", "http://environment.example")
    monkeypatch.setenv("all_proxy", "socks5://all.example")
    found = [proxy_for("https://a.example/f", "https://named.example")]
    found += [proxy_for(f"{scheme}://a.example/f") for scheme in ("https", "http")]
    assert found == [
        Named("https", "named.example", 443),
        Named("http", "environment.example", 80),
        Named("socks5", "all.example", 1080),
    ]


def test_password_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever prints a proxy prints no secret."""
    monkeypatch.setenv("https_proxy", "http://me:secret@proxy.example")
    found = proxy_for("https://a.example/f")
    assert found is not None
    assert ("secret", False) == (found.password, "secret" in repr(found))

"""Where sources lead: to addresses, registries and the hub, by their own configuration."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from typing import TYPE_CHECKING

import pytest

from aava_cli.download.sources.http import Access, check_address, split_credentials, without_secrets
from aava_cli.download.sources.npm_config import ask_npm
from aava_cli.download.sources.npm_registry import find_tarball
from aava_cli.download.sources.pip_config import PipIndexes, ask_pip
from aava_cli.download.sources.pip_index import find_file
from aava_cli.download.sources.resolver import Resolver
from aava_cli.download.transfer.partial import Digest
from aava_cli.errors import AccessDenied, NetworkError, NotFound, UsageError
from tests.conftest import free_port
from tests.download.server import wheel

if TYPE_CHECKING:
    from pathlib import Path

    from tests.download.server import Server

PIP = ((sys.executable, "-m", "pip"),)


def test_address_is_itself(server: Server) -> None:
    """An address on this host is taken as it is; nobody vouches for it."""
    resolved = Resolver().resolve(f"{server.root}/a")
    assert (f"{server.root}/a", None, None) == (
        resolved.download.url,
        resolved.voucher,
        resolved.member,
    )


def test_credentials_move_from_the_address_to_a_header() -> None:
    """What is shown of a source has no password, and no query."""
    download = Resolver().resolve("https://me:p%40ss@host.example/a?key=secret").download
    assert download.source == "https://host.example/a"
    assert download.url == "https://host.example/a?key=secret"
    assert download.access.headers == (("Authorization", "Basic bWU6cEBzcw=="),)


@pytest.mark.parametrize("url", ["http://host.example/a", "http://10.0.0.1/a", "ftp://127.0.0.2x"])
def test_plain_http_elsewhere_is_refused(url: str) -> None:
    """Only this host may be spoken to without TLS."""
    with pytest.raises(NetworkError, match="is not HTTPS"):
        check_address(url, Access())


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "registry.example"])
def test_plain_http_where_it_is_allowed(host: str) -> None:
    """This host, and the host that the operator's own configuration names, are fine."""
    check_address(f"http://{host}/a", Access(plain_host="registry.example"))


def test_address_without_credentials_stays() -> None:
    """Nothing is taken from an address that has no user."""
    assert split_credentials("https://h.example:8/a?b#c") == ("https://h.example:8/a?b#c", ())
    assert without_secrets("https://u:p@h.example:8/a?b#c") == "https://h.example:8/a"


@pytest.mark.parametrize("source", ["ftp:x", "hf:only-one/x", "pypi:a#b", "npm:a#b", "x"])
def test_unknown_source_is_refused(source: str) -> None:
    """A source of another shape is a mistake in a catalog."""
    with pytest.raises(UsageError, match="no source"):
        Resolver().resolve(source)


def test_package_of_pip(registries: Server) -> None:
    """The index that pip asks has the file, its digest, and the member is the wanted one."""
    registries.serve_wheel("my-voice", "1.0", {"a/b.onnx": b"1"})
    resolved = Resolver().resolve("pypi:My_Voice==1.0#a/b.onnx")
    package = registries.files["/packages/my_voice-1.0-py3-none-any.whl"].body
    assert resolved.member == "a/b.onnx"
    assert resolved.voucher == "publisher"
    assert resolved.download.source == "pypi:My_Voice==1.0"
    assert resolved.download.digest == Digest("sha256", hashlib.sha256(package).hexdigest())


def test_registry_is_asked_once(registries: Server) -> None:
    """Two members of a package cost one question."""
    registries.serve_wheel("my-voice", "1.0", {"a": b"1"})
    resolver = Resolver()
    for member in ("a", "b"):
        assert member == resolver.resolve(f"pypi:my-voice==1.0#{member}").member
    assert len(registries.gets("/simple/my-voice/")) == 1


def test_json_index(server: Server) -> None:
    """An index that speaks JSON also says the size."""
    files = [
        {"filename": "other-1.0-py3-none-any.whl", "url": "x", "hashes": {}},
        {"filename": "v-1.0-cp311-cp311-linux_x86_64.whl", "url": "/l.whl", "hashes": {}},
        {"filename": "v-1.0.tar.gz", "url": "/s.tar.gz", "hashes": {}, "size": 2},
        {"filename": "v-1.0.exe", "url": "/s.exe", "hashes": {}},
        {"filename": "v-1.0-py3-none-any.whl", "url": "/f", "hashes": {"sha256": "ab"}, "size": 7},
    ]
    kind = {"Content-Type": "application/vnd.pypi.simple.v1+json"}
    server.serve("/simple/v/", json.dumps({"files": files}).encode(), headers=kind)
    found = find_file(PipIndexes((f"{server.root}/simple",)), "v", "1.0")
    assert (f"{server.root}/f", "ab", 7) == (found.url, found.sha256, found.size_bytes)
    assert "json" in server.gets("/simple/v/")[0]["Accept"]


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"files": [{}]}', b'{"files": [1]}'])
def test_json_index_that_is_none(server: Server, body: bytes) -> None:
    """What is no index is reported as that."""
    kind = {"Content-Type": "application/vnd.pypi.simple.v1+json"}
    server.serve("/simple/v/", body, headers=kind)
    with pytest.raises(NetworkError, match="does not answer as one"):
        find_file(PipIndexes((f"{server.root}/simple",)), "v", "1.0")


def test_local_index_and_dead_index_are_passed_over(server: Server, tmp_path: Path) -> None:
    """Indexes are asked in turn: a folder without the project, a dead host, then the one."""
    server.serve_wheel("v", "1.0", {"a": b"1"})
    dead = f"http://127.0.0.1:{free_port()}/simple"
    indexes = PipIndexes((tmp_path.as_uri(), dead, f"{server.root}/simple"))
    assert find_file(indexes, "v", "1.0").filename == "v-1.0-py3-none-any.whl"


def test_local_index_has_files(tmp_path: Path) -> None:
    """A folder in the form of an index serves as well; a broken digest is none."""
    page = '<p>x</p><a name="y">z</a><a href="v-1.0.zip#sha256=short">v-1.0.zip</a>'
    (tmp_path / "v").mkdir()
    (tmp_path / "v" / "index.html").write_text(page)
    (tmp_path / "v" / "v-1.0.zip").write_bytes(wheel({"a": b"1"}))
    found = find_file(PipIndexes((tmp_path.as_uri(),)), "v", "1.0")
    assert ((tmp_path / "v" / "v-1.0.zip").as_uri(), None) == (found.url, found.sha256)


def test_missing_version_is_not_found(server: Server) -> None:
    """Where every index answered, a version that none has does not exist."""
    server.serve_wheel("v", "1.0", {"a": b"1"})
    with pytest.raises(NotFound, match=r"no package index has v 2\.0"):
        find_file(PipIndexes((f"{server.root}/simple",)), "v", "2.0")


def test_dead_index_is_a_network_failure(server: Server) -> None:
    """While an index cannot be asked, nobody knows that the version does not exist."""
    dead = f"http://127.0.0.1:{free_port()}/simple"
    with pytest.raises(NetworkError, match="cannot be reached"):
        find_file(PipIndexes((f"{server.root}/simple", dead)), "v", "1.0")


def test_index_credentials_go_to_its_own_host_only(server: Server) -> None:
    """A file on the index's host gets the credentials; one elsewhere does not."""
    links = f'<a href="/v-1.0.tar.gz">a</a><a href="http://localhost:{server.port}/w-1.0.zip">b</a>'
    for name in ("v", "w"):
        server.serve(f"/simple/{name}/", links.encode(), authorization="Basic")
    index = PipIndexes((f"http://me:secret@127.0.0.1:{server.port}/simple",))
    own, other = find_file(index, "v", "1.0"), find_file(index, "w", "1.0")
    assert (1, 0) == (len(own.access.headers), len(other.access.headers))
    assert "secret" not in own.url + other.url


def test_denied_index_says_so(server: Server) -> None:
    """An index that wants credentials is told apart from one that is down."""
    server.serve("/simple/v/", b"", authorization="Basic")
    with pytest.raises(AccessDenied, match="401"):
        find_file(PipIndexes((f"{server.root}/simple",)), "v", "1.0")


def test_index_page_is_asked_for_twice(server: Server) -> None:
    """One hiccup of an index does not cost the source."""
    server.serve_wheel("v", "1.0", {"a": b"1"})
    server.files["/simple/v/"].statuses = [503]
    assert find_file(PipIndexes((f"{server.root}/simple",)), "v", "1.0").sha256


def test_endless_page_is_refused(server: Server) -> None:
    """An index page has a bound."""
    server.serve("/simple/v/", bytes(65 << 20))
    with pytest.raises(NetworkError, match="without an end"):
        find_file(PipIndexes((f"{server.root}/simple",)), "v", "1.0")


def test_certificates_come_with_the_program(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A system that names no certificates of its own still trusts the usual ones."""
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    server.serve_wheel("v", "1.0", {"a": b"1"})
    assert find_file(PipIndexes((f"{server.root}/simple",)), "v", "1.0").sha256


def test_pip_configuration_is_pips_own(monkeypatch: pytest.MonkeyPatch, own_home: Path) -> None:
    """Sections and the environment count as they do for `pip install`."""
    config = own_home / "pip.conf"
    config.write_text(
        "[global]\nindex-url = https://global.example/simple\ncert = ~/ca.pem\n"
        "[install]\nindex-url = https://install.example/simple\n"
        "extra-index-url = file:///a\n  file:///b\n[download]\nindex-url = https://no.example\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
    monkeypatch.delenv("PIP_CERT", raising=False)
    indexes = ask_pip(PIP)
    assert indexes.urls == ("https://install.example/simple", "file:///a", "file:///b")
    assert indexes.certificates == own_home / "ca.pem"
    monkeypatch.setenv("PIP_INDEX_URL", "https://environment.example/simple")
    assert ask_pip(PIP).urls[0] == "https://environment.example/simple"


def test_index_that_pip_has_built_in(monkeypatch: pytest.MonkeyPatch, own_home: Path) -> None:
    """Without any configuration pip still knows an index, and says which."""
    monkeypatch.setenv("PIP_CONFIG_FILE", str(own_home / "none"))
    monkeypatch.delenv("PIP_INDEX_URL", raising=False)
    (url,) = ask_pip(PIP).urls
    assert url.startswith("https://")


def test_pip_without_index(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who told pip to ask nobody is obeyed."""
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(NetworkError, match="ask no index"):
        ask_pip(PIP)


def test_no_pip_at_all() -> None:
    """The next interpreter is asked, and a missing pip has a reason."""
    with pytest.raises(NetworkError, match="pip, which knows the package index, is not installed"):
        ask_pip((("no-such-program-here",), (sys.executable, "-c", "raise SystemExit(1)")))


def test_pip_that_does_not_say() -> None:
    """A pip that answers in another way is not guessed at."""
    with pytest.raises(NetworkError, match="does not say which index"):
        ask_pip(((sys.executable, "-c", ""),))


def test_package_of_npm(registries: Server) -> None:
    """The registry that npm asks has the tarball and its digest."""
    registries.serve_npm("@me/voice", "1.0.0", {"models/a": b"1"})
    resolved = Resolver().resolve("npm:@me/voice@1.0.0#package/models/a")
    package = registries.files["/tarballs/@me/voice-1.0.0.tgz"].body
    assert resolved.download.source == "npm:@me/voice@1.0.0"
    assert resolved.download.digest == Digest("sha512", hashlib.sha512(package).hexdigest())


def test_scope_has_its_own_registry(server: Server) -> None:
    """A scoped package is asked for where its scope is."""
    server.serve_npm("@me/voice", "1.0.0", {"a": b"1"})
    settings = {"@me:registry": f"{server.root}/npm", "registry": "https://other.example"}
    assert find_tarball(settings, "@me/voice", "1.0.0").digest


@pytest.mark.parametrize(
    ("integrity", "expected"),
    [
        ("", None),
        ("md5-AA==", None),
        ("sha256-YWE= sha512-YWI=?x", Digest("sha512", "6162")),
    ],
)
def test_npm_integrity(server: Server, integrity: str, expected: Digest | None) -> None:
    """The strongest digest counts; weak ones do not."""
    dist = {"tarball": f"http://me:secret@127.0.0.1:{server.port}/t", "integrity": integrity}
    server.serve("/npm/v/1", json.dumps({"dist": dist}).encode())
    found = find_tarball({"registry": f"{server.root}/npm"}, "v", "1")
    assert (expected, f"{server.root}/t") == (found.digest, found.url)
    assert len(found.access.headers) == 1


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b"{}", b'{"dist": {"tarball": "x", "integrity": "sha512-%"}}']
)
def test_npm_registry_that_is_none(server: Server, body: bytes) -> None:
    """What is no registry is reported as that."""
    server.serve("/npm/v/1", body)
    with pytest.raises(NetworkError, match="does not answer as one"):
        find_tarball({"registry": f"{server.root}/npm"}, "v", "1")


def test_without_npm_its_files_count(monkeypatch: pytest.MonkeyPatch, own_home: Path) -> None:
    """`.npmrc` and the environment say where the registry is when npm cannot."""
    (own_home / ".npmrc").write_text("# mine\nregistry = https://file.example\ncafile='/ca'\n")
    assert ask_npm("no-such-npm")["registry"] == "https://file.example"
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", "https://environment.example")
    settings = ask_npm("no-such-npm")
    assert ("https://environment.example", "/ca") == (settings["registry"], settings["cafile"])


def test_without_npm_and_its_files(monkeypatch: pytest.MonkeyPatch, own_home: Path) -> None:
    """Nobody knows a registry then, and the reason says what to install."""
    monkeypatch.setenv("NPM_CONFIG_USERCONFIG", str(own_home / "none"))
    monkeypatch.delenv("npm_config_registry", raising=False)
    with pytest.raises(NetworkError, match="npm, which knows the package registry"):
        find_tarball(ask_npm("no-such-npm"), "v", "1")

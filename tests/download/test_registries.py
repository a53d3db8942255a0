"""Registries as pip and npm are set up for them: places, credentials, certificates, proxies."""

from __future__ import annotations

import base64
import json
import os
import ssl
import sys
from typing import TYPE_CHECKING

import pytest

from aava_cli.download.sources.http import Access, basic, get_page
from aava_cli.download.sources.netrc_file import netrc_headers
from aava_cli.download.sources.npm_config import ask_npm, headers_for
from aava_cli.download.sources.npm_registry import find_tarball
from aava_cli.download.sources.pip_config import PipIndexes, ask_pip
from aava_cli.download.sources.pip_index import find_file
from aava_cli.download.sources.resolver import Resolver
from aava_cli.download.sources.trust import trust_of
from aava_cli.errors import NetworkError, NotFound
from tests.conftest import free_port
from tests.download.conftest import sha256, unknown
from tests.download.faults import FaultyServer
from tests.download.server import wheel

if TYPE_CHECKING:
    from pathlib import Path

    from tests.download.conftest import CatalogFile, Models
    from tests.download.server import Server

PIP = ((sys.executable, "-m", "pip"),)
WHEEL = "v-1.0-py3-none-any.whl"
PAGE = f'<a href="{WHEEL}#sha256={"a" * 64}">v</a>'


@pytest.fixture
def no_pip(registries: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """Set pip up for nothing at all, and return the test's own server."""
    monkeypatch.delenv("PIP_INDEX_URL")
    for name in ("http_proxy", "HTTP_PROXY", "REQUESTS_CA_BUNDLE", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    return registries


@pytest.fixture
def npmrc(own_home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return the user's `.npmrc`, npm's only file."""
    for name in tuple(os.environ):
        if name.lower().startswith("npm_config_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return own_home / ".npmrc"


def test_folder_of_packages(
    no_pip: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`find-links` names a folder; without an index nobody else is asked."""
    (tmp_path / WHEEL).write_bytes(wheel({"a": b"1"}))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", f"{tmp_path / 'none'} {tmp_path}")
    download = Resolver().resolve("pypi:V==1.0#a").download
    assert (tmp_path / WHEEL).as_uri() == download.url
    assert [] == no_pip.asked
    with pytest.raises(NotFound, match=r"no package index has v 2\.0"):
        Resolver().resolve("pypi:v==2.0#a")


def test_package_of_a_folder_is_pulled(
    no_pip: Server,
    project: Path,
    catalog: CatalogFile,
    models: Models,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody vouches for what lies in a folder, and that is said."""
    (project / WHEEL).write_bytes(wheel({"a.onnx": b"weights"}))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(project))
    catalog.add("mine", "kroko", "kroko/mine.onnx", unknown("pypi:v==1.0#a.onnx"))
    ran = models("pull", "mine")
    assert (0, True) == (ran.exit_code, "nobody vouches for `kroko/mine.onnx`" in ran.stderr)
    assert (project / "models/kroko/mine.onnx").read_bytes() == b"weights"
    assert [] == no_pip.asked


@pytest.mark.parametrize("form", ["{0}/page.html", "file://{0}/page.html", "file://{0}/index"])
def test_page_of_links_on_disk(tmp_path: Path, form: str) -> None:
    """Links count from the page that they are on, and may have a digest."""
    for page in ("page.html", "index/index.html"):
        (tmp_path / page).parent.mkdir(exist_ok=True)
        (tmp_path / page).write_text(PAGE)
    found = find_file(PipIndexes((), links=(form.format(tmp_path),)), "v", "1.0")
    assert (WHEEL, "a" * 64) == (found.url.rpartition("/")[2], found.sha256)
    assert found.url.startswith(tmp_path.as_uri())


def test_links_of_a_server(server: Server, tmp_path: Path) -> None:
    """A page of links, a file by its own address, a file on disk: each is asked before indexes."""
    server.serve("/links", PAGE.encode(), headers={"Content-Type": "text/html"})
    dead = f"http://127.0.0.1:{free_port()}/simple"
    (tmp_path / WHEEL).write_bytes(b"")
    links = (f"{server.root}/links", f"{server.root}/d/{WHEEL}#sha256={'b' * 64}")
    page, file, near = (
        find_file(PipIndexes((dead,), links=(link,)), "v", "1.0")
        for link in (*links, str(tmp_path / WHEEL))
    )
    assert [f"{server.root}/{WHEEL}", f"{server.root}/d/{WHEEL}"] == [page.url, file.url]
    assert ["a" * 64, "b" * 64, None] == [page.sha256, file.sha256, near.sha256]


def test_pip_has_more_to_say(
    no_pip: Server, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proxy, certificates and links come with the indexes, and are not shown."""
    assert [] == no_pip.asked
    monkeypatch.setenv("PIP_INDEX_URL", "https://me:secret@index.example/simple")
    monkeypatch.setenv("PIP_PROXY", "http://me:secret@proxy.example:3128")
    monkeypatch.setenv("PIP_CLIENT_CERT", "~/client.pem")
    monkeypatch.setenv("PIP_FIND_LINKS", "/a /b")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/ca.pem")
    asked = ask_pip(PIP)
    assert ("/a", "/b") == asked.links
    assert "http://me:secret@proxy.example:3128" == asked.proxy
    assert (own_home / "client.pem", "/ca.pem") == (
        asked.client_certificate,
        str(asked.certificates),
    )
    assert "secret" not in repr(asked)


def test_proxy_of_pip(no_pip: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy of pip is asked for the index, with the whole address."""
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    proxy = FaultyServer(1, lambda _start, _end: b"x", lambda asked: asked.answer())
    index = PipIndexes(("http://index.example/simple",), proxy=f"127.0.0.1:{proxy.port}")
    with pytest.raises(NotFound):
        find_file(index, "v", "1.0")
    proxy.close()
    assert "http://index.example/simple/v/" == proxy.asked[0].path
    assert [] == no_pip.asked


def test_netrc_has_the_credentials(
    no_pip: Server, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The index's host gets them, unless its address has its own; other hosts do not."""
    (own_home / ".netrc").write_text("machine 127.0.0.1 login me password secret\n")
    no_pip.serve("/simple/v/", f'<a href="/{WHEEL}">v</a>'.encode(), authorization="Basic")
    found = find_file(PipIndexes((f"{no_pip.root}/simple",)), "v", "1.0")
    assert (basic("me", "secret"),) == found.access.headers
    own = find_file(PipIndexes((f"http://you:own@127.0.0.1:{no_pip.port}/simple",)), "v", "1.0")
    assert (basic("you", "own"),) == own.access.headers
    assert () == netrc_headers("https://other.example/simple")
    named = own_home / "named"
    named.write_text("default login any password one\n")
    monkeypatch.setenv("NETRC", str(named))
    assert (basic("any", "one"),) == netrc_headers("https://other.example/simple")
    named.write_text("what is this")
    assert () == netrc_headers("https://other.example/simple")
    named.unlink()
    assert () == netrc_headers("https://other.example/simple")


def test_server_that_asks_who_we_are(certificate: Path, server_trust: ssl.SSLContext) -> None:
    """The client certificate of pip is shown to those that ask for one."""
    server_trust.verify_mode = ssl.CERT_REQUIRED
    server_trust.load_verify_locations(certificate)
    server = FaultyServer(
        1, lambda _start, _end: b"x", lambda each: each.answer(), trust=server_trust
    )
    url = f"https://localhost:{server.port}/f"
    page, _ = get_page(url, Access((), certificate, None, None, certificate), accept="*/*")
    with pytest.raises(NetworkError):
        get_page(url, Access((), certificate), accept="*/*")
    server.close()
    assert b"x" == page


def test_certificates_that_cannot_be_used(tmp_path: Path, certificate: Path) -> None:
    """The file is named; a folder of certificates is fine."""
    assert trust_of(Access((), tmp_path)).get_ca_certs() == []
    with pytest.raises(NetworkError, match=r"none` cannot be used: No such file"):
        trust_of(Access((), tmp_path / "none"))
    bad = tmp_path / "bad"
    bad.write_text("no certificate")
    with pytest.raises(NetworkError, match="bad` cannot be used"):
        trust_of(Access((), certificate, None, None, bad))


@pytest.mark.parametrize("token", ["s3cret\nX: y", "s3cret…", " s3cret", ""])
def test_header_that_cannot_be_sent(server: Server, token: str) -> None:
    """It is refused before a library could show it; an empty one is no secret."""
    server.serve("/f", b"x")
    access = Access((("Authorization", f"{token}"),))
    if not token:
        assert get_page(f"{server.root}/f", access, accept="*/*")[0] == b"x"
        return
    with pytest.raises(NetworkError, match="`Authorization` has a character") as raised:
        get_page(f"{server.root}/f", access, accept="*/*")
    assert "s3cret" not in str(raised.value)


PASSWORD = base64.b64encode(b"secret").decode()


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("//127.0.0.1:{port}/npm/:_authToken=t0ken", "Bearer t0ken"),
        ("//127.0.0.1:{port}/:_authToken = '${{MY_TOKEN}}'", "Bearer from-variable"),
        ("//127.0.0.1:{port}/:_authToken=${{NONE?}}", None),
        ("//127.0.0.1:{port}/npm/:_auth=bWU6c2VjcmV0", "Basic bWU6c2VjcmV0"),
        (
            f"//127.0.0.1:{{port}}/:username=me\n//127.0.0.1:{{port}}/:_password={PASSWORD}",
            "Basic bWU6c2VjcmV0",
        ),
        ("//127.0.0.1:{port}/:username=me", None),
        ("//127.0.0.1:1{port}/:_authToken=t0ken", None),
        ("//localhost:{port}/:_authToken=t0ken", None),
        ("//127.0.0.1:{port}/other/:_authToken=t0ken", None),
        ("# //127.0.0.1:{port}/:_authToken=t0ken", None),
        ("_authToken=t0ken", "Bearer t0ken"),
        ("", None),
    ],
)
def test_npm_credentials(
    server: Server, npmrc: Path, monkeypatch: pytest.MonkeyPatch, written: str, expected: str | None
) -> None:
    """They go to the host and path that they are written for: page and tarball alike."""
    monkeypatch.setenv("MY_TOKEN", "from-variable")
    npmrc.write_text(f"registry={server.root}/npm/\n{written.format(port=server.port)}\n")
    tarball = f"{server.root}/npm/t.tgz"
    server.serve("/npm/v/1", json.dumps({"dist": {"tarball": tarball}}).encode())
    found = find_tarball(ask_npm("no-such-npm"), "v", "1")
    (asked,) = server.gets("/npm/v/1")
    assert expected == asked.get("Authorization")
    assert expected == dict(found.access.headers).get("Authorization")


def test_npm_token_is_not_for_other_hosts(server: Server, npmrc: Path) -> None:
    """A tarball that lies elsewhere is fetched without it."""
    npmrc.write_text(f"registry={server.root}/npm/\n//127.0.0.1:{server.port}/:_authToken=t0ken\n")
    tarball = f"http://localhost:{server.port}/t.tgz"
    server.serve("/npm/v/1", json.dumps({"dist": {"tarball": tarball}}).encode())
    assert () == find_tarball(ask_npm("no-such-npm"), "v", "1").access.headers


def test_npm_files_and_variables_in_their_order(
    npmrc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The project's file counts more than the user's, the environment most of all."""
    project = tmp_path / "project"
    (project / "deep").mkdir(parents=True)
    (project / "package.json").write_text("{}")
    (project / ".npmrc").write_text("//h.example/:_authToken=project\n; a comment\nproxy=null\n")
    whole = tmp_path / "global"
    whole.write_text("//h.example/:_authToken=global\n//g.example/:_authToken=global\n")
    npmrc.write_text("//h.example/:_authToken=user\n//u.example/:_authToken=user\n")
    monkeypatch.setenv("NPM_CONFIG_GLOBALCONFIG", str(whole))
    monkeypatch.chdir(project / "deep")

    def tokens() -> list[str]:
        settings = ask_npm("no-such-npm")
        places = [f"https://{each}.example/npm/v" for each in "hug"]
        return [headers_for(settings, place)[0][1].removeprefix("Bearer ") for place in places]

    assert ["project", "user", "global"] == tokens()
    monkeypatch.setenv("npm_config_//h.example/:_authToken", "variable")
    monkeypatch.setenv("npm_config_https_proxy", "http://proxy.example")
    assert ["variable", "user", "global"] == tokens()
    assert "http://proxy.example" == ask_npm("no-such-npm")["https-proxy"]


def test_npm_secrets_beside_what_npm_tells(npmrc: Path, tmp_path: Path) -> None:
    """What npm tells says where its files are; it keeps the secrets to itself."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("//h.example/:_authToken=t0ken\nregistry=https://old.example\n")
    told = {"userconfig": str(elsewhere), "registry": "https://h.example", "proxy": None}
    npm = tmp_path / "npm"
    npm.write_text(f"#!/bin/sh\necho '{json.dumps(told)}'\n")
    npm.chmod(0o755)
    settings = ask_npm(str(npm))
    assert not npmrc.exists()
    assert "https://h.example" == settings["registry"]
    assert (("Authorization", "Bearer t0ken"),) == headers_for(settings, "https://h.example/v")


def test_npm_password_that_is_none(npmrc: Path) -> None:
    """What npm did not write is not guessed at, and not shown."""
    npmrc.write_text("//h.example/:username=me\n//h.example/:_password=s3cret!\n")
    with pytest.raises(NetworkError, match="not in Base64") as raised:
        headers_for(ask_npm("no-such-npm"), "https://h.example/v")
    assert "s3cret" not in str(raised.value)


def test_registry_without_pages_of_versions(server: Server) -> None:
    """Many private registries have the page of the whole package only."""
    dist = {"tarball": f"{server.root}/t.tgz"}
    server.serve("/npm/@me/v", json.dumps({"versions": {"1": {"dist": dist}}}).encode())
    settings = {"registry": f"{server.root}/npm/"}
    assert f"{server.root}/t.tgz" == find_tarball(settings, "@me/v", "1").url
    with pytest.raises(NotFound, match="404"):
        find_tarball(settings, "@me/v", "2")


@pytest.mark.parametrize("option", ["https-proxy", "proxy"])
def test_proxy_of_npm(server: Server, option: str) -> None:
    """The proxy of npm leads to the tarball as well; `null` is none."""
    server.serve("/npm/v/1", json.dumps({"dist": {"tarball": f"{server.root}/t"}}).encode())
    settings = {"registry": f"{server.root}/npm", option: "null"}
    assert find_tarball(settings, "v", "1").access.proxy is None
    dead = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(NetworkError, match="cannot be reached"):
        find_tarball({"registry": "http://index.example/npm", option: dead}, "v", "1")


def test_secrets_of_registries_stay_out_of_sight(
    server: Server, npmrc: Path, catalog: CatalogFile, models: Models, tmp_path: Path
) -> None:
    """Neither an error nor a receipt nor a list has the token."""
    npmrc.write_text(f"registry={server.root}/npm/\n//127.0.0.1:{server.port}/:_authToken=t0ken\n")
    server.serve_npm("v", "1", {"a": b"1"})
    server.files["/tarballs/v-1.tgz"].authorization = "Bearer t0ken"
    catalog.add("mine", "kroko", "kroko/mine.onnx", unknown("npm:v@1#a"))
    ran = models("pull", "mine", "--events")
    assert 0 == ran.exit_code, ran.stdout
    server.files["/tarballs/v-1.tgz"].authorization = "Bearer other"
    catalog.add("two", "kroko", "kroko/two.onnx", unknown("npm:v@1#b"))
    failed = models("pull", "two")
    shown = ran.stdout + ran.stderr + failed.stdout + failed.stderr + models("show", "mine").stdout
    kept = "".join(each.read_text("latin-1") for each in tmp_path.rglob("*") if each.is_file())
    assert (True, False) == (failed.exit_code != 0, "t0ken" in shown + kept)
    assert sha256(b"1") in kept

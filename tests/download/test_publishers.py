"""What publishers say beside their files, and a mirror that is asked by digest."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from aava_cli.download.sources.github import Releases, is_asset
from aava_cli.download.sources.mirror import find_mirror
from aava_cli.download.sources.resolver import Resolver
from aava_cli.download.sources.vosk_list import VoskLists, is_vosk_model
from aava_cli.download.transfer.partial import Digest
from aava_cli.errors import NetworkError, NotFound, UsageError
from tests.conftest import free_port
from tests.download.conftest import known, sha256, unknown
from tests.download.server import wheel

if TYPE_CHECKING:
    from pathlib import Path

    from tests.download.conftest import CatalogFile, Models
    from tests.download.server import Server

BODY = b"weights" * 1000
ASSET = "/o/r/releases/download/v1.0/a.onnx"
RELEASE = "/api/repos/o/r/releases/tags/v1.0"


@pytest.fixture
def github(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """Let releases be on the test's own server."""
    monkeypatch.setenv("GITHUB_SERVER_URL", server.root)
    monkeypatch.setenv("GITHUB_API_URL", f"{server.root}/api")
    monkeypatch.delenv("GITHUB_TOKEN", raising=False)
    return server


def release(server: Server, *assets: dict[str, Any]) -> str:
    """Serve a release with *assets*, and return the address of `a.onnx` in it."""
    server.serve(RELEASE, json.dumps({"assets": assets}).encode())
    return server.root + ASSET


def asset(body: bytes, digest: str | None) -> dict[str, Any]:
    """Return what a release says of `a.onnx`."""
    return {"name": "a.onnx", "size": len(body), "digest": digest}


def test_release_vouches_for_its_assets(
    github: Server, project: Path, catalog: CatalogFile, models: Models
) -> None:
    """The digest that a release publishes is checked, and the receipt says whose it is."""
    address = release(github, asset(BODY, f"sha256:{sha256(BODY)}"))
    github.serve(ASSET, BODY)
    catalog.add("mine", "kroko", "kroko/mine.onnx", unknown(address))
    ran = models("pull", "mine")
    assert (0, True) == (ran.exit_code, "sha256 from publisher" in ran.stdout)
    (project / "models/kroko/mine.onnx").unlink()
    github.serve(ASSET, b"x" * len(BODY))
    assert 7 == models("pull", "mine").exit_code


def test_release_is_not_asked_for_what_the_catalog_knows(
    github: Server, catalog: CatalogFile, models: Models
) -> None:
    """A digest of the catalog's own needs no other."""
    catalog.add("mine", "kroko", "kroko/mine.onnx", known(BODY, github.serve(ASSET, BODY)))
    assert (0, []) == (models("pull", "mine").exit_code, github.gets(RELEASE))


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"assets": [{}]}', b'{"assets": [1]}'])
def test_release_that_is_none(github: Server, body: bytes) -> None:
    """A pull goes on without its word; who asks strictly is told."""
    github.serve(RELEASE, body)
    address = github.root + ASSET
    assert Resolver().resolve(address).voucher is None
    with pytest.raises(NetworkError, match="does not describe its assets"):
        Resolver(strict=True).resolve(address)


def test_release_is_asked_once_and_with_the_token(
    github: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Assets without a digest have a size; the token goes to the API, not to the file's host."""
    monkeypatch.setenv("GITHUB_TOKEN", "s3cret")
    address = release(github, asset(BODY, None))
    resolver = Resolver()
    for _ in range(2):
        resolved = resolver.resolve(address)
    assert (len(BODY), None, ()) == (
        resolved.download.size_bytes,
        resolved.voucher,
        resolved.download.access.headers,
    )
    (asked,) = github.gets(RELEASE)
    assert "Bearer s3cret" == asked["Authorization"]


def test_asset_that_the_release_does_not_have(github: Server) -> None:
    """It is named, and an address that is no asset is none."""
    address = release(github)
    with pytest.raises(NotFound, match=r"the release `v1\.0` has no `a\.onnx`"):
        Releases().describe(address)
    with pytest.raises(NotFound, match="is no release asset"):
        Releases().describe(f"{github.root}/a.onnx")


def test_what_is_an_asset(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without configuration it is the public host's."""
    monkeypatch.delenv("GITHUB_SERVER_URL", raising=False)
    assert is_asset("https://github.com" + ASSET)
    assert not is_asset("https://host.example" + ASSET)
    assert not is_asset("https://github.com/o/r/archive/v1.0.zip")


def vosk_list(server: Server, **entry: object) -> str:
    """Serve a list of one model, and return the model's address."""
    server.serve("/m/model-list.json", json.dumps([{"name": "vosk-model-x", **entry}]).encode())
    return f"{server.root}/m/vosk-model-x.zip"


def test_vosk_list_vouches_for_models(server: Server, catalog: CatalogFile, models: Models) -> None:
    """The list beside a model has its checksum; a model with another one is refused."""
    packed = wheel({"vosk-model-x/conf/a": b"1", "vosk-model-x/am/final.mdl": b"2"})
    md5 = hashlib.md5(packed, usedforsecurity=False).hexdigest()
    address = vosk_list(server, md5=md5, size=len(packed))
    archive = "archive = { format = 'zip', root = 'vosk-model-x' }"
    catalog.add("v", "vosk", "stt/vosk-model-x", f"{unknown(address)}, {archive}")
    server.serve("/m/vosk-model-x.zip", packed[:-1] + b"\1")
    assert 7 == models("pull", "v").exit_code
    server.serve("/m/vosk-model-x.zip", packed)
    ran = models("pull", "v")
    assert (0, True) == (ran.exit_code, "sha256 from publisher" in ran.stdout), ran.stderr


@pytest.mark.parametrize(
    ("entry", "size", "digest"),
    [
        ({}, None, None),
        ({"md5": "short", "size": 0}, None, None),
        ({"md5": "A" * 32, "size": 7}, 7, Digest("md5", "a" * 32)),
    ],
)
def test_vosk_entries(
    server: Server, entry: dict[str, object], size: int | None, digest: Digest | None
) -> None:
    """What an entry says counts where it is sound."""
    published = VoskLists().describe(vosk_list(server, **entry))
    assert (size, digest) == (published.size_bytes, published.digest)


def test_vosk_list_without_the_model_or_without_sense(server: Server) -> None:
    """Neither is a reason not to pull, but who asks strictly is told; the list is asked once."""
    address = vosk_list(server)
    lists = VoskLists()
    for _ in range(2):
        with pytest.raises(NotFound, match="has no `vosk-model-y`"):
            lists.describe(address.replace("-x", "-y"))
    assert 1 == len(server.gets("/m/model-list.json"))
    server.serve("/m/model-list.json", b"[1]")
    with pytest.raises(NetworkError, match="the list of models is none"):
        Resolver(strict=True).resolve(address)
    assert Resolver().resolve(address).voucher is None
    with pytest.raises(NotFound, match="is no Vosk model"):
        lists.describe(f"{server.root}/a.zip")
    assert not is_vosk_model("hf:a/vosk-model-x.zip")


def mirrored(server: Server, body: bytes, *, at: str | None = None) -> str:
    """Serve *body* as a mirror does, and return the mirror's address."""
    server.serve(f"/mirror/sha256/{at or sha256(body)}", body)
    return f"{server.root}/mirror/"


@pytest.mark.parametrize("by_flag", [True, False])
def test_mirror_is_asked_first(
    server: Server,
    catalog: CatalogFile,
    models: Models,
    monkeypatch: pytest.MonkeyPatch,
    *,
    by_flag: bool,
) -> None:
    """What the mirror has by its digest is not asked of anybody else."""
    catalog.add("mine", "kroko", "kroko/a.onnx", known(BODY, server.serve("/a", BODY)))
    address = mirrored(server, BODY)
    if not by_flag:
        monkeypatch.setenv("AAVA_MIRROR", address)
    ran = models("pull", "mine", *(["--mirror", address] if by_flag else []))
    assert (0, []) == (ran.exit_code, server.gets("/a")), ran.stderr


def test_mirror_with_other_bytes_or_without_the_file(
    server: Server, project: Path, catalog: CatalogFile, models: Models
) -> None:
    """A mirror needs no trust: the source takes over, and nothing of it is left."""
    catalog.add("mine", "kroko", "kroko/a.onnx", known(BODY, server.serve("/a", BODY)))
    address = mirrored(server, b"x" * len(BODY), at=sha256(BODY))
    assert 0 == models("pull", "mine", "--mirror", address).exit_code
    assert BODY == (project / "models/kroko/a.onnx").read_bytes()
    assert [] == list((project / ".aava/partial").iterdir())
    (project / "models/kroko/a.onnx").unlink()
    assert 0 == models("pull", "mine", "--mirror", f"{server.root}/none").exit_code


def test_mirror_has_members_and_unknown_files_are_not_asked_of_it(
    registries: Server, catalog: CatalogFile, models: Models
) -> None:
    """A file out of a package lies there as itself; without a digest there is nothing to ask."""
    source = "pypi:v==1.0#v/a.onnx"
    catalog.add("mine", "kroko", "kroko/a.onnx", known(BODY, source))
    catalog.add("other", "kroko", "kroko/b.onnx", unknown(registries.serve("/b", BODY)))
    ran = models("pull", "mine", "other", "--mirror", mirrored(registries, BODY))
    assert (0, []) == (ran.exit_code, registries.gets("/simple/v/")), ran.stderr
    ranges = [headers["Range"] for headers in registries.gets("/b")]
    assert ["bytes=0-65535", "bytes=0-8388607"] == ranges


def test_mirror_that_is_down_is_asked_once(
    server: Server, catalog: CatalogFile, models: Models
) -> None:
    """The second file does not wait for it."""
    for name in ("a", "b"):
        body = known(name.encode(), server.serve(f"/{name}", name.encode()))
        catalog.add(name, "kroko", f"kroko/{name}.onnx", body)
    mirror = f"http://127.0.0.1:{free_port()}"
    ran = models("pull", "a", "b", "--jobs", "1", "--mirror", mirror)
    assert (0, 1) == (ran.exit_code, ran.stderr.count("cannot be reached"))


def test_addresses_of_mirrors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials move to a header; plain HTTP is the operator's own choice."""
    mirror = find_mirror("http://me:s3cret@mirror.example/x/")
    assert mirror is not None
    assert ("http://mirror.example/x/sha256/ab", "mirror.example", 1) == (
        mirror.source("ab"),
        mirror.access.plain_host,
        len(mirror.access.headers),
    )
    secure = find_mirror("https://mirror.example")
    assert secure is not None
    assert (None, False) == (secure.access.plain_host, secure.serves("https://other.example"))
    assert find_mirror() is None
    monkeypatch.setenv("AAVA_MIRROR", "ftp://me:s3cret@mirror.example")
    with pytest.raises(UsageError, match=r"`ftp://mirror\.example` is no address"):
        find_mirror()

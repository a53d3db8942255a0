"""Archives: what is in them comes out whole, and nothing of it leads anywhere else."""

from __future__ import annotations

import io
import stat
import tarfile
import zipfile
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, get_args

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from aava_cli.catalog import ArchiveFormat
from aava_cli.download.archives.unpack import Unpacked, extract_member, unpack
from aava_cli.errors import IntegrityError
from tests.download.conftest import known, sha256
from tests.download.server import tarball, wheel

if TYPE_CHECKING:
    from tests.download.conftest import CatalogFile, Models
    from tests.download.server import Server

MEMBERS = {
    "README": b"not under the root",
    "model/conf/mfcc.conf": b"--use-energy=false\n",
    "model/am/final.mdl": b"weights" * 1000,
}
ROOT = PurePosixPath("model")
PACKED = {
    "zip": wheel(MEMBERS),
    "tar": tarball(MEMBERS, ""),
    "tar.zst": zstandard.ZstdCompressor().compress(tarball(MEMBERS, "")),
    "tar.gz": tarball(MEMBERS),
    "tar.bz2": tarball(MEMBERS, "bz2"),
    "tar.xz": tarball(MEMBERS, "xz"),
}
every_format = pytest.mark.parametrize("packed", PACKED.values(), ids=PACKED)


def unwatched(_done: int) -> None:
    """Ignore progress."""


def put(folder: Path, packed: bytes) -> Path:
    """Write *packed* to a file without a telling name."""
    path = folder / "download"
    path.write_bytes(packed)
    return path


@every_format
def test_unpacks_what_lies_under_the_root(tmp_path: Path, packed: bytes) -> None:
    """The root's files arrive with their digests; what is beside it does not."""
    target = tmp_path / "out"
    unpacked = unpack(put(tmp_path, packed), ROOT, target, unwatched)
    assert {
        Unpacked(PurePosixPath(path).relative_to(ROOT), len(body), sha256(body))
        for path, body in MEMBERS.items()
        if path.startswith("model/")
    } == set(unpacked)
    assert (target / "am/final.mdl").read_bytes() == MEMBERS["model/am/final.mdl"]
    assert not (target / "README").exists()


def test_every_format_of_a_catalog_is_tried() -> None:
    """A new format brings its archive."""
    assert set(get_args(ArchiveFormat)) == PACKED.keys()


@pytest.mark.parametrize("kind", PACKED)
def test_model_comes_out_of_its_archive(
    server: Server, project: Path, catalog: CatalogFile, models: Models, kind: str
) -> None:
    """Each format that a catalog may name is pulled as it is, and as an address."""
    address = server.serve(f"/model.{kind}", PACKED[kind])
    archive = f"archive = {{ format = '{kind}', root = 'model' }}"
    catalog.add("mine", "vosk", "stt/mine", f"{known(PACKED[kind], address)}, {archive}")
    assert models("pull", "mine").exit_code == 0
    assert (project / "models/stt/mine/am/final.mdl").read_bytes() == b"weights" * 1000
    ran = models("pull", address, "--backend", "vosk", "--as", "other")
    assert (0, True) == (ran.exit_code, (project / "models/stt/vosk-model-other/am").is_dir())


@every_format
def test_cut_archive_is_not_sound(tmp_path: Path, packed: bytes) -> None:
    """A third of an archive fails, whatever its kind."""
    with pytest.raises(IntegrityError, match="the archive is not sound"):
        unpack(put(tmp_path, packed[: len(packed) // 3]), ROOT, tmp_path / "out", unwatched)


def test_garbage_is_not_sound(tmp_path: Path) -> None:
    """What is no archive fails as one."""
    with pytest.raises(IntegrityError):
        unpack(put(tmp_path, b"garbage" * 100), ROOT, tmp_path / "out", unwatched)


def test_damaged_bz2_is_not_sound(tmp_path: Path) -> None:
    """The bz2 decoder's own kind of error is recognised."""
    packed = bytearray(PACKED["tar.bz2"])
    packed[len(packed) // 2] ^= 0xFF
    with pytest.raises(IntegrityError):
        unpack(put(tmp_path, bytes(packed)), ROOT, tmp_path / "out", unwatched)


def test_missing_root_is_named(tmp_path: Path) -> None:
    """An archive of something else fails by the root that it lacks."""
    with pytest.raises(IntegrityError, match="it has nothing under `other`"):
        unpack(put(tmp_path, PACKED["zip"]), PurePosixPath("other"), tmp_path / "out", unwatched)


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../up", "model/../../up", "model\\..\\up", "model/a/../../../up"]
)
@pytest.mark.parametrize("pack", [wheel, tarball])
def test_name_that_leads_elsewhere_is_refused(tmp_path: Path, name: str, pack: object) -> None:
    """Nothing is written outside, and the archive as a whole is refused."""
    assert callable(pack)
    packed = pack({"model/first": b"1", name: b"bad"})
    with pytest.raises(IntegrityError, match="leads elsewhere"):
        unpack(put(tmp_path, packed), ROOT, tmp_path / "deep" / "out", unwatched)
    assert not (tmp_path / "up").exists()


@pytest.mark.parametrize(
    ("kind", "named"),
    [
        (tarfile.SYMTYPE, "link"),
        (tarfile.LNKTYPE, "link"),
        (tarfile.CHRTYPE, "device"),
        (tarfile.FIFOTYPE, "device"),
    ],
)
def test_special_member_of_tar_is_refused(tmp_path: Path, kind: bytes, named: str) -> None:
    """Links and devices have no place in a model."""
    buffer = io.BytesIO()
    with tarfile.open(mode="w:gz", fileobj=buffer) as archive:
        info = tarfile.TarInfo("model/x")
        info.type, info.linkname = kind, "/etc/passwd"
        archive.addfile(info)
    with pytest.raises(IntegrityError, match=f"`model/x` is a {named}"):
        unpack(put(tmp_path, buffer.getvalue()), ROOT, tmp_path / "out", unwatched)


@pytest.mark.parametrize(("mode", "named"), [(stat.S_IFLNK, "link"), (stat.S_IFCHR, "device")])
def test_special_member_of_zip_is_refused(tmp_path: Path, mode: int, named: str) -> None:
    """A zip made on Unix can hold links too."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        info = zipfile.ZipInfo("model/x")
        info.external_attr = (mode | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(IntegrityError, match=f"`model/x` is a {named}"):
        unpack(put(tmp_path, buffer.getvalue()), ROOT, tmp_path / "out", unwatched)


def test_folders_are_no_content(tmp_path: Path) -> None:
    """Entries for folders are fine, and make no file."""
    buffer = io.BytesIO()
    with tarfile.open(mode="w:gz", fileobj=buffer) as archive:
        for name in ("model", "model/conf"):
            info = tarfile.TarInfo(name)
            info.type = tarfile.DIRTYPE
            archive.addfile(info)
    with pytest.raises(IntegrityError, match="nothing under"):
        unpack(put(tmp_path, buffer.getvalue()), ROOT, tmp_path / "out", unwatched)


def test_bomb_is_stopped(tmp_path: Path) -> None:
    """An archive that unpacks to thousands of times its size is cut off."""
    packed = wheel({"model/zeros": bytes(80 << 20)})
    with pytest.raises(IntegrityError, match="says it has 83,886,080 bytes, of at most 67"):
        unpack(put(tmp_path, packed), ROOT, tmp_path / "out", unwatched)


def test_same_name_twice_is_refused(tmp_path: Path) -> None:
    """Of two files at one place neither is trusted."""
    buffer = io.BytesIO()
    with tarfile.open(mode="w:gz", fileobj=buffer) as archive:
        for _ in range(2):
            archive.addfile(tarfile.TarInfo("model/a"))
    with pytest.raises(IntegrityError, match="it has `model/a` twice"):
        unpack(put(tmp_path, buffer.getvalue()), ROOT, tmp_path / "out", unwatched)


def test_file_that_is_also_a_folder_is_refused(tmp_path: Path) -> None:
    """Names that contradict each other are damage."""
    packed = tarball({"model/a": b"1", "model/a/b": b"2"})
    with pytest.raises(IntegrityError, match="not sound"):
        unpack(put(tmp_path, packed), ROOT, tmp_path / "out", unwatched)


def test_locked_zip_is_refused(tmp_path: Path) -> None:
    """What needs a password cannot be unpacked, and says so."""
    packed = bytearray(wheel({"model/a": b"1"}))
    packed[6] |= 1
    packed[packed.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(IntegrityError, match="`model/a` is encrypted"):
        unpack(put(tmp_path, bytes(packed)), ROOT, tmp_path / "out", unwatched)


@pytest.mark.parametrize("member", ["models/a.bin", "package/models/a.bin"])
def test_member_of_npm_package(tmp_path: Path, member: str) -> None:
    """The folder that npm wraps everything in may be named or not."""
    package = put(tmp_path, tarball({"package/models/a.bin": b"weights", "package/b": b""}))
    target = tmp_path / "out" / "a.bin"
    extracted = extract_member(package, member, target)
    assert (7, sha256(b"weights")) == (extracted.size_bytes, extracted.sha256)
    assert target.read_bytes() == b"weights"


def test_missing_member_is_named(tmp_path: Path) -> None:
    """A package of something else fails by the file that it lacks."""
    with pytest.raises(IntegrityError, match=r"it has no file `b\.bin`"):
        extract_member(put(tmp_path, wheel({"a.bin": b""})), "b.bin", tmp_path / "out")


@given(st.binary(max_size=200), st.sampled_from(sorted(PACKED)), st.integers(0, 2000))
def test_damage_is_an_integrity_error(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, kind: str, at: int
) -> None:
    """No damage makes the reader fail in another way, or write outside."""
    folder = tmp_path_factory.mktemp("damage")
    packed = bytearray(PACKED[kind])
    packed[at : at + len(noise)] = noise
    with suppress(IntegrityError):
        unpack(put(folder, bytes(packed)), ROOT, folder / "out", unwatched)
    assert {each.name for each in folder.iterdir()} <= {"download", "out"}

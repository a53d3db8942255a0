"""A corpus of hostile archives: each is refused with its message, outside and inside stay clean."""

from __future__ import annotations

import gzip
import io
import lzma
import stat
import struct
import tarfile
import zipfile
import zlib
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, TypeAlias

import pytest

from aava_cli.download.archives.unpack import unpack, unpack_stream
from aava_cli.errors import IntegrityError
from tests.download.hostile import (
    BLOCK,
    END,
    block,
    compressors,
    gnu_name,
    header,
    overlapping_zip,
    patched,
    pax,
    pax_line,
    shared_zip,
    tar,
    zipped,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Make: TypeAlias = "Callable[[], bytes | bytearray]"

ROOT = PurePosixPath("model")
BOMB = bytes(80 << 20)
LONG = "model/" + "/".join(["long" * 50] * 6)

# What no member may be called, and what is said of it.
NAMES = {
    "absolute": ("/etc/passwd", "the name `/etc/passwd` leads elsewhere"),
    "up": ("../up", "the name `../up` leads elsewhere"),
    "up-inside": ("model/../../up", "the name `model/../../up` leads elsewhere"),
    "up-and-back": ("model/a/../b", "the name `model/a/../b` leads elsewhere"),
    "up-at-end": ("model/a/..", "the name `model/a/..` leads elsewhere"),
    "backslash": ("model\\..\\up", "leads elsewhere"),
    "drive": ("C:/up", "the name `C:/up` leads elsewhere"),
    "newline": ("model/a\nb", r"the name `model/a\nb` has the character U+000A"),
    "escape": ("model/\x1b[2J", r"the name `model/\x1b[2J` has the character U+001B"),
    "delete": ("model/\x7f", "has the character U+007F"),
    "turned-text": ("model/\u202egnp.exe", "has the character U+202E"),
    "invisible": ("model/a\u200bb", "has the character U+200B"),
    "part-too-long": ("model/" + "a" * 256, "is too long"),
    "path-too-long": (LONG, "is too long"),
    "too-deep": ("model/" + "a/" * 40 + "b", "is more than 32 folders deep"),
    "no-name": ("", "`` is no name for a file"),
    "dot": (".", "`.` is no name for a file"),
}

# Members that are fine one by one.
PAIRS = {
    "twice": (("model/a", "model/a"), "it has `model/a` twice"),
    "twice-by-dot": (("model/a", "model/./a"), "it has `model/a` twice"),
    "twice-by-slash": (("model/a", "model//a"), "it has `model/a` twice"),
    "by-case": (("model/a", "model/A"), "`model/a` and `model/A` are one name"),
    "by-case-of-folder": (("model/b/x", "model/B/y"), "`model/b` and `model/B` are one name"),
    "by-case-of-root": (("model/x", "Model/y"), "`model` and `Model` are one name"),
    "by-composition": (("model/\u00e9", "model/e\u0301"), "are one name"),
    "by-sharp-s": (("model/stra\u00dfe", "model/STRASSE"), "are one name"),
    "file-then-folder": (("model/a", "model/a/b"), "`model/a` is a file and a folder"),
    "folder-then-file": (("model/a/b", "model/a"), "`model/a` is a file and a folder"),
}

TAR_KINDS = {
    "link": (tarfile.SYMTYPE, "`model/x` is a link"),
    "hard-link": (tarfile.LNKTYPE, "`model/x` is a link"),
    "character-device": (tarfile.CHRTYPE, "`model/x` is a device"),
    "block-device": (tarfile.BLKTYPE, "`model/x` is a device"),
    "fifo": (tarfile.FIFOTYPE, "`model/x` is a device"),
    "unknown-kind": (b"Z", "`model/x` is of the unknown kind 'Z'"),
    "volume": (b"V", "`model/x` is of the unknown kind 'V'"),
    "next-volume": (b"M", "`model/x` is of the unknown kind 'M'"),
}

ZIP_KINDS = {
    "link": (stat.S_IFLNK, "`model/x` is a link"),
    "device": (stat.S_IFCHR, "`model/x` is a device"),
    "fifo": (stat.S_IFIFO, "`model/x` is a device"),
    "socket": (stat.S_IFSOCK, "`model/x` is a device"),
}


def raw(name: bytes, size: bytes) -> bytes:
    """Return a tar whose second header is of raw fields."""
    return tar(header(name, size=size))


def cut(packed: bytes | bytearray) -> bytes | bytearray:
    """Return *packed* without its last third."""
    return packed[: len(packed) * 2 // 3]


def noise(compression: str) -> bytes:
    """Return a tar of bytes that do not compress."""
    return tar(block("model/a", bytes(range(256)) * 64), compression=compression)


def broken_in_the_middle(compression: str) -> bytes:
    """Return a tar of which one byte is another one."""
    packed = bytearray(noise(compression))
    packed[len(packed) // 2] ^= 0xFF
    return bytes(packed)


def many(pack: Callable[..., bytes | bytearray]) -> bytes:
    """Return an archive of more members than any model has."""
    if pack is zipped:
        return bytes(zipped(*((f"beside/{index}", b"") for index in range(20_001))))
    return tar(*(header(b"beside/%d" % index) for index in range(20_001)), compression="tar.gz")


def with_second_name() -> bytes:
    """Return a zip with another name in the field for names in Unicode."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        info = zipfile.ZipInfo("model/a")
        value = struct.pack("<BI", 1, zlib.crc32(b"model/a")) + b"model/../../up"
        info.extra = struct.pack("<HH", 0x7075, len(value)) + value
        archive.writestr(info, b"1")
    return buffer.getvalue()


def corpus() -> Iterator[tuple[str, str, Make, str]]:
    """Yield each case: its name, its format, how it is made, and what is said of it."""
    for case, (name, said) in NAMES.items():
        yield f"name-{case}", "tar", partial(tar, pax(("path", name)), block("model/x")), said
        yield f"name-{case}", "zip", partial(zipped, (name, b"1")), said
    for case, (names, said) in PAIRS.items():
        yield case, "tar", partial(tar, *(block(name, b"1") for name in names)), said
        yield case, "zip", partial(zipped, *((name, b"1") for name in names)), said
    for case, (kind, said) in TAR_KINDS.items():
        yield case, "tar", partial(tar, block("model/x", kind=kind, link="/etc/passwd")), said
    for case, (mode, said) in ZIP_KINDS.items():
        yield case, "zip", partial(zipped, ("model/x", b"/etc"), mode=mode | 0o777), said
    for tars in (hostile_tars(), lying_tars(), swollen_tars()):
        yield from ((case, "tar", make, said) for case, make, said in tars)
    for zips in (hostile_zips(), damaged_zips()):
        yield from ((case, "zip", make, said) for case, make, said in zips)
    for compression in compressors:
        yield from (
            (case, compression, make, said) for case, make, said in damaged_tars(compression)
        )


def hostile_tars() -> Iterator[tuple[str, Make, str]]:
    """Yield what only a tar can do."""
    link = block("model/d", kind=tarfile.SYMTYPE, link="/tmp")
    yield "write-through-link", partial(tar, link, block("model/d/x", b"1")), "`model/d` is a link"
    sparse = pax(("GNU.sparse.major", "1"), ("GNU.sparse.realsize", "9" * 12))
    yield "pax-sparse", partial(tar, sparse, block("model/x")), "`model/x` is a sparse file"
    yield "gnu-sparse", partial(tar, block("model/x", kind=b"S")), "`model/x` is a sparse file"
    up = gnu_name("model/../../up")
    yield "gnu-name-up", partial(tar, up, block("model/x")), "`model/../../up` leads elsewhere"
    nul = pax(("path", "model/a\0b"))
    yield "pax-nul", partial(tar, nul, block("model/x")), "has the character U+0000"
    undecodable = pax(("path", "model/\udcff"))
    yield "undecodable", partial(tar, undecodable, block("model/x")), "has the character U+DCFF"
    both = gnu_name("model/a") + pax(("path", "model/b"))
    yield "two-long-names", partial(tar, both, block("model/x")), "it tells `path` twice"
    twice = pax(("path", "model/a"), ("path", "../up"))
    yield "pax-twice", partial(tar, twice, block("model/x")), "for `../up` it tells `path` twice"
    every = pax(("path", "../up"), kind=b"g")
    yield "pax-of-all", partial(tar, every, block("model/x")), "the `path` `../up` of all members"


def lying_tars() -> Iterator[tuple[str, Make, str]]:
    """Yield tars whose headers tell sizes that cannot be, or cannot be read."""
    size = pax(("size", "-1"))
    yield "pax-negative-size", partial(tar, size, block("model/x")), "`model/x` says it has `-1`"
    size = pax(("size", "1e9"))
    yield "pax-odd-size", partial(tar, size, block("model/x")), "`model/x` says it has `1e9` bytes"
    size = pax(("size", "9" * 20))
    yield "pax-huge-size", partial(tar, size, block("model/x")), "`model/x` says it has 99,999,999"
    size = pax(("size", "2"))
    yield "pax-shifted", partial(tar, size, block("model/x", b"1" * 600)), "there is no member's"
    line = block("pax", b"99 path=model/x\n", kind=b"x")
    yield "pax-length-beyond", partial(tar, line, block("model/x")), "the unreadable record `99 pa"
    line = block("pax", b"5 path=model/x\n", kind=b"x")
    yield "pax-length-short", partial(tar, line, block("model/x")), "the unreadable record `5 pat"
    line = block("pax", pax_line(b"path=" + b"a" * 70_000), kind=b"x")
    yield "pax-too-long", partial(tar, line, block("model/x")), "a header for `pax` has 70,"
    yield "pax-empty", partial(tar, block("pax", kind=b"x"), block("model/x")), "`pax` has 0 bytes"
    yield "header-alone", partial(tar, gnu_name("model/x")), "it ends after the header of a member"
    yield "negative-size", partial(raw, b"model/x", b"\xff" * 12), "`model/x` is a file that says"
    huge = b"\x80" + b"\x7f" * 11
    yield "huge-size", partial(raw, b"model/x", huge), "`model/x` says it has"
    yield "no-number", partial(raw, b"model/x", b"zz"), "at byte 1,024 there is no member's header"


def swollen_tars() -> Iterator[tuple[str, Make, str]]:
    """Yield tars of too much, of too little, and of something else."""
    folder = block("model/x", b"1", kind=tarfile.DIRTYPE)
    yield "folder-with-content", partial(tar, folder), "`model/x` is a folder that says it has 1"
    yield (
        "announced-bomb",
        partial(tar, block("model/x", size=BLOCK << 20)),
        "`model/x` says it has",
    )
    yield "bomb-beside", partial(tar, block("beside", BOMB), compression="tar.gz"), "`beside` says"
    second = block("model/s", b"2") + END
    yield "second-tar-behind", partial(tar, END, second), "something is behind its end mark"
    yield "no-end-mark", partial(tar, end=b""), "it is cut off in the header of a member"
    zeros = partial(tar, compression="tar.gz", end=bytes(4 << 20))
    yield "endless-padding", zeros, "something is behind its end mark"
    yield "packed-twice", packed_twice, "of a known kind"
    yield "empty", bytes, "it is cut off in the header of a member"
    yield "web-page", lambda: b"<!doctype html>".ljust(4096), "no archive of a known kind"
    yield "zeros", lambda: bytes(4096), "it has nothing under `model`"
    yield "greedy-xz", greedy_xz, "its xz data is damaged or cut off"
    yield "many-members", partial(many, tar), "it has more than 20,000 members"


def packed_twice() -> bytes:
    """Return a tar.gz.gz."""
    return gzip.compress(noise("tar.gz").ljust(BLOCK, b"\0"))


def greedy_xz() -> bytes:
    """Return an xz whose dictionary alone is a gigabyte."""
    small = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 16}]
    packed = bytearray(lzma.compress(tar(), filters=small))
    # The size of the dictionary is one byte in the block's header, which has a checksum.
    at = packed.index(b"\x21\x01") + 2
    packed[at] = 36
    size = (packed[12] + 1) * 4
    packed[12 + size - 4 : 12 + size] = struct.pack("<I", zlib.crc32(packed[12 : 12 + size - 4]))
    return bytes(packed)


def damaged_tars(compression: str) -> Iterator[tuple[str, Make, str]]:
    """Yield what is done to a tar from outside, in each way that it can be packed."""
    kind = compression.rpartition(".")[2]
    damaged = f"its {kind} data is" if kind != "tar" else "it is cut off in `model/a`"
    if kind == "zst":
        damaged = "it is cut off in"
    yield "cut", lambda: cut(noise(compression)), damaged
    if kind == "tar":
        yield "garbage-behind", lambda: tar() + b"garbage", "something is behind its end mark"
        return
    bomb = partial(tar, block("model/x", BOMB), compression=compression)
    yield "bomb", bomb, "`model/x` says it has 83,886,080 bytes, of at most 67,108,86"
    yield "broken", lambda: broken_in_the_middle(compression), f"its {kind} data is damaged"
    said = f"something is behind the end of its {kind} data" if kind != "zst" else "its zst data is"
    yield "garbage-behind", lambda: tar(compression=compression) + b"garbage", said


def changed(*changes: tuple[str, int, int, bytes], method: int = zipfile.ZIP_DEFLATED) -> Make:
    """Return how to make a zip of two members with *changes* to its headers."""
    return lambda: patched(zipped(("model/a", b"a" * 100), method=method), *changes)


def told(offset: int, new: bytes, method: int = zipfile.ZIP_DEFLATED) -> Make:
    """Return how to make a zip that says *new* at the entry's place and in its directory."""
    return changed(("local", 1, offset, new), ("directory", 1, offset + 2, new), method=method)


def hostile_zips() -> Iterator[tuple[str, Make, str]]:
    """Yield what only a zip can do."""
    number = struct.Struct("<I").pack
    yield "encrypted", told(6, b"\1"), "`model/a` is encrypted"
    yield "strongly-encrypted", told(6, b"\x40"), "`model/a` is encrypted"
    yield "patch-data", told(6, b"\x20"), "`model/a` is packed in an unknown way"
    yield "unknown-method", told(8, b"\x63"), "`model/a` is packed in an unknown way, number 99"
    odd = partial(zipped, ("model/a", b"1"), method=zipfile.ZIP_LZMA)
    yield "odd-method", odd, "is packed in an unknown way, number 14"
    yield "smaller-than-it-is", told(22, number(99)), "`model/a` holds more than it says"
    yield "larger-than-it-is", told(22, number(101)), "`model/a` holds other bytes than it says"
    yield "wrong-checksum", told(14, number(7)), "`model/a` holds other bytes than it says"
    yield "packed-size-short", told(18, number(3)), "the data of `model/a` is cut off"
    two = told(18, number(3), zipfile.ZIP_STORED)
    yield "two-sizes-of-stored", two, "`model/a` has two sizes"
    other = changed(("directory", 1, 24, number(7)))
    yield "directory-tells-other-size", other, "`model/a` has another size, checksum or method"
    other = changed(("local", 1, 30, b"model/b"))
    yield "place-tells-other-name", other, "`model/a` has another name at its place"
    other = changed(("local", 1, 8, b"\0"))
    yield "place-tells-other-method", other, "`model/a` has another size, checksum or method"
    other = changed(("directory", 1, 42, number(5)))
    yield "wrong-place", other, "`model/a` is not where the directory says"
    other = changed(("directory", 1, 42, number(1 << 30)))
    yield "place-behind-end", other, "`model/a` is not where the directory says"
    yield "overlap", overlapping_zip, "`model/a` overlaps with what follows"
    yield "packed-size-over-next", over_next, "`model/first` overlaps with what follows"
    yield "two-names-of-one-place", shared_zip, "`model/b` has another name at its place"
    yield "second-name", with_second_name, "`model/a` has the second name `model/../../up`"
    yield "folder-with-content", partial(zipped, ("model/f/", b"1")), "`model/f/` is a folder that"


def damaged_zips() -> Iterator[tuple[str, Make, str]]:
    """Yield bombs, and what is done to a zip from outside."""
    one = partial(zipped, ("model/a", b"a" * 100))
    yield "bomb", partial(zipped, ("model/x", BOMB)), "`model/x` says it has 83,886,080 bytes"
    parts = [(f"model/{index}", bytes(30 << 20)) for index in range(3)]
    yield "bomb-in-parts", partial(zipped, *parts), "`model/2` says it has 31,457,280 bytes"
    yield "bomb-beside", partial(zipped, ("beside", BOMB)), "`beside` says it has 83,886,080 bytes"
    yield "many-members", partial(many, zipped), "it has more than 20,000 members"
    yield "garbage-behind", lambda: one() + b"garbage", "something is behind its end"
    yield "two-directories", lambda: one() + one(), "something is before its first member"
    yield "cut", lambda: cut(one()), "its directory is damaged or cut off"
    yield "no-directory", lambda: one()[: one().index(b"PK\1\2")], "directory is damaged or cut"
    yield "empty", lambda: b"PK\5\6" + bytes(18), "it has nothing under `model`"
    yield "broken", changed(("local", 1, 37, b"\xff\xff")), "the data of `model/a` is damaged"
    yield "nul", lambda: one().replace(b"model/a", b"model\0a"), "has the character U+0000"
    utf8 = told(7, b"\x08")
    undecodable = partial(bytes.replace, bytes(utf8()), b"model/a", b"model\xff\xff")
    yield "undecodable", undecodable, "its directory is damaged or cut off"


def over_next() -> bytes:
    """Return a zip whose first entry reaches into its second."""
    data = zipped(("model/a", b"1"), method=zipfile.ZIP_STORED)
    size = struct.pack("<II", 20, 20)
    return patched(data, ("local", 0, 18, size), ("directory", 0, 20, size))


CORPUS = tuple(corpus())


def unwatched(_done: int) -> None:
    """Ignore progress."""


def everything(folder: Path) -> set[str]:
    """Return all that is under *folder*."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_corpus_is_large_and_of_every_format() -> None:
    """There are more than sixty cases, each of another kind."""
    names = {(case, form) for case, form, _make, _said in CORPUS}
    assert len(CORPUS) == len(names)
    assert len(CORPUS) >= 60
    assert {"zip", *compressors} == {form for _case, form, _make, _said in CORPUS}


@pytest.mark.parametrize(
    ("make", "said"),
    [pytest.param(make, said, id=f"{form}-{case}") for case, form, make, said in CORPUS],
)
def test_hostile_archive_is_refused(tmp_path: Path, make: Make, said: str) -> None:
    """The message names what is wrong; nothing is outside the target, and nothing is left."""
    staging = tmp_path / "a" / "b"
    staging.mkdir(parents=True)
    (staging / "download").write_bytes(make())
    before = everything(tmp_path)
    with pytest.raises(IntegrityError) as refusal:
        unpack(staging / "download", ROOT, staging / "out", unwatched)
    assert said in refusal.value.message
    assert before == everything(tmp_path)


@pytest.mark.parametrize(
    "make",
    [pytest.param(make, id=f"{form}-{case}") for case, form, make, _said in CORPUS],
)
def test_hostile_stream_is_refused(tmp_path: Path, make: Make) -> None:
    """What is unpacked while it comes is refused just so."""
    staging = tmp_path / "a"
    staging.mkdir()
    with pytest.raises(IntegrityError):
        unpack_stream(io.BytesIO(make()), ROOT, staging / "out", unwatched)
    assert {"a"} == everything(tmp_path)

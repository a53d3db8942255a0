"""Archives as nobody should make them: tars block by block, zips with headers that lie."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import warnings
import zipfile
import zlib
from typing import TYPE_CHECKING

import zstandard

if TYPE_CHECKING:
    from collections.abc import Callable

BLOCK = 512
END = bytes(2 * BLOCK)
FIRST = "model/first"

compressors: dict[str, Callable[[bytes], bytes]] = {
    "tar": bytes,
    "tar.gz": gzip.compress,
    "tar.bz2": bz2.compress,
    "tar.xz": lzma.compress,
    "tar.zst": zstandard.ZstdCompressor(write_checksum=True).compress,
}


def padded(data: bytes) -> bytes:
    """Return *data* as tar stores it."""
    return data + bytes(-len(data) % BLOCK)


def block(
    name: str, body: bytes = b"", *, kind: bytes = b"0", size: int | None = None, link: str = ""
) -> bytes:
    """Return one member of a tar: header and *body*, which may have another *size*."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    info.size = len(body) if size is None else size
    info.mode = 0o644
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape") + padded(body)


def header(name: bytes, *, size: bytes = b"0", kind: bytes = b"0") -> bytes:
    """Return a header of raw fields with the right checksum."""
    fields = name.ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2 + size.ljust(12, b"\0")
    fields += b"0".ljust(12, b"\0")
    rest = (kind + bytes(100) + b"ustar\x0000").ljust(BLOCK - 156, b"\0")
    checksum = sum(fields) + sum(rest) + 8 * ord(" ")
    return fields + f"{checksum:06o}\0 ".encode() + rest


def pax(*records: tuple[str, str], kind: bytes = b"x") -> bytes:
    """Return a PAX header of *records*."""
    texts = (f"{key}={value}".encode("utf-8", "surrogateescape") for key, value in records)
    return block("pax", b"".join(map(pax_line, texts)), kind=kind)


def pax_line(text: bytes) -> bytes:
    """Return one record with its length before it."""
    length = len(text) + 3
    while len(line := f"{length} ".encode() + text + b"\n") != length:
        length = len(line)
    return line


def gnu_name(name: str) -> bytes:
    """Return GNU's header for a long name."""
    return block("././@LongLink", name.encode() + b"\0", kind=b"L")


def tar(*blocks: bytes, compression: str = "tar", end: bytes = END) -> bytes:
    """Return a tar of a good first member and *blocks*."""
    return compressors[compression](block(FIRST, b"1") + b"".join(blocks) + end)


def zipped(
    *members: tuple[str, bytes], mode: int = 0, method: int = zipfile.ZIP_DEFLATED
) -> bytearray:
    """Return a zip of a good first member and *members*."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr(FIRST, b"1")
        for name, body in members:
            info = zipfile.ZipInfo("x")
            # Set later, a name is neither cut nor made better.
            info.filename = name
            info.external_attr, info.compress_type = mode << 16, method
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                archive.writestr(info, body)
    return bytearray(buffer.getvalue())


def patched(data: bytearray, *changes: tuple[str, int, int, bytes]) -> bytes:
    """Return *data* with bytes changed in the n-th "local" or "directory" header."""
    signatures = {"local": b"PK\x03\x04", "directory": b"PK\x01\x02", "end": b"PK\x05\x06"}
    for where, index, offset, new in changes:
        start = -1
        for _ in range(index + 1):
            start = data.index(signatures[where], start + 1)
        data[start + offset : start + offset + len(new)] = new
    return bytes(data)


def local_entry(name: bytes, body: bytes) -> bytes:
    """Return an entry of a zip that is stored as it is."""
    numbers = (20, 0, 0, 0, 0, zlib.crc32(body), len(body), len(body), len(name), 0)
    return struct.pack("<4s5H3I2H", b"PK\x03\x04", *numbers) + name + body


def directory_entry(name: bytes, body: bytes, place: int) -> bytes:
    """Return what the directory of a zip says of the entry at *place*."""
    numbers = (20, 20, 0, 0, 0, 0, zlib.crc32(body), len(body), len(body), len(name))
    return struct.pack("<4s6H3I5H2I", b"PK\x01\x02", *numbers, 0, 0, 0, 0, 0, place) + name


def with_directory(entries: bytes, *directory: bytes) -> bytes:
    """Return the zip of *entries* that *directory* lists."""
    listed, count = b"".join(directory), len(directory)
    numbers = (0, 0, count, count, len(listed), len(entries), 0)
    return entries + listed + struct.pack("<4s4H2IH", b"PK\x05\x06", *numbers)


def overlapping_zip() -> bytes:
    """Return a zip whose first entry holds its second, header and all, both with right sums."""
    inner = local_entry(b"model/b", b"2" * 99)
    outer = local_entry(b"model/a", inner)
    return with_directory(
        outer,
        directory_entry(b"model/a", inner, 0),
        directory_entry(b"model/b", b"2" * 99, len(outer) - len(inner)),
    )


def shared_zip() -> bytes:
    """Return a zip with two names for one place."""
    entry = local_entry(b"model/a", b"1")
    names = (b"model/a", b"model/b")
    return with_directory(entry, *(directory_entry(name, b"1", 0) for name in names))

"""Read a zip of which both descriptions, the entries' own and the directory's, agree."""

from __future__ import annotations

import bz2
import stat
import struct
import zipfile
import zlib
from dataclasses import dataclass
from functools import partial
from typing import IO, TYPE_CHECKING

from aava_cli.download.archives.decompress import Decoded, Zlib
from aava_cli.download.archives.members import STEP_BYTES, Kind, Member, shown_name, unsound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from aava_cli.download.archives.decompress import Decoder, Reader

ZIP_MAGICS = (b"PK\x03\x04", b"PK\x05\x06")

_LOCAL = struct.Struct("<4s2xHH4xIIIHH")
_END = struct.Struct("<4s16xH")
_FIELD = struct.Struct("<HH")
_DECODERS: dict[int, Callable[[], Decoder] | None] = {
    zipfile.ZIP_STORED: None,
    zipfile.ZIP_DEFLATED: partial(Zlib, -zlib.MAX_WBITS),
    zipfile.ZIP_BZIP2: bz2.BZ2Decompressor,
}
# Encrypted (in one of two ways), a patch of something else, or with names hidden.
_LOCKED, _PATCH, _SIZES_BEHIND, _UTF8 = 0x2041, 0x20, 0x08, 0x800
_IN_ZIP64 = 0xFFFFFFFF
_UNICODE_PATH = 0x7075
_DAMAGE = (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error, EOFError)


@dataclass(frozen=True, slots=True)
class _Entry:
    info: zipfile.ZipInfo
    data_start: int

    @property
    def name(self) -> str:
        # The other name of a ZipInfo ends where a NUL is.
        return self.info.orig_filename

    @property
    def end(self) -> int:
        return self.data_start + self.info.compress_size


def zip_members(file: IO[bytes]) -> Iterator[Member]:
    """Yield the members of the zip *file* in the order of its directory.

    Raises:
        IntegrityError: it is damaged, contradicts itself, or is packed in an unusual way.
    """
    try:
        archive = zipfile.ZipFile(file)
    except _DAMAGE as error:
        raise unsound(f"its directory is damaged or cut off: {error}") from error
    with archive:
        _check_end(file, len(archive.comment))
        entries = [_entry(file, info) for info in archive.infolist()]
        _check_apart(entries, archive.start_dir)
        for entry in entries:
            info, content = entry.info, partial(_content, file, entry)
            yield Member(entry.name, _kind(entry), info.file_size, content)


def _check_end(file: IO[bytes], comment_bytes: int) -> None:
    file.seek(-_END.size - comment_bytes, 2)
    signature, length = _END.unpack(file.read(_END.size))
    # A reader that looks for the last signature finds another directory than the first one's.
    if (signature, length) != (b"PK\x05\x06", comment_bytes):
        raise unsound("something is behind its end")


def _entry(file: IO[bytes], info: zipfile.ZipInfo) -> _Entry:
    shown = shown_name(info.orig_filename)
    if info.flag_bits & _LOCKED:
        raise unsound(f"{shown} is encrypted")
    if info.compress_type not in _DECODERS or info.flag_bits & _PATCH:
        raise unsound(f"{shown} is packed in an unknown way, number {info.compress_type}")
    if info.compress_type == zipfile.ZIP_STORED and info.compress_size != info.file_size:
        raise unsound(f"{shown} has two sizes")
    _check_extra(info, shown)
    # A directory that is damaged may point before the archive.
    file.seek(max(info.header_offset, 0))
    head = file.read(_LOCAL.size)
    if info.header_offset < 0 or len(head) < _LOCAL.size or not head.startswith(ZIP_MAGICS[0]):
        raise unsound(f"{shown} is not where the directory says")
    return _agreeing(info, head, file, shown)


def _agreeing(info: zipfile.ZipInfo, head: bytes, file: IO[bytes], shown: str) -> _Entry:
    """Return the entry, which says at its place what the directory says."""
    _magic, flags, method, crc, packed, size, name_bytes, extra_bytes = _LOCAL.unpack(head)
    encoding = "utf-8" if flags & _UTF8 else "cp437"
    if file.read(name_bytes).decode(encoding, "replace") != info.orig_filename:
        raise unsound(f"{shown} has another name at its place")
    told = ((crc, info.CRC), (packed, info.compress_size), (size, info.file_size))
    # Where both lie behind the data, or in a field of 64 bits, there is nothing to compare.
    nothing = {_IN_ZIP64, 0} if flags & _SIZES_BEHIND else {_IN_ZIP64}
    if method != info.compress_type or any(a not in {b} | nothing for a, b in told):
        raise unsound(f"{shown} has another size, checksum or method at its place")
    return _Entry(info, info.header_offset + _LOCAL.size + name_bytes + extra_bytes)


def _check_extra(info: zipfile.ZipInfo, shown: str) -> None:
    """Refuse a second name in the fields behind the first one."""
    rest = info.extra
    while len(rest) >= _FIELD.size:
        kind, length = _FIELD.unpack_from(rest)
        value, rest = rest[_FIELD.size : _FIELD.size + length], rest[_FIELD.size + length :]
        second = value[5:].decode("utf-8", "replace")
        if kind == _UNICODE_PATH and second != info.orig_filename:
            raise unsound(f"{shown} has the second name {shown_name(second)}")


def _check_apart(entries: Sequence[_Entry], directory: int) -> None:
    """Refuse entries that share bytes: small archives that unpack to petabytes do."""
    ends_before = directory
    for entry in sorted(entries, key=lambda each: each.info.header_offset, reverse=True):
        if entry.end > ends_before:
            raise unsound(f"{shown_name(entry.name)} overlaps with what follows")
        ends_before = entry.info.header_offset
    # Two zips in one file: which of them is meant depends on who reads it.
    if entries and ends_before != 0:
        raise unsound("something is before its first member")


def _kind(entry: _Entry) -> Kind:
    mode = stat.S_IFMT(entry.info.external_attr >> 16)
    plain: Kind = "folder" if entry.name.endswith("/") else "file"
    known: dict[int, Kind] = {0: plain, stat.S_IFREG: plain, stat.S_IFDIR: "folder"}
    kind = known.get(mode, "link" if mode == stat.S_IFLNK else "device")
    if kind == "folder" and entry.info.file_size:
        size = entry.info.file_size
        raise unsound(f"{shown_name(entry.name)} is a folder that says it has {size:,} bytes")
    return kind


def _content(file: IO[bytes], entry: _Entry) -> Iterator[bytes]:
    """Yield what *entry* holds, and fail at its end if that is not what it said."""
    shown = shown_name(entry.name)
    size_bytes = checksum = 0
    for data in _decoded(file, entry):
        size_bytes += len(data)
        if size_bytes > entry.info.file_size:
            raise unsound(f"{shown} holds more than it says")
        checksum = zlib.crc32(data, checksum)
        yield data
    if (size_bytes, checksum) != (entry.info.file_size, entry.info.CRC):
        raise unsound(f"{shown} holds other bytes than it says")


def _decoded(file: IO[bytes], entry: _Entry) -> Iterator[bytes]:
    packed: Reader = _Slice(file, entry.data_start, entry.end)
    decoder = _DECODERS[entry.info.compress_type]
    if decoder is not None:
        packed = Decoded(packed, decoder, f"the data of {shown_name(entry.name)}")
    while data := packed.read(STEP_BYTES):
        yield data


class _Slice:
    """The bytes of *file* from *start* to *end*, whoever else reads it meanwhile."""

    def __init__(self, file: IO[bytes], start: int, end: int) -> None:
        self._file = file
        self._position = start
        self._end = end

    def read(self, size: int, /) -> bytes:
        """Return the next bytes."""
        self._file.seek(self._position)
        data = self._file.read(min(size, self._end - self._position))
        self._position += len(data)
        return data

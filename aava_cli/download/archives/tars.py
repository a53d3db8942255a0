"""Read a tar as strictly as it can be written: one meaning for every byte, to the end mark."""

from __future__ import annotations

import re
import tarfile
from functools import partial
from typing import TYPE_CHECKING

from aava_cli.download.archives.members import STEP_BYTES, Kind, Member, shown_name, unsound

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aava_cli.download.archives.decompress import Reader

_BLOCK = 512
# Names and a few numbers: what is longer is no header.
_MAX_HEADER_BYTES = 64 << 10
_MAX_PADDING_BYTES = 1 << 20
_KINDS: dict[bytes, Kind] = {
    tarfile.REGTYPE: "file",
    tarfile.AREGTYPE: "file",
    tarfile.CONTTYPE: "file",
    tarfile.DIRTYPE: "folder",
    tarfile.SYMTYPE: "link",
    tarfile.LNKTYPE: "link",
    tarfile.CHRTYPE: "device",
    tarfile.BLKTYPE: "device",
    tarfile.FIFOTYPE: "device",
    tarfile.GNUTYPE_SPARSE: "sparse file",
}
_GNU_NAMES = {tarfile.GNUTYPE_LONGNAME: "path", tarfile.GNUTYPE_LONGLINK: "linkpath"}
_PAX = {tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE}
_NEWLINE = ord("\n")
_RECORD = re.compile(rb"([1-9][0-9]{0,5}) ([^=]+)=")


def tar_members(packed: Reader) -> Iterator[Member]:
    """Yield the members of a tar in its order; what is not read of one is passed over.

    Raises:
        IntegrityError: it is no tar, is damaged or cut off, or has something behind its end.
    """
    blocks = _Blocks(packed)
    told: dict[str, str] = {}
    while (info := _header(blocks)) is not None:
        if info.type in _GNU_NAMES or info.type in _PAX or info.type == tarfile.XGLTYPE:
            _learn(told, info, blocks)
            continue
        member, rest = _member(info, told, blocks), blocks.position
        told = {}
        yield member
        blocks.skip(rest + _whole_blocks(_data_bytes(member)) - blocks.position)
    if told:
        raise unsound("it ends after the header of a member")
    blocks.expect_end()


class _Blocks:
    """Exactly the bytes that are asked for, of a reader that gives as many as it has."""

    def __init__(self, packed: Reader) -> None:
        self.position = 0
        self._packed = packed
        self._front = memoryview(b"")

    def pieces(self, size: int, whose: str) -> Iterator[memoryview]:
        """Yield the next *size* bytes as they come."""
        end = self.position + size
        while self.position < end:
            if not self._front:
                self._front = memoryview(self._packed.read(STEP_BYTES))
            if not self._front:
                raise unsound(f"it is cut off in {whose}")
            piece = self._front[: end - self.position]
            self._front = self._front[len(piece) :]
            self.position += len(piece)
            yield piece

    def take(self, size: int, whose: str) -> bytes:
        """Return the next *size* bytes."""
        return b"".join(self.pieces(size, whose))

    def skip(self, size: int) -> None:
        """Pass over *size* bytes."""
        for _piece in self.pieces(size, "a member"):
            pass

    def expect_end(self) -> None:
        """Read to the end, which is a little padding."""
        padding = bytes(self._front)
        while (data := self._packed.read(STEP_BYTES)) and len(padding) < _MAX_PADDING_BYTES:
            padding += data
        if data or padding.strip(b"\0"):
            raise unsound("something is behind its end mark")


def _header(blocks: _Blocks) -> tarfile.TarInfo | None:
    """Return the header of the next member, None at the end mark."""
    start = blocks.position
    block = blocks.take(_BLOCK, "the header of a member")
    if not block.strip(b"\0"):
        return None
    try:
        return tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError as error:
        problem = f"at byte {start:,} there is no member's header"
        raise unsound(problem if start else "it is no archive of a known kind") from error


def _learn(told: dict[str, str], info: tarfile.TarInfo, blocks: _Blocks) -> None:
    """Add to *told* what the header *info* tells of the member that follows."""
    if not 0 < info.size <= _MAX_HEADER_BYTES:
        raise unsound(f"a header for {shown_name(info.name)} has {info.size:,} bytes")
    data = blocks.take(_whole_blocks(info.size), "a header")[: info.size]
    if info.type in _GNU_NAMES:
        pairs = [(_GNU_NAMES[info.type], _text(data.removesuffix(b"\0")))]
    else:
        pairs = list(_records(data))
    for key, value in pairs:
        if info.type == tarfile.XGLTYPE and key != "comment":
            # What holds for all members would give each the same name or size.
            raise unsound(f"it tells the {shown_name(key)} {shown_name(value)} of all members")
        if key in told:
            raise unsound(f"for {shown_name(value)} it tells {shown_name(key)} twice")
        told[key] = value


def _records(data: bytes) -> Iterator[tuple[str, str]]:
    while data:
        found = _RECORD.match(data)
        length = int(found[1]) if found else 0
        if not found or not found.end() < length <= len(data) or data[length - 1] != _NEWLINE:
            raise unsound(f"a header has the unreadable record {shown_name(_text(data))}")
        yield _text(found[2]), _text(data[found.end() : length - 1])
        data = data[length:]


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _member(info: tarfile.TarInfo, told: dict[str, str], blocks: _Blocks) -> Member:
    name = told.get("path", info.name)
    size = _told_size(name, told["size"]) if "size" in told else info.size
    kind = _KINDS.get(info.type)
    if kind is None:
        raise unsound(f"{shown_name(name)} is of the unknown kind {ascii(info.type)[1:]}")
    if kind == "file" and any(key.startswith("GNU.sparse.") for key in told):
        kind = "sparse file"
    if size < 0 or (size and kind == "folder"):
        raise unsound(f"{shown_name(name)} is a {kind} that says it has {size:,} bytes")
    return Member(name, kind, size, partial(blocks.pieces, size, shown_name(name)))


def _told_size(name: str, told: str) -> int:
    if not told.isascii() or not told.isdecimal():
        raise unsound(f"{shown_name(name)} says it has {shown_name(told)} bytes")
    return int(told)


def _data_bytes(member: Member) -> int:
    return member.size_bytes if member.kind in ("file", "sparse file") else 0


def _whole_blocks(size_bytes: int) -> int:
    return -(-size_bytes // _BLOCK) * _BLOCK

"""Packed logs, unpacked in pieces of a bounded size, whatever they hold."""

from __future__ import annotations

import zlib
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple, Protocol

from aava_cli.audit.problems import Damaged, Unreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_GZIP = b"\x1f\x8b"
# A frame, or one that is to be passed over, which `pzstd` begins with (RFC 8878, 3.1.2).
_ZSTD = (b"\x28\xb5\x2f\xfd", *(bytes((low,)) + b"\x2a\x4d\x18" for low in range(0x50, 0x60)))
PACKED = (_GZIP, *_ZSTD)
_WHOLE_BYTES = 1 << 20
# What comes out at once is at most 1032 times a piece of gzip (zlib's documentation), and 128 KiB
# for each 4 bytes of zstd, which is its shortest block (RFC 8878, 3.1.1.2).
_GZIP_PIECE, _ZSTD_PIECE = 8192, 64
_GZIP_BITS = 31
# What `zstd -19` needs four times over.
_WINDOW_BYTES = 32 << 20
# What the two decoders raise: `zlib.error` and `zstandard.ZstdError`, which may be missing.
_DAMAGE = ("error", "ZstdError")


class _Decoder(Protocol):
    """Decodes one gzip member, or one zstd frame."""

    @property
    def eof(self) -> bool:
        """Whether its end was read."""

    @property
    def unused_data(self) -> bytes:
        """What was read behind its end."""

    def decompress(self, data: bytes, /) -> bytes:
        """Return what *data* holds."""


class _Form(NamedTuple):
    """How one kind of packed bytes is read: *padding* may stand behind a whole member."""

    start: Callable[[], _Decoder]
    piece_bytes: int
    padding: bytes


def unpacked(chunks: Iterable[bytes], head: bytes, name: str) -> Iterator[bytes]:
    """Yield what *chunks* hold, which begin with *head*: packed or not.

    Raises:
        Damaged: they end too early, or hold nonsense.
    """
    if head.startswith(_GZIP):
        form = _Form(partial(zlib.decompressobj, wbits=_GZIP_BITS), _GZIP_PIECE, b"\0")
    elif head.startswith(_ZSTD):
        form = _Form(_zstd_start(name), _ZSTD_PIECE, b"")
    else:
        yield from chunks
        return
    yield from _gathered(_pieces(form, chunks, name))


def _gathered(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield *pieces* in larger ones; what comes before damage is yielded before it is told."""
    parts: list[bytes] = []
    size = 0
    damage = None
    try:
        for piece in pieces:
            parts.append(piece)
            size += len(piece)
            if size >= _WHOLE_BYTES:
                yield b"".join(parts)
                parts, size = [], 0
    except Unreadable as error:
        damage = error
    yield b"".join(parts)
    if damage is not None:
        raise damage


def _pieces(form: _Form, packed: Iterable[bytes], name: str) -> Iterator[bytes]:
    """Yield what *packed* holds: members or frames, one behind the other."""
    decoder = form.start()
    for chunk in packed:
        for begin in range(0, len(chunk), form.piece_bytes):
            data = chunk[begin : begin + form.piece_bytes]
            while data:
                if decoder.eof:
                    # A tape's blocks are filled up; gzip passes over that too.
                    if not (data := data.lstrip(form.padding)):
                        break
                    decoder = form.start()
                yield _decoded(decoder, data, name)
                data = decoder.unused_data if decoder.eof else b""
    if not decoder.eof:
        raise _damaged(name, "ends too early")


def _decoded(decoder: _Decoder, data: bytes, name: str) -> bytes:
    try:
        return decoder.decompress(data)
    except Exception as error:
        if type(error).__name__ not in _DAMAGE:
            raise
        if "memory" in str(error):
            message = f"`{name}` needs more than {_WINDOW_BYTES >> 20} MiB to be unpacked"
            hint = "unpack it beforehand: `zstd -d --long=31 --stdout FILE | aava audit -`"
            raise Unreadable(message, hint=hint) from error
        raise _damaged(name, "is damaged") from error


def _zstd_start(name: str) -> Callable[[], _Decoder]:
    if not find_spec("zstandard"):
        message = f"`{name}` is packed with zstd, which this Python cannot read"
        raise Unreadable(message, hint="install the extra: `pip install 'aava[zst]'`")
    import zstandard

    return zstandard.ZstdDecompressor(max_window_size=_WINDOW_BYTES).decompressobj


def _damaged(name: str, how: str) -> Damaged:
    return Damaged(
        f"`{name}` {how}: only what comes before was read", hint="copy the log once more"
    )

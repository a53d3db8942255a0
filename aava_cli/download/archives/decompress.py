"""Read compressed streams to their very end, on several cores where a library can.

gz and bz2 are decoded in parallel by `rapidgzip` (the extra `fast`), bz2 else by `lbzip2`
where the system has it; Python's own decoders do for the rest.
"""

from __future__ import annotations

import bz2
import lzma
import shutil
import sys
import zlib
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import IO, TYPE_CHECKING, Literal, Protocol, TypeAlias, cast

from aava_cli.download.archives.members import unsound
from aava_cli.download.archives.parallel import Foreign, by_lbzip2, by_rapidgzip, most_threads
from aava_cli.errors import NotPossible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

Compression: TypeAlias = Literal["gz", "bz2", "xz", "zst"]

_MAGICS: dict[Compression, bytes] = {
    "gz": b"\x1f\x8b",
    "bz2": b"BZh",
    "xz": b"\xfd7zXZ\0",
    "zst": b"\x28\xb5\x2f\xfd",
}
_READ_BYTES = 256 << 10
# A dictionary of that size is what `xz -9` and `zstd --ultra` ask for; a bomb asks for more.
_MAX_MEMORY_BYTES = 128 << 20
# Below that, starting threads or a process costs more than they save.
_WORTH_PARALLEL_BYTES = 4 << 20


class Reader(Protocol):
    """Gives up to *size* bytes as soon as there are any, and nothing at the end alone."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes; wait for them where they are still to come."""
        ...


class Decoder(Protocol):
    """One compressed frame, as Python's own decoders take it apart."""

    @property
    def eof(self) -> bool:
        """Whether the frame's end mark was read."""

    @property
    def unused_data(self) -> bytes:
        """What was read behind the frame's end."""

    @property
    def needs_input(self) -> bool:
        """Whether nothing comes out without more data."""

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """Return at most *max_length* bytes; what is left of *data* is kept."""


class Zlib:
    """zlib's decoder in the manner of its younger siblings."""

    def __init__(self, window_bits: int) -> None:
        self._zlib = zlib.decompressobj(window_bits)

    @property
    def eof(self) -> bool:
        """Whether the end mark was read."""
        return self._zlib.eof

    @property
    def unused_data(self) -> bytes:
        """What was read behind the end."""
        return self._zlib.unused_data

    @property
    def needs_input(self) -> bool:
        """Whether nothing comes out without more data."""
        return not self._zlib.unconsumed_tail and not self.eof

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """Return at most *max_length* bytes; what is left of *data* is kept."""
        return self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)


class Decoded:
    """What *packed* holds: frames that each begin with *magic*, and nothing behind them.

    Without a *magic* there is one frame.
    """

    def __init__(
        self, packed: Reader, start: Callable[[], Decoder], whose: str, magic: bytes | None = None
    ) -> None:
        self._packed = packed
        self._start = start
        self._whose = whose
        self._magic = magic
        self._frame = start()
        self._behind = b""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes.

        Raises:
            IntegrityError: the data is damaged, cut off, or has something behind its end.
        """
        while not self._frame.eof or self._begin_next():
            data = b""
            if self._frame.needs_input:
                data, self._behind = self._behind or self._packed.read(_READ_BYTES), b""
                if not data:
                    raise unsound(f"{self._whose} is cut off")
            if out := self._decode(data, size):
                return out
        return b""

    def _decode(self, data: bytes, size: int) -> bytes:
        try:
            return self._frame.decompress(data, size)
        except _damage() as error:
            raise unsound(f"{self._whose} is damaged or cut off") from error

    def _begin_next(self) -> bool:
        behind = self._frame.unused_data or self._packed.read(_READ_BYTES)
        if not behind:
            return False
        while self._magic and len(behind) < len(self._magic):
            if not (more := self._packed.read(_READ_BYTES)):
                break
            behind += more
        if self._magic is None or not behind.startswith(self._magic):
            raise unsound(f"something is behind the end of {self._whose}")
        self._frame, self._behind = self._start(), behind
        return True


def compression_of(head: bytes) -> Compression | None:
    """Return how data that begins with *head* is compressed, if it is."""
    return next((kind for kind, magic in _MAGICS.items() if head.startswith(magic)), None)


def fastest(
    kind: Compression, file: Path | None
) -> Callable[[Reader], AbstractContextManager[Reader]]:
    """Return the best decoder of *kind* that is here; several can do more with a whole *file*."""
    is_large = file is None or file.stat().st_size >= _WORTH_PARALLEL_BYTES
    if is_large and kind in ("gz", "bz2"):
        if file is not None and find_spec("rapidgzip"):
            return partial(by_rapidgzip, kind, file)
        if kind == "bz2" and shutil.which("lbzip2"):
            return by_lbzip2
    return partial(by_python, kind)


def gain_of_whole(kind: Compression | None) -> int:
    """Return how many times as fast as while it comes a file is decoded once it is there."""
    comes_as_fast = kind == "bz2" and shutil.which("lbzip2") is not None
    if kind not in ("gz", "bz2") or comes_as_fast or not find_spec("rapidgzip"):
        return 1
    return most_threads()


@contextmanager
def by_python(kind: Compression, packed: Reader) -> Iterator[Reader]:
    """Decode *packed* on one core, with Python's own decoders.

    Raises:
        NotPossible: this Python has none for zstd, and the extra `zst` is not installed.
    """
    if kind == "zst" and not find_spec("compression"):
        with _by_zstandard(packed) as decoded:
            yield decoded
    else:
        yield Decoded(packed, _own_decoder(kind), f"its {kind} data", _MAGICS[kind])


def _own_decoder(kind: Compression) -> Callable[[], Decoder]:
    match kind:
        case "gz":
            return partial(Zlib, 16 + zlib.MAX_WBITS)
        case "bz2":
            return bz2.BZ2Decompressor
        case "xz":
            return partial(lzma.LZMADecompressor, lzma.FORMAT_XZ, _MAX_MEMORY_BYTES)
        case "zst":
            return _zstd_decoder()


def _zstd_decoder() -> Callable[[], Decoder]:
    zstd = import_module("compression.zstd")
    options = {zstd.DecompressionParameter.window_log_max: _MAX_MEMORY_BYTES.bit_length() - 1}
    return partial(zstd.ZstdDecompressor, options=options)


@contextmanager
def _by_zstandard(packed: Reader) -> Iterator[Reader]:
    if not find_spec("zstandard"):
        message = "this archive is packed with zstd, which this Python cannot read"
        raise NotPossible(message, hint="install the extra: `pip install 'aava[zst]'`")
    import zstandard

    decoder = zstandard.ZstdDecompressor(max_window_size=_MAX_MEMORY_BYTES)
    with decoder.stream_reader(cast("IO[bytes]", packed), read_across_frames=True) as decoded:
        yield Foreign(decoded, (zstandard.ZstdError,), "zst")


def _damage() -> tuple[type[Exception], ...]:
    # bz2 reports damage as an OSError; no decoder does I/O of its own.
    errors: tuple[type[Exception], ...] = (zlib.error, lzma.LZMAError, OSError, ValueError)
    zstd = sys.modules.get("compression.zstd")
    return errors if zstd is None else (*errors, zstd.ZstdError)

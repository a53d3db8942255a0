"""Read compressed streams to their very end, on several cores where a library can.

gz and bz2 are decoded in parallel by `rapidgzip` (the extra `fast`), bz2 else by `lbzip2`
where the system has it; Python's own decoders do for the rest.
"""

from __future__ import annotations

import bz2
import lzma
import os
import shutil
import subprocess
import sys
import threading
import zlib
from contextlib import contextmanager, suppress
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import IO, TYPE_CHECKING, Literal, Protocol, TypeAlias, cast

from aava_cli.download.members import unsound
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
# Each of its threads holds decoded megabytes.
_MAX_THREADS = 8
_BZ2_END, _BZ2_TAIL_BYTES = 0x177245385090, 11


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


@contextmanager
def by_rapidgzip(kind: Compression, file: Path, _packed: Reader) -> Iterator[Reader]:
    """Decode *file* on several cores at once."""
    import rapidgzip

    threads = min(len(os.sched_getaffinity(0)), _MAX_THREADS)
    try:
        decoded = rapidgzip.open(str(file), parallelization=threads)
    except (RuntimeError, ValueError) as error:
        raise unsound(f"its {kind} data is damaged or cut off") from error
    with decoded:
        yield _Foreign(decoded, (RuntimeError, ValueError), kind)


@contextmanager
def by_lbzip2(packed: Reader) -> Iterator[Reader]:
    """Decode bz2 on all cores, while *packed* is still being read."""
    with subprocess.Popen(
        ("lbzip2", "-dc"),
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        fed = _Fed(packed, process)
        try:
            yield fed
        finally:
            process.kill()


class _Fed:
    """What a bz2 decoder gives back of what is fed to it."""

    def __init__(self, packed: Reader, process: subprocess.Popen[bytes]) -> None:
        self._packed = packed
        self._stdin, self._stdout = cast("IO[bytes]", process.stdin), process.stdout
        self._process = process
        self._tail = b""
        self._failure: Exception | None = None
        self._feeder = threading.Thread(target=self._feed, daemon=True)
        self._feeder.start()

    def read(self, size: int, /) -> bytes:
        """Return the next bytes."""
        if data := cast("IO[bytes]", self._stdout).read(size):
            return data
        self._feeder.join()
        if self._failure is not None:
            raise self._failure
        if self._process.wait() != 0:
            raise unsound("its bz2 data is damaged or cut off")
        # lbzip2 passes over whatever follows the last stream.
        if not _ends_as_bz2(self._tail):
            raise unsound("something is behind the end of its bz2 data")
        return b""

    def _feed(self) -> None:
        try:
            while data := self._packed.read(_READ_BYTES):
                self._stdin.write(data)
                self._tail = (self._tail + data)[-_BZ2_TAIL_BYTES:]
        except BrokenPipeError:
            # It has ended before its input: its exit status says why.
            pass
        except Exception as error:  # noqa: BLE001 - raised again where the bytes are missed
            self._failure = error
        finally:
            with suppress(BrokenPipeError):
                self._stdin.close()


def _ends_as_bz2(tail: bytes) -> bool:
    """Return whether *tail* ends with bz2's end mark and checksum, which need not begin a byte."""
    bits = int.from_bytes(tail, "big")
    return any(bits >> 32 + shift & (1 << 48) - 1 == _BZ2_END for shift in range(8))


class _Foreign:
    """What *decoded* gives, with the *errors* of its library told as damage."""

    def __init__(self, decoded: Reader, errors: tuple[type[Exception], ...], name: str) -> None:
        self._decoded = decoded
        self._errors = errors
        self._name = name

    def read(self, size: int, /) -> bytes:
        """Return the next bytes."""
        try:
            return self._decoded.read(size)
        except self._errors as error:
            raise unsound(f"its {self._name} data is damaged or cut off") from error


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
        yield _Foreign(decoded, (zstandard.ZstdError,), "zst")


def _damage() -> tuple[type[Exception], ...]:
    # bz2 reports damage as an OSError; no decoder does I/O of its own.
    errors: tuple[type[Exception], ...] = (zlib.error, lzma.LZMAError, OSError, ValueError)
    zstd = sys.modules.get("compression.zstd")
    return errors if zstd is None else (*errors, zstd.ZstdError)

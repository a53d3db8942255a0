"""WAV files in the forms that recorders, telephones and models write them in.

The tags are those of RFC 2361 and of Microsoft's `mmreg.h`; the layout is that of the
"Multimedia Programming Interface and Data Specifications 1.0", with `WAVEFORMATEXTENSIBLE`.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO

from aava_cli.audio import alaw_decode, mulaw_decode, resample_piece
from aava_cli.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aava_cli.audio import Samples

_HEADER = struct.Struct("<4sI4s")
_CHUNK = struct.Struct("<4sI")
_FORMAT = struct.Struct("<HHIIHH")
_EXTENSIBLE = 0xFFFE
# Behind the plain format: a size, the bits in use, the speakers; the tag begins what follows.
_TAG_OF_EXTENSIBLE = 24
# What programs write that do not know yet how much will follow.
_UNKNOWN_BYTES = frozenset({0, 0x7FFF_FFFF, 0xFFFF_FFFF})
_RATES_HZ = range(1000, 384_001)
_MOST_CHANNELS = 8
# A file may be made of millions, each of nothing.
_MOST_CHUNKS = 1000
_PIECE_S = 1
_HINT = "convert it: `sox FILE -c 1 -b 16 converted.wav`"


@dataclass(frozen=True, slots=True)
class Wav:
    """A WAV file whose header was read: *frames* begin at *start*, one sample of each channel."""

    file: BinaryIO
    decode: Callable[[bytes], Any]
    channels: int
    rate_hz: int
    frame_bytes: int
    start: int
    frames: int

    @property
    def duration_s(self) -> float:
        """How long it plays."""
        return self.frames / self.rate_hz

    def pcm16_at(self, rate_hz: int) -> bytes:
        """Return the sound as one channel of 16-bit samples, *rate_hz* a second.

        Little more than that is in memory at any time.
        """
        step = self.rate_hz * _PIECE_S
        same = rate_hz == self.rate_hz
        pieces = (self._mono(at, step + 1) for at in range(0, self.frames, step))
        if same:
            return b"".join(piece[:step].tobytes() for piece in pieces)
        return b"".join(resample_piece(each, self.rate_hz, rate_hz, most=step) for each in pieces)

    def _mono(self, at: int, count: int) -> Samples:
        """Return *count* frames from *at*, or those that are left, each as the mean of it."""
        import numpy as np

        self.file.seek(self.start + at * self.frame_bytes)
        count = min(count, self.frames - at)
        numbers = self.decode(self.file.read(count * self.frame_bytes))
        means = numbers.reshape(count, self.channels).mean(axis=1)
        # A recorder may write what is no number, or what is too loud.
        clean = np.clip(np.nan_to_num(means), -32768, 32767)
        mono: Samples = np.rint(clean).astype("<i2")
        return mono


def open_wav(file: BinaryIO) -> Wav:
    """Return what *file*, which can be sought in, says of its sound; nothing is decoded yet.

    Raises:
        IntegrityError: it is no WAV file, is cut off, or has a form that is not known here.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    riff, _, kind = _unpack(_HEADER, file)
    if riff != b"RIFF" or kind != b"WAVE":
        raise IntegrityError("this is not a WAV file", hint=_HINT)
    form: tuple[Any, ...] | None = None
    for name, start, length in islice(_chunks(file, size), _MOST_CHUNKS):
        if name == b"fmt ":
            form = _form_of(file.read(min(length, 64)))
        elif name == b"data" and form is not None:
            return _described(file, form, start, _there(start, length, size))
    raise IntegrityError("this WAV file holds no sound", hint=_HINT)


def _unpack(layout: struct.Struct, file: BinaryIO) -> tuple[Any, ...]:
    data = file.read(layout.size)
    if len(data) < layout.size:
        raise IntegrityError("this is not a WAV file", hint=_HINT)
    return layout.unpack(data)


def _chunks(file: BinaryIO, size: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield each chunk's name, where its content begins, and how long it claims to be."""
    while file.tell() + _CHUNK.size <= size:
        name, length = _unpack(_CHUNK, file)
        start = file.tell()
        yield name, start, length
        file.seek(start + length + length % 2)


def _there(start: int, length: int, size: int) -> int:
    there = size - start
    if length in _UNKNOWN_BYTES:
        return there
    if length > there:
        message = f"the WAV file is cut off: {length:,} bytes of sound are due, {there:,} are there"
        raise IntegrityError(message, hint="send or save it again")
    return length


def _form_of(data: bytes) -> tuple[int, int, int, int, int]:
    """Return tag, channels, rate, bytes of a frame and bits of a sample."""
    if len(data) < _FORMAT.size:
        raise IntegrityError("the WAV file does not say what form it has", hint=_HINT)
    tag, channels, rate_hz, _, frame_bytes, bits = _FORMAT.unpack_from(data)
    if tag == _EXTENSIBLE and len(data) >= _TAG_OF_EXTENSIBLE + 2:
        (tag,) = struct.unpack_from("<H", data, _TAG_OF_EXTENSIBLE)
    return tag, channels, rate_hz, frame_bytes, bits


def _described(file: BinaryIO, form: tuple[Any, ...], start: int, length: int) -> Wav:
    tag, channels, rate_hz, frame_bytes, bits = form
    decode = _DECODERS.get((tag, bits))
    if decode is None:
        message = f"WAV files of form {tag} with {bits} bits are not read here"
        raise IntegrityError(message, hint=_HINT)
    if not 0 < channels <= _MOST_CHANNELS or rate_hz not in _RATES_HZ:
        message = f"a WAV file of {channels} channels at {rate_hz} Hz is not read here"
        raise IntegrityError(message, hint=_HINT)
    if frame_bytes != channels * bits // 8:
        raise IntegrityError("the WAV file contradicts itself", hint=_HINT)
    return Wav(file, decode, channels, rate_hz, frame_bytes, start, length // frame_bytes)


def _numbers(kind: str, *, scale: float, zero: int = 0) -> Callable[[bytes], Any]:
    def decode(data: bytes) -> Any:  # noqa: ANN401 - numpy is imported where it is used
        import numpy as np

        return (np.frombuffer(data, kind).astype(np.float64) - zero) * scale

    return decode


def _of_24_bits(data: bytes) -> Any:  # noqa: ANN401
    import numpy as np

    parts = np.frombuffer(data, np.uint8).reshape(-1, 3).astype(np.int32)
    # The highest byte carries the sign.
    whole = (parts[:, 0] << 8 | parts[:, 1] << 16 | parts[:, 2] << 24) >> 8
    return whole / 256


def _samples_by(decode: Callable[[bytes], bytes]) -> Callable[[bytes], Any]:
    def decoded(data: bytes) -> Any:  # noqa: ANN401
        import numpy as np

        return np.frombuffer(decode(data), "<i2")

    return decoded


# By tag and bits: 1 is PCM, 3 IEEE float, 6 A-law, 7 mu-law.
_DECODERS: dict[tuple[int, int], Callable[[bytes], Any]] = {
    (1, 8): _numbers("u1", scale=256, zero=128),
    (1, 16): _numbers("<i2", scale=1),
    (1, 24): _of_24_bits,
    (1, 32): _numbers("<i4", scale=1 / 65_536),
    (3, 32): _numbers("<f4", scale=32_768),
    (3, 64): _numbers("<f8", scale=32_768),
    (6, 8): _samples_by(alaw_decode),
    (7, 8): _samples_by(mulaw_decode),
}

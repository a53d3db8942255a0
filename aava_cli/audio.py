"""Speech as bytes: 16-bit little-endian PCM, telephone mu-law, sample rates and WAV files."""

from __future__ import annotations

import struct
import wave
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from aava_cli.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

SAMPLE_BYTES = 2

# What a line without speech may reach: mu-law's smallest steps and an engine's dither.
SILENT_PEAK = 128

# G.711: the bias makes every magnitude start with a one bit, whose place is the segment.
_BIAS = 0x84
_CLIP = 0x7FFF - _BIAS
_SIGN = 0x80
_STEPS = 0x0F


@dataclass(frozen=True, slots=True)
class Audio:
    """One channel of 16-bit PCM."""

    pcm16: bytes
    rate_hz: int

    @property
    def duration_s(self) -> float:
        """How long it plays."""
        return len(self.pcm16) / SAMPLE_BYTES / self.rate_hz

    def at(self, rate_hz: int) -> Audio:
        """Return the same sound with *rate_hz* samples a second."""
        return Audio(resample(self.pcm16, self.rate_hz, rate_hz), rate_hz)


def mulaw_decode(mulaw: bytes) -> bytes:
    """Return mu-law bytes as 16-bit PCM."""
    return _pack([_expand(code) for code in mulaw])


def mulaw_encode(pcm16: bytes) -> bytes:
    """Return 16-bit PCM as mu-law; what decodes to the same bytes encodes to the same bytes."""
    return bytes(_compress(sample) for sample in samples_of(pcm16))


def resample(pcm16: bytes, from_hz: int, to_hz: int) -> bytes:
    """Return *pcm16* with *to_hz* samples a second instead of *from_hz*."""
    samples = samples_of(pcm16)
    if from_hz == to_hz or not samples:
        return _pack(samples)
    count = len(samples) * to_hz // from_hz
    at = _between(samples) if to_hz > from_hz else _averages(samples, from_hz / to_hz)
    return _pack([round(at(index * from_hz / to_hz)) for index in range(count)])


def is_silent(pcm16: bytes) -> bool:
    """Return whether nobody would hear anything: no samples, or none above the noise."""
    return max(map(abs, samples_of(pcm16)), default=0) <= SILENT_PEAK


def samples_of(pcm16: bytes) -> tuple[int, ...]:
    """Return the samples of *pcm16*; half a sample at the end is dropped."""
    count = len(pcm16) // SAMPLE_BYTES
    return struct.unpack_from(f"<{count}h", pcm16)


def write_wav(path: Path, audio: Audio) -> None:
    """Write *audio* to *path*: readers see the old file or the new one."""
    from io import BytesIO

    from aava_cli.files import atomic_write

    buffer = BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(SAMPLE_BYTES)
        file.setframerate(audio.rate_hz)
        file.writeframes(audio.pcm16)
    atomic_write(path, buffer.getvalue())


def read_wav(path: Path) -> Audio:
    """Return what a WAV file of one channel and 16 bits holds.

    Raises:
        IntegrityError: it is another kind of file.
    """
    try:
        with wave.open(str(path), "rb") as file:
            kind = (file.getnchannels(), file.getsampwidth())
            audio = Audio(file.readframes(file.getnframes()), file.getframerate())
    except (wave.Error, EOFError) as error:
        raise _not_our_wav(path) from error
    if kind != (1, SAMPLE_BYTES):
        raise _not_our_wav(path)
    return audio


def _not_our_wav(path: Path) -> IntegrityError:
    message = f"`{path}` is not a WAV file of one channel with 16 bits"
    return IntegrityError(message, hint=f"convert it: `sox {path} -c 1 -b 16 converted.wav`")


def _pack(samples: Sequence[int]) -> bytes:
    return struct.pack(f"<{len(samples)}h", *samples)


def _expand(code: int) -> int:
    bits = ~code & 0xFF
    magnitude = (((bits & _STEPS) << 3) + _BIAS << (bits >> 4 & 7)) - _BIAS
    return -magnitude if bits & _SIGN else magnitude


def _compress(sample: int) -> int:
    magnitude = min(abs(sample), _CLIP) + _BIAS
    segment = magnitude.bit_length() - _BIAS.bit_length()
    step = magnitude >> segment + 3 & _STEPS
    return ~(segment << 4 | step | (_SIGN if sample < 0 else 0)) & 0xFF


def _between(samples: Sequence[int]) -> Callable[[float], float]:
    """Return the sound as a function of the place, in straight lines between the samples."""
    last = len(samples) - 1

    def at(place: float) -> float:
        index = int(place)
        left, right = samples[index], samples[min(index + 1, last)]
        return left + (right - left) * (place - index)

    return at


def _averages(samples: Sequence[int], width: float) -> Callable[[float], float]:
    """Return the mean of *width* samples from a place on: fewer samples must not alias."""
    sums = (0, *accumulate(samples))

    def total(place: float) -> float:
        index = min(int(place), len(samples) - 1)
        return sums[index] + samples[index] * (place - index)

    return lambda place: (total(min(place + width, len(samples))) - total(place)) / width

"""Speech as bytes: 16-bit little-endian PCM, telephone mu-law, sample rates and WAV files."""

from __future__ import annotations

import wave
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aava_cli.errors import IntegrityError

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any, TypeAlias

    import numpy as np
    import numpy.typing as npt

    Samples: TypeAlias = npt.NDArray[np.int16]
    Numbers: TypeAlias = npt.NDArray[Any]

SAMPLE_BYTES = 2

_PIECE_S = 10

# What a line without speech may reach: mu-law's smallest steps and an engine's dither.
_SILENT_PEAK = 128
_FRAMES_A_SECOND = 200

# G.711: the bias makes every magnitude start with a one bit, whose place is the segment.
_BIAS = 0x84
_CLIP = 0x7FFF - _BIAS
_SIGN = 0x80
_STEPS = 0x0F
_SEGMENT_OF_BIAS = 8


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
    import numpy as np

    bits = ~np.frombuffer(mulaw, np.uint8).astype(np.int32) & 0xFF
    magnitudes = (((bits & _STEPS) << 3) + _BIAS << (bits >> 4 & 7)) - _BIAS
    decoded: bytes = np.where(bits & _SIGN, -magnitudes, magnitudes).astype("<i2").tobytes()
    return decoded


def alaw_decode(alaw: bytes) -> bytes:
    """Return A-law bytes as 16-bit PCM."""
    import numpy as np

    # G.711 sends every second bit turned over.
    bits = np.frombuffer(alaw, np.uint8).astype(np.int32) ^ 0x55
    segments, steps = bits >> 4 & 7, (bits & _STEPS) << 4
    magnitudes = np.where(segments > 0, steps + 0x108 << np.maximum(segments - 1, 0), steps + 8)
    decoded: bytes = np.where(bits & _SIGN, magnitudes, -magnitudes).astype("<i2").tobytes()
    return decoded


def mulaw_encode(pcm16: bytes) -> bytes:
    """Return 16-bit PCM as mu-law; what decodes to the same bytes encodes to the same bytes."""
    import numpy as np

    samples = samples_of(pcm16).astype(np.int32)
    magnitudes = np.minimum(np.abs(samples), _CLIP) + _BIAS
    segments = np.frexp(magnitudes)[1] - _SEGMENT_OF_BIAS
    steps = magnitudes >> segments + 3 & _STEPS
    signs = np.where(samples < 0, _SIGN, 0)
    encoded: bytes = (~(segments << 4 | steps | signs) & 0xFF).astype(np.uint8).tobytes()
    return encoded


def resample(pcm16: bytes, from_hz: int, to_hz: int) -> bytes:
    """Return *pcm16* with *to_hz* samples a second instead of *from_hz*.

    It is done a piece at a time: numbers of ten bytes and more for each sample of an hour would
    take a gigabyte.
    """
    samples, step = samples_of(pcm16), from_hz * _PIECE_S
    if from_hz == to_hz:
        return samples.tobytes()
    # A piece of whole seconds begins and ends on a sample of either rate.
    pieces = (samples[at : at + step + 1] for at in range(0, len(samples), step))
    return b"".join(resample_piece(piece, from_hz, to_hz, most=step) for piece in pieces)


def resample_piece(samples: Samples, from_hz: int, to_hz: int, *, most: int) -> bytes:
    """Return the first *most* of *samples* at *to_hz*; the one behind them is what comes next."""
    import numpy as np

    count = min(len(samples), most) * to_hz // from_hz
    if not count:
        return b""
    width = from_hz / to_hz
    smooth = _averages(samples, count, width) if width > 1 else _between(samples, count, width)
    resampled: bytes = np.rint(smooth).astype("<i2").tobytes()
    return resampled


def seconds_with_sound(audio: Audio) -> float:
    """Return for how long something is heard: a level that stays the same is no sound."""
    import numpy as np

    frame = max(audio.rate_hz // _FRAMES_A_SECOND, 1)
    samples = samples_of(audio.pcm16).astype(np.int32)
    whole = samples[: len(samples) // frame * frame].reshape(-1, frame)
    loud = np.ptp(whole, axis=1) > 2 * _SILENT_PEAK
    return float(np.count_nonzero(loud)) / _FRAMES_A_SECOND


def samples_of(pcm16: bytes) -> Samples:
    """Return the samples of *pcm16*; half a sample at the end is dropped."""
    import numpy as np

    return np.frombuffer(pcm16[: len(pcm16) // SAMPLE_BYTES * SAMPLE_BYTES], "<i2")


def write_wav(path: Path, audio: Audio) -> None:
    """Write *audio* to *path*: readers see the old file or the new one."""
    from aava_cli.files import atomic_write

    atomic_write(path, wav_bytes(audio))


def wav_bytes(audio: Audio) -> bytes:
    """Return *audio* as a WAV file."""
    from io import BytesIO

    buffer = BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(SAMPLE_BYTES)
        file.setframerate(audio.rate_hz)
        file.writeframes(audio.pcm16)
    return buffer.getvalue()


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


def _between(samples: Samples, count: int, width: float) -> Numbers:
    """Return *count* values on the straight lines between the samples, *width* apart."""
    import numpy as np

    values: Numbers = np.interp(np.arange(count) * width, np.arange(len(samples)), samples)
    return values


def _averages(samples: Samples, count: int, width: float) -> Numbers:
    """Return *count* means of *width* samples each: fewer samples must not alias."""
    import numpy as np

    sums = np.concatenate(([0], np.cumsum(samples, dtype=np.int64)))
    totals = np.interp(np.arange(count + 1) * width, np.arange(len(sums)), sums)
    means: Numbers = np.diff(totals) / width
    return means

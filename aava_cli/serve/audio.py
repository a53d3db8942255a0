"""Telephone audio: rates, mu-law, and where somebody speaks."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

STT_RATE_HZ = 16_000
_FRAME_MS = 20
_FRAME_BYTES = STT_RATE_HZ * _FRAME_MS // 1000 * 2
_MULAW_BIAS = 132
_MULAW_CLIP = 32_635


def duration_ms(pcm16: bytes, rate_hz: int) -> int:
    """Return how long *pcm16* lasts."""
    return len(pcm16) // 2 * 1000 // rate_hz


def resample(pcm16: bytes, from_hz: int, to_hz: int) -> bytes:
    """Return *pcm16* with *to_hz* samples a second; half a sample at the end is dropped.

    The result is that of `aava_cli.audio.resample`, within one step, but soon enough for a call.
    """
    import numpy as np

    samples = np.frombuffer(pcm16[: len(pcm16) // 2 * 2], "<i2")
    count = len(samples) * to_hz // from_hz
    if from_hz == to_hz or not count:
        return pcm16[: count * 2]
    width = from_hz / to_hz
    smooth = _averages(samples, count, width) if width > 1 else _between(samples, count, width)
    resampled: bytes = np.rint(smooth).astype("<i2").tobytes()
    return resampled


def _between(samples: Any, count: int, width: float) -> Any:  # noqa: ANN401 - numpy loads late
    import numpy as np

    return np.interp(np.arange(count) * width, np.arange(len(samples)), samples)


def _averages(samples: Any, count: int, width: float) -> Any:  # noqa: ANN401
    """Average over what becomes one sample, so that high tones do not come back as low ones."""
    import numpy as np

    sums = np.concatenate(([0], np.cumsum(samples, dtype=np.int64)))
    totals = np.interp(np.arange(count + 1) * width, np.arange(len(sums)), sums)
    return np.diff(totals) / width


def to_mulaw(pcm16: bytes) -> bytes:
    """Return *pcm16* as G.711 mu-law, one byte a sample."""
    import numpy as np

    samples = np.frombuffer(pcm16, "<i2").astype(np.int32)
    size = np.minimum(np.abs(samples), _MULAW_CLIP) + _MULAW_BIAS
    exponent = np.frexp(size)[1] - 8
    mantissa = (size >> (exponent + 3)) & 0x0F
    sign = np.where(samples < 0, 0x80, 0)
    encoded: bytes = (~(sign | exponent << 4 | mantissa) & 0xFF).astype(np.uint8).tobytes()
    return encoded


@dataclass(frozen=True, slots=True)
class Segmentation:
    """What counts as speech, and what ends it."""

    energy_threshold: int = 1200
    preroll_ms: int = 200
    min_ms: int = 250
    silence_ms: int = 500
    max_ms: int = 12_000


class Segmenter:
    """Cuts a stream of 16 kHz samples into utterances."""

    def __init__(self, rules: Segmentation) -> None:
        self._rules = rules
        self._pending = b""
        self._before: deque[bytes] = deque(maxlen=rules.preroll_ms // _FRAME_MS)
        self._speech: list[bytes] = []
        self._loud_frames = 0
        self._quiet_frames = 0

    @property
    def speaking(self) -> bool:
        """Whether an utterance has begun and not ended."""
        return bool(self._speech)

    def feed(self, pcm16_16k: bytes) -> Iterator[bytes]:
        """Take more samples; return the utterances that end in them."""
        data = self._pending + pcm16_16k
        whole = len(data) // _FRAME_BYTES * _FRAME_BYTES
        self._pending = data[whole:]
        for start in range(0, whole, _FRAME_BYTES):
            if self._ends(data[start : start + _FRAME_BYTES]):
                yield from self.flush()

    def flush(self) -> Iterator[bytes]:
        """End the utterance now; return it unless it is too short to mean anything."""
        utterance, long_enough = b"".join(self._speech), self._loud_ms >= self._rules.min_ms
        self._speech.clear()
        self._loud_frames = self._quiet_frames = 0
        if utterance and long_enough:
            yield utterance

    @property
    def _loud_ms(self) -> int:
        return self._loud_frames * _FRAME_MS

    def _ends(self, frame: bytes) -> bool:
        """Take one frame; return whether it ends the utterance."""
        loud = _energy(frame) >= self._rules.energy_threshold
        if not self._speech and not loud:
            self._before.append(frame)
            return False
        if not self._speech:
            self._speech.extend(self._before)
            self._before.clear()
        self._speech.append(frame)
        self._loud_frames += loud
        self._quiet_frames = 0 if loud else self._quiet_frames + 1
        silent_ms, total_ms = self._quiet_frames * _FRAME_MS, len(self._speech) * _FRAME_MS
        return silent_ms >= self._rules.silence_ms or total_ms >= self._rules.max_ms


def _energy(frame: bytes) -> float:
    import numpy as np

    samples = np.frombuffer(frame, "<i2").astype(np.float64)
    return float(np.sqrt(np.mean(samples * samples)))

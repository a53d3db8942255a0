"""Where somebody speaks in a stream of audio."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

STT_RATE_HZ = 16_000
# What one request to an engine has: whisper, for one, hears half a minute at once.
_LONGEST_PIECE_MS = 30_000
_SHORTEST_PIECE_MS = 20_000
_FRAME_MS = 20
_FRAME_BYTES = STT_RATE_HZ * _FRAME_MS // 1000 * 2


def duration_ms(pcm16: bytes, rate_hz: int) -> int:
    """Return how long *pcm16* lasts."""
    return len(pcm16) // 2 * 1000 // rate_hz


def in_pieces(pcm16_16k: bytes) -> Iterator[bytes]:
    """Yield *pcm16_16k* in pieces of half a minute at most, each cut where it is most quiet."""
    shortest, longest = (
        each // _FRAME_MS * _FRAME_BYTES for each in (_SHORTEST_PIECE_MS, _LONGEST_PIECE_MS)
    )
    at = 0
    while len(pcm16_16k) - at > longest:
        places = range(at + shortest, at + longest, _FRAME_BYTES)
        end = min(places, key=lambda place: _energy(pcm16_16k[place : place + _FRAME_BYTES]))
        yield pcm16_16k[at:end]
        at = end
    yield pcm16_16k[at:]


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

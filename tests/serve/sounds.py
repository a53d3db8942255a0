"""Audio for tests, and what is in audio."""

from __future__ import annotations

import base64

import numpy as np


def tone(duration_ms: int, *, hz: float = 500.0, rate_hz: int = 16_000, level: int = 9000) -> bytes:
    """Return a sine as signed 16-bit samples."""
    at = np.arange(rate_hz * duration_ms // 1000) / rate_hz
    sine: bytes = (np.sin(2 * np.pi * hz * at) * level).astype("<i2").tobytes()
    return sine


def silence(duration_ms: int, *, rate_hz: int = 16_000) -> bytes:
    """Return samples in which nothing is heard."""
    return bytes(rate_hz * duration_ms // 1000 * 2)


def loudest_hz(pcm16: bytes, rate_hz: int) -> int:
    """Return the strongest frequency of *pcm16*, to the nearest 50 Hz."""
    samples = np.frombuffer(pcm16, "<i2")
    spectrum = np.abs(np.fft.rfft(samples))
    return round(float(np.argmax(spectrum)) * rate_hz / len(samples) / 50) * 50


def peak(pcm16: bytes) -> float:
    """Return how far *pcm16* goes, 1 being all the way."""
    return float(np.abs(np.frombuffer(pcm16, "<i2").astype(np.float64)).max() / 32768)


def from_mulaw(data: bytes) -> bytes:
    """Return G.711 mu-law as signed 16-bit samples, as its standard decodes it."""
    codes = ~np.frombuffer(data, np.uint8)
    sizes = ((((codes & 0x0F).astype(np.int32) << 3) + 132) << ((codes >> 4) & 0x07)) - 132
    decoded: bytes = np.where(codes & 0x80, -sizes, sizes).astype("<i2").tobytes()
    return decoded


def encoded(pcm16: bytes) -> str:
    """Return *pcm16* as JSON carries it."""
    return base64.b64encode(pcm16).decode()

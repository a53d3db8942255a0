"""Requests over HTTP, and the sound that they carry."""

from __future__ import annotations

import io
import wave
from typing import TYPE_CHECKING

import httpx

from tests.serve.sounds import tone

if TYPE_CHECKING:
    from tests.daemon_fixture import RunningDaemon


def client_of(daemon: RunningDaemon) -> httpx.Client:
    """Return a client of *daemon*; whoever made it closes it."""
    return httpx.Client(base_url=f"http://127.0.0.1:{daemon.port}", trust_env=False, timeout=110)


def wav_of(pcm16: bytes, rate_hz: int = 16_000) -> bytes:
    """Return *pcm16* as a WAV file."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(pcm16)
    return buffer.getvalue()


SPOKEN = wav_of(tone(1500))


def transcribe(client: httpx.Client, wav: bytes = SPOKEN) -> httpx.Response:
    """Return the answer to an upload."""
    return client.post("/stt", files={"audio": ("a.wav", wav, "audio/wav")})


def metric(client: httpx.Client, name: str) -> float:
    """Return the sample *name*, with its labels, of the daemon's figures."""
    lines = client.get("/metrics").raise_for_status().text.splitlines()
    return next(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{name} "))

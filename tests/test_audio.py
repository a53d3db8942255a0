"""Speech as bytes."""

from __future__ import annotations

import struct
import wave
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aava_cli.audio import (
    Audio,
    mulaw_decode,
    mulaw_encode,
    read_wav,
    resample,
    seconds_with_sound,
    write_wav,
)
from aava_cli.errors import IntegrityError

if TYPE_CHECKING:
    from pathlib import Path

RATES_HZ = st.sampled_from([8000, 16000, 22050, 24000, 44100, 48000])
SAMPLES = st.lists(st.integers(-32768, 32767), max_size=200)


def samples_of(data: bytes) -> tuple[int, ...]:
    """Return the samples of *data*."""
    return struct.unpack(f"<{len(data) // 2}h", data)


def pcm16(*samples: int) -> bytes:
    """Return *samples* as bytes."""
    return struct.pack(f"<{len(samples)}h", *samples)


@pytest.mark.parametrize(
    ("code", "sample"),
    [(0x00, -32124), (0x80, 32124), (0xFF, 0), (0x7F, 0), (0xFE, 8), (0x8F, 16764), (0x9F, 8316)],
)
def test_mulaw_codes_stand_for_the_values_of_the_standard(code: int, sample: int) -> None:
    """The values are those of the G.711 tables."""
    assert (sample,) == samples_of(mulaw_decode(bytes([code])))


def test_every_mulaw_code_survives_a_round_trip() -> None:
    """Decoding and encoding gives the code back; the second zero becomes the first."""
    codes = bytes(code for code in range(256) if code != 0x7F)
    assert codes == mulaw_encode(mulaw_decode(codes))


@given(st.integers(-32768, 32767))
def test_mulaw_is_near_the_sample(sample: int) -> None:
    """Compression loses at most half a step, which is a part of the biased magnitude."""
    (back,) = samples_of(mulaw_decode(mulaw_encode(pcm16(sample))))
    assert abs(back - sample) <= (abs(sample) + 0x84) / 32


@given(SAMPLES, RATES_HZ, RATES_HZ)
def test_resampling_keeps_the_duration_and_the_range(
    samples: list[int], from_hz: int, to_hz: int
) -> None:
    """There are as many samples as the time needs, none louder than the loudest."""
    result = samples_of(resample(pcm16(*samples), from_hz, to_hz))
    assert len(samples) * to_hz // from_hz == len(result)
    if result:
        assert min(samples) <= min(result) <= max(result) <= max(samples)


@given(st.integers(-32768, 32767), RATES_HZ, RATES_HZ)
def test_resampling_keeps_a_constant(sample: int, from_hz: int, to_hz: int) -> None:
    """A level that does not change is the same at every rate."""
    assert {sample} == set(samples_of(resample(pcm16(*[sample] * 50), from_hz, to_hz)))


def test_resampling_to_the_same_rate_changes_nothing() -> None:
    """The bytes stay, but for half a sample at the end."""
    assert resample(b"\x01\x02\x03", 8000, 8000) == b"\x01\x02"


def test_fewer_samples_average_what_is_too_fast_for_them() -> None:
    """A tone above the new rate's half vanishes instead of aliasing."""
    assert {0} == set(samples_of(resample(pcm16(*[9000, -9000] * 50), 16000, 8000)))


def test_more_samples_lie_between_their_neighbours() -> None:
    """The new samples are on the straight line."""
    assert samples_of(resample(pcm16(0, 100), 8000, 16000)) == (0, 50, 100, 100)


@pytest.mark.parametrize(
    ("data", "sound_s"),
    [
        (b"", 0),
        (pcm16(0, 0), 0),
        (pcm16(*[100, -128] * 400), 0),
        (pcm16(*[5000] * 800), 0),
        (pcm16(*[0] * 400, 32_767, *[0] * 399), 0.005),
        (pcm16(*[0, -3000] * 400), 0.1),
    ],
)
def test_sound_is_what_moves_more_than_noise(data: bytes, sound_s: float) -> None:
    """No samples, noise and a level that stays are silence; a click is short; a wave is not."""
    assert sound_s == seconds_with_sound(Audio(data, 8000))


def test_a_wav_file_gives_back_what_was_written(tmp_path: Path) -> None:
    """Rate, samples and duration survive."""
    audio = Audio(pcm16(*range(800)), 8000)
    write_wav(tmp_path / "speech.wav", audio)
    assert audio == read_wav(tmp_path / "speech.wav")
    assert (audio.duration_s, len(audio.at(16000).pcm16) // 2) == (0.1, 1600)


def test_a_file_that_is_no_wav_is_refused(tmp_path: Path) -> None:
    """The message names the file."""
    (tmp_path / "speech.wav").write_bytes(b"not audio at all")
    with pytest.raises(IntegrityError, match=r"speech\.wav` is not"):
        read_wav(tmp_path / "speech.wav")


def test_a_stereo_wav_is_refused(tmp_path: Path) -> None:
    """Two channels are not mixed behind the caller's back."""
    with wave.open(str(tmp_path / "speech.wav"), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(8))
    with pytest.raises(IntegrityError):
        read_wav(tmp_path / "speech.wav")

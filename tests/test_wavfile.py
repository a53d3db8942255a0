"""WAV files in every form that is read."""

from __future__ import annotations

import io
import struct
from typing import BinaryIO

import numpy as np
import pytest

from aava_cli.audio import mulaw_encode, resample
from aava_cli.errors import IntegrityError
from aava_cli.wavfile import open_wav
from tests.serve.sounds import loudest_hz, tone

RATE_HZ = 16_000
SOUND = np.frombuffer(tone(2500), "<i2")
EXTENSIBLE = 0xFFFE


def chunk(name: bytes, content: bytes, *, claims: int | None = None) -> bytes:
    """Return a chunk of a RIFF file, padded to an even length."""
    length = len(content) if claims is None else claims
    return name + struct.pack("<I", length) + content + bytes(len(content) % 2)


def wav(
    data: bytes,
    form: tuple[int, int] = (1, 16),
    *,
    channels: int = 1,
    rate_hz: int = RATE_HZ,
    more: bytes = b"",
    claims: int | None = None,
) -> BinaryIO:
    """Return a WAV file; *more* is what follows the plain format; *form* is tag and bits."""
    tag, bits = form
    frame = channels * bits // 8
    described = struct.pack("<HHIIHH", tag, channels, rate_hz, rate_hz * frame, frame, bits) + more
    body = chunk(b"fmt ", described) + chunk(b"LIST", b"odd") + chunk(b"data", data, claims=claims)
    return io.BytesIO(b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body)


def packed_24(samples: np.ndarray[tuple[int], np.dtype[np.int16]]) -> bytes:
    """Return *samples* with three bytes each."""
    wide = (samples.astype("<i4") << 8).view(np.uint8).reshape(-1, 4)[:, :3]
    data: bytes = wide.tobytes()
    return data


@pytest.mark.parametrize(
    ("data", "tag", "bits", "off_by"),
    [
        ((SOUND // 256 + 128).astype("u1").tobytes(), 1, 8, 256),
        (SOUND.tobytes(), 1, 16, 0),
        (packed_24(SOUND), 1, 24, 0),
        ((SOUND.astype("<i4") << 16).tobytes(), 1, 32, 0),
        ((SOUND / 32_768).astype("<f4").tobytes(), 3, 32, 0),
        ((SOUND / 32_768).astype("<f8").tobytes(), 3, 64, 0),
        (mulaw_encode(SOUND.tobytes()), 7, 8, 520),
    ],
)
def test_every_form_is_the_same_sound(data: bytes, tag: int, bits: int, off_by: int) -> None:
    """Nothing is lost but what the form itself cannot hold."""
    read = np.frombuffer(open_wav(wav(data, (tag, bits))).pcm16_at(RATE_HZ), "<i2")
    assert len(SOUND) == len(read)
    assert int(np.abs(read.astype(int) - SOUND).max()) <= off_by


@pytest.mark.parametrize(("code", "sample"), [(0xD5, 8), (0x55, -8), (0xAA, 32_256), (0x80, 5504)])
def test_alaw_codes_stand_for_the_values_of_the_standard(code: int, sample: int) -> None:
    """The values are those of the G.711 tables, times eight."""
    read = open_wav(wav(bytes([code]), (6, 8))).pcm16_at(RATE_HZ)
    assert (sample,) == struct.unpack("<h", read)


def test_extensible_form_names_the_real_one() -> None:
    """Recorders with many channels write the tag further behind."""
    more = struct.pack("<HHIH", 22, 32, 4, 3) + bytes(14)
    data = (SOUND / 32_768).astype("<f4").tobytes()
    file = wav(data, (EXTENSIBLE, 32), more=more)
    assert SOUND.tobytes() == open_wav(file).pcm16_at(RATE_HZ)


@pytest.mark.parametrize("rate_hz", [8000, 11_025, 22_050, 44_100, 48_000])
def test_every_rate_is_resampled_as_a_whole_would_be(rate_hz: int) -> None:
    """Reading a piece at a time leaves no seams."""
    sound = tone(3300, rate_hz=rate_hz)
    read = open_wav(wav(sound, rate_hz=rate_hz)).pcm16_at(RATE_HZ)
    assert resample(sound, rate_hz, RATE_HZ) == read
    assert 500 == loudest_hz(read, RATE_HZ)


def test_channels_are_mixed() -> None:
    """What is said on one side is heard, half as loud."""
    stereo = np.stack((SOUND, np.zeros_like(SOUND)), axis=1).astype("<i2").tobytes()
    opened = open_wav(wav(stereo, channels=2))
    assert (2.5, len(SOUND) * 2) == (opened.duration_s, len(opened.pcm16_at(RATE_HZ)))
    assert 500 == loudest_hz(opened.pcm16_at(RATE_HZ), RATE_HZ)


def test_what_is_no_number_is_silence() -> None:
    """A broken recorder does not make the loudest noise there is; too loud is as loud as can be."""
    data = struct.pack("<4f", float("nan"), 2.0, -2.0, 0.0)
    assert (0, 32_767, -32_768, 0) == struct.unpack(
        "<4h", open_wav(wav(data, (3, 32))).pcm16_at(RATE_HZ)
    )


@pytest.mark.parametrize("claims", [0, 0x7FFF_FFFF, 0xFFFF_FFFF])
def test_stream_of_unknown_length_is_read_to_its_end(claims: int) -> None:
    """Programs that write into a pipe cannot go back to say how much it was."""
    read = open_wav(wav(SOUND.tobytes(), claims=claims)).pcm16_at(RATE_HZ)
    assert SOUND.tobytes() == read


def test_file_without_samples_is_silence() -> None:
    """It is a WAV file all the same."""
    assert b"" == open_wav(wav(b"")).pcm16_at(RATE_HZ)


@pytest.mark.parametrize(
    ("file", "problem"),
    [
        (io.BytesIO(b""), "not a WAV file"),
        (io.BytesIO(b"RIFF"), "not a WAV file"),
        (io.BytesIO(b"OggS" + bytes(40)), "not a WAV file"),
        (io.BytesIO(b"RIFF\0\0\0\0AVI " + bytes(40)), "not a WAV file"),
        (io.BytesIO(b"RIFF\0\0\0\0WAVE" + chunk(b"data", b"ab")), "holds no sound"),
        (io.BytesIO(b"RIFF\0\0\0\0WAVE" + chunk(b"fmt ", b"ab")), "does not say what form"),
        (wav(b"ab", (85, 16)), "of form 85 with 16 bits"),
        (wav(b"ab", (1, 12)), "of form 1 with 12 bits"),
        (wav(b"ab", (EXTENSIBLE, 16)), "of form 65534 with 16 bits"),
        (wav(b"ab", channels=0), "0 channels"),
        (wav(b"ab", channels=9), "9 channels"),
        (wav(b"ab", rate_hz=0), "at 0 Hz"),
        (wav(b"abcd", claims=5000), "cut off: 5,000 bytes of sound are due, 4 are there"),
    ],
)
def test_what_cannot_be_read_is_named(file: BinaryIO, problem: str) -> None:
    """Whoever sent it learns why."""
    with pytest.raises(IntegrityError, match=problem):
        open_wav(file)


def test_file_of_countless_chunks_is_not_looked_through() -> None:
    """It would take a minute for the largest upload, and others would be slowed down by it."""
    nothing = chunk(b"JUNK", b"") * 2000
    file = io.BytesIO(b"RIFF" + bytes(4) + b"WAVE" + nothing + wav(SOUND.tobytes()).read()[12:])
    with pytest.raises(IntegrityError, match="holds no sound"):
        open_wav(file)


def test_frames_that_do_not_add_up_are_refused() -> None:
    """A frame is one sample of each channel."""
    data = bytearray(wav(b"abcd").read())
    data[32:34] = struct.pack("<H", 3)
    with pytest.raises(IntegrityError, match="contradicts itself"):
        open_wav(io.BytesIO(data))

"""Rates, mu-law and segmentation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aava_cli.audio import mulaw_encode, resample
from aava_cli.serve.segments import Segmentation, Segmenter, duration_ms
from tests.serve.sounds import from_mulaw, loudest_hz, silence, tone

SAMPLES = st.lists(st.integers(-32_768, 32_767), max_size=200).map(
    lambda numbers: np.array(numbers, "<i2").tobytes()
)
RATES = st.sampled_from([8000, 16_000, 22_050, 24_000, 44_100, 48_000])


@given(SAMPLES)
def test_mulaw_keeps_what_a_telephone_keeps(pcm16: bytes) -> None:
    """One byte a sample, and no sample is off by more than half a step of its size."""
    encoded = mulaw_encode(pcm16)
    before = np.frombuffer(pcm16, "<i2").astype(int)
    after = np.frombuffer(from_mulaw(encoded), "<i2").astype(int)
    assert len(encoded) == len(before)
    clipped = np.clip(before, -32_635, 32_635)
    assert np.all(np.abs(clipped - after) <= np.abs(clipped) / 32 + 6)


@pytest.mark.parametrize(
    ("sample", "code"),
    [(0, 0xFF), (-1, 0x7F), (32_767, 0x80), (-32_768, 0x00), (1000, 0xCE), (-1000, 0x4E)],
)
def test_mulaw_codes_are_those_of_the_standard(sample: int, code: int) -> None:
    """G.711 fixes them."""
    assert bytes([code]) == mulaw_encode(np.array([sample], "<i2").tobytes())


@given(SAMPLES, RATES, RATES)
def test_resampling_keeps_the_duration(pcm16: bytes, from_hz: int, to_hz: int) -> None:
    """What lasted a second lasts a second, to the sample."""
    count = len(pcm16) // 2
    assert count * to_hz // from_hz == len(resample(pcm16, from_hz, to_hz)) // 2


@pytest.mark.parametrize(
    ("from_hz", "to_hz"), [(8000, 16_000), (16_000, 8000), (22_050, 8000), (48_000, 16_000)]
)
def test_resampling_keeps_the_tone(from_hz: int, to_hz: int) -> None:
    """A tone stays the tone it was."""
    assert 500 == loudest_hz(resample(tone(1000, rate_hz=from_hz), from_hz, to_hz), to_hz)


def test_tones_beyond_the_new_rate_do_not_come_back() -> None:
    """A tone that 8 kHz cannot carry is made quiet rather than turned into another one."""
    high = tone(1000, hz=7500, rate_hz=16_000)
    kept = np.frombuffer(resample(high, 16_000, 8000), "<i2")
    assert np.abs(kept[10:-10]).max() < 1200


def test_odd_byte_is_dropped() -> None:
    """Half a sample is none."""
    assert b"\1\2" == resample(b"\1\2\3", 8000, 8000)


def _utterances(stream: bytes, rules: Segmentation, piece_bytes: int) -> list[int]:
    segmenter = Segmenter(rules)
    found = [
        utterance
        for start in range(0, len(stream), piece_bytes)
        for utterance in segmenter.feed(stream[start : start + piece_bytes])
    ]
    return [duration_ms(each, 16_000) for each in [*found, *segmenter.flush()]]


@settings(deadline=None)
@given(st.integers(1, 5000))
def test_utterances_do_not_depend_on_the_pieces(piece_bytes: int) -> None:
    """What is heard before and after speech is kept as far as the rules say."""
    stream = silence(1000) + tone(600) + silence(900) + tone(300) + silence(100)
    assert [200 + 600 + 500, 200 + 300 + 100] == _utterances(stream, Segmentation(), piece_bytes)


def test_click_is_no_utterance() -> None:
    """Noise shorter than the minimum is dropped."""
    assert [] == _utterances(silence(100) + tone(100) + silence(600), Segmentation(), 640)


def test_quiet_is_no_speech() -> None:
    """What stays below the threshold never begins an utterance."""
    assert [] == _utterances(tone(2000, level=500), Segmentation(), 640)


def test_endless_speech_is_cut() -> None:
    """Nobody waits longer than the maximum for a result."""
    rules = Segmentation(preroll_ms=0, max_ms=1000)
    assert [1000, 1000, 500] == _utterances(tone(2500), rules, 640)

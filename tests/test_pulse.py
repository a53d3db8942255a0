"""What beats while something else runs."""

from __future__ import annotations

import threading

import pytest

from aava_cli.pulse import pulse


def test_pulse_beats_until_the_block_ends() -> None:
    """It goes on for as long as the block, and no longer."""
    beats: list[int] = []
    enough = threading.Event()

    def beat() -> None:
        beats.append(1)
        if len(beats) >= 3:
            enough.set()

    with pulse(beat, 0.001):
        assert enough.wait(30)
    count = len(beats)
    assert threading.active_count() >= 1
    assert count == len(beats)


def test_pulse_ends_with_a_failure() -> None:
    """A block that fails takes its thread along."""
    before = threading.active_count()
    with pytest.raises(KeyError), pulse(lambda: None, 60):
        raise KeyError
    assert before == threading.active_count()

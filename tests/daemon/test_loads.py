"""Past loads say how long the next one may take."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aava_cli.daemon.loads import UNKNOWN_S, LoadTimes

if TYPE_CHECKING:
    from pathlib import Path


def test_unknown_model_gets_all_the_time(tmp_path: Path) -> None:
    """Nobody knows yet how large it is."""
    times = LoadTimes(tmp_path)
    times.note(["a"], 1.0)
    assert [UNKNOWN_S, UNKNOWN_S, UNKNOWN_S] == [
        times.deadline_s([]),
        times.deadline_s(["b"]),
        times.deadline_s(["a", "b"]),
    ]


def test_known_models_get_several_times_what_they_took(tmp_path: Path) -> None:
    """The slowest of the last loads counts, and a floor holds for fast ones."""
    times = LoadTimes(tmp_path)
    times.note(["slow"], 30.0)
    times.note(["slow"], 20.0)
    times.note(["fast"], 0.1)
    assert [60.0, 150.0, 150.5] == [
        LoadTimes(tmp_path).deadline_s(models) for models in (["fast"], ["slow"], ["slow", "fast"])
    ]


def test_only_the_last_loads_count(tmp_path: Path) -> None:
    """A host that became faster is not judged by its past for ever."""
    times = LoadTimes(tmp_path)
    for took_s in (100.0, 20.0, 20.0, 20.0, 20.0, 20.0):
        times.note(["model"], took_s)
    assert times.deadline_s(["model"]) == 100.0


@pytest.mark.parametrize("garbage", [b"", b"[]", b'{"a": 1}', b'{"a": ["x"]}', b"\xff"])
def test_damaged_record_is_no_record(tmp_path: Path, garbage: bytes) -> None:
    """It costs a longer wait at most."""
    (tmp_path / "loads.json").write_bytes(garbage)
    assert LoadTimes(tmp_path).deadline_s(["a"]) == UNKNOWN_S


def test_record_that_cannot_be_kept_is_no_failure(tmp_path: Path) -> None:
    """The switch was made, whatever becomes of its time."""
    LoadTimes(tmp_path / "missing").note(["a"], 1.0)
    (tmp_path / "loads.json").mkdir()
    LoadTimes(tmp_path).note(["a"], 1.0)
    assert LoadTimes(tmp_path).deadline_s(["a"]) == UNKNOWN_S

"""A rebuild cuts no call without being asked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.daemon.test_calls import engine
from tests.rebuild.conftest import (
    ADDING,
    add_step,
    builds_of,
    ended,
    is_building,
    run,
    start,
    state_of,
    wait_until,
)

if TYPE_CHECKING:
    from tests.docker_fixture import ComposeProject


def calls(count: int) -> bytes:
    """Return what the engine says of *count* calls."""
    return json.dumps({"active_calls": count}).encode()


def test_live_call_stops_a_rebuild_before_it_builds(looping: ComposeProject) -> None:
    """Who will not wait need not build first."""
    with engine(looping.folder, calls(1)):
        before = state_of(looping)
        refused = run(looping, "rebuild", "whisper_cpp")
        assert (5, before, 0) == (refused.code, state_of(looping), builds_of(looping))
        assert "1 active call" in refused.stderr


def test_call_that_began_during_the_build_is_not_cut(serving: ComposeProject) -> None:
    """The new image is there, and the old one goes on."""
    add_step(serving, f"{ADDING} || sleep 2")
    with engine(serving.folder, calls(0)) as answers:
        before = state_of(serving)
        process = start(serving, "rebuild", "whisper_cpp")
        wait_until(lambda: is_building(serving))
        answers[:] = [calls(1)]
        refused = ended(process)
        assert (5, before) == (refused.code, state_of(serving)), refused.stderr
        waited = start(serving, "rebuild", "whisper_cpp", "--drain", "60s")
        wait_until(lambda: bool(serving.capabilities()))
        answers[:] = [calls(0)]
        assert 0 == ended(waited).code
    assert serving.capabilities()["whisper_cpp"]

"""Models that memory cannot hold twice."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from aava_cli.serve.engines import EngineError
from aava_cli.serve.process import Wanted
from aava_cli.serve.room import (
    Room,
    asks_for_gpu,
    family_bytes,
    measure_room,
    needed_bytes,
    resident_bytes,
)
from tests.engine_models import answered, hummed_hz, switch

if TYPE_CHECKING:
    from tests.daemon_fixture import RunningDaemon
    from tests.serve.conftest import Starter

MIB = 1 << 20


def test_a_folder_and_what_it_needs_beside_count(tmp_path: Path) -> None:
    """A name of the hub has no size that is known here."""
    (tmp_path / "model/inside").mkdir(parents=True)
    (tmp_path / "model/inside/a").write_bytes(bytes(100))
    (tmp_path / "vocoder").write_bytes(bytes(10))
    options = {"vocoder": str(tmp_path / "vocoder"), "language": "en", "gone": "/no/such"}
    assert 110 == needed_bytes(Wanted("x", tmp_path / "model", options))
    assert 0 == needed_bytes(Wanted("faster_whisper", Path("small")))


@pytest.mark.parametrize(
    ("room", "unload_first"),
    [
        (Room(10, 10, 5), False),
        (Room(11, 10, 5), True),
        (Room(1, 10, 5, gpu_needed_bytes=8, gpu_free_bytes=8), False),
        (Room(1, 10, 5, gpu_needed_bytes=9, gpu_free_bytes=8), True),
    ],
)
def test_old_goes_first_where_both_do_not_fit(room: Room, *, unload_first: bool) -> None:
    """In the host's memory, or in that of the GPUs."""
    room.require()
    assert unload_first == room.unload_first


def test_what_never_fits_is_refused() -> None:
    """With both amounts."""
    problem = "not enough memory: the model needs about 3.0 GB, 2.0 GB are free"
    with pytest.raises(EngineError, match=problem):
        Room(3_000_000_000, 1_500_000_000, 500_000_000).require()


def test_room_is_what_the_host_and_the_limit_leave(tmp_path: Path) -> None:
    """What a process that ends would give back is counted as well; there is no GPU to ask here."""
    file = tmp_path / "model"
    file.write_bytes(bytes(MIB))
    wanted = (Wanted("llama", file, {"gpu_layers": "-1"}), Wanted("piper", file))
    free = measure_room(wanted, [os.getpid(), None], None)
    none = measure_room(wanted, [], family_bytes())
    assert (2 * MIB, 0, 0) == (free.needed_bytes, none.free_bytes, none.held_bytes)
    assert 0 < free.free_bytes <= psutil.virtual_memory().total
    assert 0 < free.held_bytes < 1 << 40


def test_only_some_options_mean_a_gpu() -> None:
    """Layers of a language model, or a device."""
    asked = [{"gpu_layers": "0"}, {"device": "cpu"}, {}, {"gpu_layers": "-1"}, {"device": "cuda"}]
    assert [False] * 3 + [True] * 2 == [asks_for_gpu(Wanted("x", Path(), each)) for each in asked]


def test_process_that_ended_has_no_memory() -> None:
    """It may have ended a moment ago."""
    assert 0 == resident_bytes(1 << 30)


def limited(start: Starter) -> RunningDaemon:
    """Return a daemon that has no room for anything beside what it has."""
    daemon = start(limits={"memory_bytes": 1})
    daemon.wait_until_loaded()
    return daemon


def test_old_model_makes_room(start: Starter) -> None:
    """The reply says so; other roles are not touched."""
    daemon = limited(start)
    before = daemon.status()["models"]
    reply = switch(daemon, tts_model_path="/app/models/tts/high.onnx")
    assert ("success", True) == (reply["status"], reply["memory"]["unloaded_first"])
    assert (0, True) == (reply["memory"]["free_bytes"], reply["memory"]["needed_bytes"] > 0)
    after = daemon.status()["models"]
    assert before["llm"] == after["llm"]
    assert (1200, before["tts"]["pid"]) != (hummed_hz(daemon), after["tts"]["pid"])
    assert 1200 == hummed_hz(daemon)


def test_old_model_comes_back_after_a_failure(start: Starter) -> None:
    """It had to go, and the new one did not load."""
    daemon = limited(start)
    before = daemon.status()
    reply = switch(daemon, llm_model_path="/app/models/llm/half.gguf")
    assert ("error", "hi there") == (reply["status"], answered(daemon))
    after = daemon.status()
    assert before["models"]["llm"]["path"] == after["models"]["llm"]["path"]
    assert before["models"]["llm"]["pid"] != after["models"]["llm"]["pid"]
    assert ("llm", False) == (after["last_errors"][0]["role"], after["config"]["degraded"])


def test_model_that_cannot_come_back_is_named(start: Starter, models_dir: Path) -> None:
    """The slot says that both are gone, and why."""
    gone = models_dir / "llm/gone.gguf"
    gone.write_bytes((models_dir / "llm/first.gguf").read_bytes())
    daemon = start(limits={"memory_bytes": 1}, LOCAL_LLM_MODEL_PATH="/app/models/llm/gone.gguf")
    daemon.wait_until_loaded()
    gone.unlink()
    assert "error" == switch(daemon, llm_model_path="/app/models/llm/half.gguf")["status"]
    problem = daemon.status()["config"]["startup_errors"]["llm"]
    assert f"the old model did not load again: no model at `{gone}`" == problem


def test_model_that_fits_is_loaded_beside(daemon: RunningDaemon) -> None:
    """The usual way."""
    reply = switch(daemon, tts_model_path="/app/models/tts/high.onnx")
    assert ("success", False) == (reply["status"], reply["memory"]["unloaded_first"])


def test_reload_says_what_it_needed(daemon: RunningDaemon) -> None:
    """All models at once."""
    reply = daemon.ask({"type": "reload_models"})
    assert ("success", False) == (reply["status"], reply["memory"]["unloaded_first"])


def test_model_larger_than_all_memory_is_refused(start: Starter, models_dir: Path) -> None:
    """Before anything is unloaded; a sparse file is as large as it says."""
    with (models_dir / "llm/huge.gguf").open("wb") as huge:
        huge.truncate(4 * psutil.virtual_memory().total)
    daemon = start()
    daemon.wait_until_loaded()
    before = daemon.status()["models"]
    reply = switch(daemon, llm_model_path="/app/models/llm/huge.gguf")
    (models_dir / "llm/huge.gguf").unlink()
    assert ("error", True) == (reply["status"], reply["message"].startswith("not enough memory"))
    assert (before, "hi there") == (daemon.status()["models"], answered(daemon))


def test_progress_of_a_load_is_told(start: Starter) -> None:
    """How long it took last, and how far that makes it now."""
    daemon = start()
    daemon.wait_until_loaded()
    with daemon.connect() as client:
        for _ in range(2):
            client.send({"type": "reload_llm"})
            status = daemon.wait_until(lambda status: bool(status["load_progress"]))
            assert "success" == client.receive()["status"]
    progress = status["load_progress"]["llm"]
    assert progress["model"].endswith("llm/first.gguf")
    assert progress["elapsed_s"] >= 0
    assert {"stt", "tts", "llm"} >= set(status["load_progress"])

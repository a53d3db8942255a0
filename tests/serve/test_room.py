"""Models that memory cannot hold twice."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from aava_cli.serve.engines import EngineError
from aava_cli.serve.process import Wanted
from aava_cli.serve.room import Room, asks_for_gpu, family_bytes, measure_room, resident_bytes
from aava_cli.settings import Settings
from tests.engine_models import answered, hummed_hz, switch
from tests.tiny_models import write_gguf, write_piper

if TYPE_CHECKING:
    from aava_cli.roles import Role
    from tests.daemon_fixture import RunningDaemon
    from tests.serve.conftest import Starter


def test_what_never_fits_is_refused() -> None:
    """With both amounts; what may fit is tried."""
    Room(9, 5, 0, 5, unload_first=True).require()
    problem = "not enough memory: the model needs at least 3.0 GB, 2.0 GB are free"
    with pytest.raises(EngineError, match=problem):
        Room(4_000_000_000, 3_000_000_000, 500_000_000, 2_000_000_000, unload_first=True).require()


def room_of(folder: Path, wanted: dict[Role, Wanted], limit_bytes: int | None = None) -> Room:
    """Return the room for *wanted* beside a daemon that has nothing loaded."""
    return measure_room(Settings(folder, folder / "models"), wanted, {}, limit_bytes)


def test_need_is_that_of_all_new_models_together(tmp_path: Path) -> None:
    """From their headers and sizes; there is no GPU to ask here, so all of it is the host's."""
    voice = Wanted("piper", write_piper(tmp_path / "low.onnx"))
    options = {"gpu_layers": "-1", "context": "512", "batch": "128"}
    thinking = Wanted("llama", write_gguf(tmp_path / "tiny.gguf"), options)
    both, one = (
        room_of(tmp_path, {"tts": voice, "llm": thinking}),
        room_of(tmp_path, {"tts": voice}),
    )
    assert 0 < one.least_bytes < one.needed_bytes < both.needed_bytes
    assert (False, one.free_bytes) == (one.unload_first, one.with_old_gone_bytes)


def test_limit_counts_what_the_daemon_has(tmp_path: Path) -> None:
    """Nothing is free beside it once it has as much as it may."""
    voice = Wanted("piper", write_piper(tmp_path / "low.onnx"))
    assert 0 == room_of(tmp_path, {"tts": voice}, 1).free_bytes
    more = room_of(tmp_path, {"tts": voice}, family_bytes() + 10_000_000)
    assert 0 < more.free_bytes <= 10_000_000


def test_need_that_is_not_known_is_left_to_the_load(tmp_path: Path) -> None:
    """A name of the hub, a file that is not there, or one that is none."""
    (tmp_path / "bad.gguf").write_bytes(b"GGUF")
    for path in (Path("small"), tmp_path / "none.gguf", tmp_path / "bad.gguf"):
        assert 0 == room_of(tmp_path, {"llm": Wanted("llama", path)}).needed_bytes


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
    assert before["tts"]["pid"] != after["tts"]["pid"]
    assert 1200 == hummed_hz(daemon)


def misnamed(models_dir: Path) -> str:
    """Write a model that is whole, and in which the engine looks for one part in vain."""
    whole = (models_dir / "llm/first.gguf").read_bytes()
    (models_dir / "llm/misnamed.gguf").write_bytes(whole.replace(b"ffn_down", b"ffn_dawn", 1))
    return "/app/models/llm/misnamed.gguf"


def test_old_model_comes_back_after_a_failure(start: Starter, models_dir: Path) -> None:
    """It had to go, and the new one did not load."""
    daemon = limited(start)
    before = daemon.status()
    reply = switch(daemon, llm_model_path=misnamed(models_dir))
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
    assert "error" == switch(daemon, llm_model_path=misnamed(models_dir))["status"]
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
    with (models_dir / "tts/huge.onnx").open("wb") as huge:
        huge.truncate(4 * psutil.virtual_memory().total)
    daemon = start()
    daemon.wait_until_loaded()
    before = daemon.status()["models"]
    reply = switch(daemon, tts_model_path="/app/models/tts/huge.onnx")
    (models_dir / "tts/huge.onnx").unlink()
    assert ("error", True) == (reply["status"], reply["message"].startswith("not enough memory"))
    assert (before, 400) == (daemon.status()["models"], hummed_hz(daemon))


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

"""Switches and reloads: all or nothing, and never in the way of others."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from tests.engine_models import answered, heard, hummed_hz, switch
from tests.serve.sounds import encoded, tone
from tests.tiny_models import write_gguf, write_piper

if TYPE_CHECKING:
    from pathlib import Path

    from tests.daemon_fixture import RunningDaemon
    from tests.serve.conftest import Starter

LOW_HZ, HIGH_HZ = 400, 1200


def pids(daemon: RunningDaemon) -> dict[str, int]:
    """Return the process of each model."""
    return {role: each["pid"] for role, each in daemon.status()["models"].items()}


def test_switch_changes_all_three_models(daemon: RunningDaemon) -> None:
    """One request may change every role; the new models answer and the status says so."""
    reply = switch(
        daemon,
        stt_backend="whisper_cpp",
        stt_model_path="/app/models/stt/ggml-goodbye.bin",
        tts_backend="piper",
        tts_model_path="/app/models/tts/high.onnx",
        llm_model_path="/app/models/llm/second.gguf",
    )
    changed = ["stt_model_path=ggml-goodbye.bin", "tts_model_path=high.onnx"]
    assert ("success", "s1") == (reply["status"], reply["request_id"])
    assert {*changed, "llm_model_path=second.gguf"} == set(reply["changed"])
    assert ("goodbye", HIGH_HZ, "good day") == (heard(daemon), hummed_hz(daemon), answered(daemon))
    assert daemon.status()["models"]["tts"]["path"] == "/app/models/tts/high.onnx"


def test_switch_loads_only_what_changes(daemon: RunningDaemon) -> None:
    """The other models keep their processes; the replaced one is gone."""
    before = pids(daemon)
    switch(daemon, tts_model_path="/app/models/tts/high.onnx")
    after = pids(daemon)
    assert {"tts"} == {role for role in before if before[role] != after[role]}
    with pytest.raises(ProcessLookupError):
        os.kill(before["tts"], 0)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"unheard_of": 1},
        {"tts_backend": "piper", "tts_model_path": "/app/models/tts/low.onnx"},
        {"llm_config": {"context": 512}},
        {"stt_config": "not an object"},
    ],
)
def test_same_values_change_nothing(shared: RunningDaemon, fields: dict[str, Any]) -> None:
    """A switch to what already runs loads nothing."""
    before = pids(shared)
    assert switch(shared, **fields)["status"] == "no_change"
    assert before == pids(shared)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"stt_model_path": "/app/models/stt/ggml-half.bin"}, "not all tensors loaded"),
        ({"stt_model_path": "/app/models/stt/ggml-garbage.bin"}, "bad magic"),
        ({"stt_model_path": "/app/models/stt"}, "is not a file"),
        ({"stt_model_path": "/app/models/stt/none.bin"}, "no model at"),
        ({"stt_backend": "tone"}, "the engine `tone` is not installed here"),
        ({"stt_backend": "nope"}, "no stt backend named `nope`"),
        ({"stt_backend": "piper"}, "no stt backend named `piper`"),
        ({"stt_model_path": ["a"]}, "`stt_model_path` must be text"),
        ({"stt_model_path": "a\nb"}, "`stt_model_path` must be text"),
        ({"tts_model_path": "/app/models/tts/half.onnx"}, "Protobuf parsing failed"),
        (
            {"llm_model_path": "/app/models/llm/incomplete.gguf"},
            "'blk.0.ffn_down.weight' not found",
        ),
        ({"llm_model_path": "/app/models/llm/half.gguf"}, "not within the file bounds"),
        ({"llm_config": {"context": "abc"}}, "`LOCAL_LLM_CONTEXT` must be a whole number from 16"),
        ({"llm_config": {"temperature": "hot"}}, "`LOCAL_LLM_TEMPERATURE` must be a number"),
        ({"llm_config": {"chat_format": "nope"}}, "no chat format named `nope`"),
        ({"tts_model_path": "/app/models/tts/high.onnx", "dry_run": "false"}, "`dry_run` must be"),
    ],
)
def test_failed_switch_changes_nothing(
    shared: RunningDaemon, fields: dict[str, Any], reason: str
) -> None:
    """The reply says why; configuration, processes and answers are the old ones."""
    before, processes = shared.status()["models"], pids(shared)
    reply = switch(shared, **fields)
    assert ("error", "s1", []) == (reply["status"], reply["request_id"], reply["changed"])
    assert reason in reply["message"]
    assert (before, processes) == (shared.status()["models"], pids(shared))
    assert ("hello world", LOW_HZ, "hi there") == (
        heard(shared),
        hummed_hz(shared),
        answered(shared),
    )
    assert shared.status()["config"]["startup_errors"] == {}


def test_switch_of_two_roles_fails_as_one(shared: RunningDaemon) -> None:
    """A good model is not put in place when the other one of the request fails."""
    good = {"tts_model_path": "/app/models/tts/high.onnx"}
    reply = switch(shared, **good, stt_model_path="/app/models/stt/ggml-half.bin")
    assert reply["status"] == "error"
    reply = switch(shared, **good, llm_model_path="/app/models/llm/incomplete.gguf")
    assert ("error", LOW_HZ) == (reply["status"], hummed_hz(shared))


def test_dry_run_is_dry(shared: RunningDaemon) -> None:
    """It says what would change and whether it could, and changes nothing."""
    before, processes = shared.status()["models"], pids(shared)
    good = switch(shared, tts_model_path="/app/models/tts/high.onnx", dry_run=True)
    bad = switch(shared, tts_model_path="dry/nope.onnx", dry_run=True)
    assert ("success", ["tts_model_path=high.onnx"]) == (good["status"], good["changed"])
    assert good["message"].endswith("(dry_run)")
    missing = shared.log.parent / "dry/nope.onnx"
    assert ("error", f"no model at `{missing}`") == (bad["status"], bad["message"])
    broken = switch(shared, tts_model_path="/app/models/tts/half.onnx", dry_run=True)
    assert ("error", []) == (broken["status"], broken["changed"])
    assert (before, processes) == (shared.status()["models"], pids(shared))
    assert {*pids(shared).values()} == {each.pid for each in psutil.Process(shared.pid).children()}
    assert hummed_hz(shared) == LOW_HZ


def test_model_may_be_configured(daemon: RunningDaemon) -> None:
    """The settings of the language model reach the engine; sampling needs no reload."""
    before = pids(daemon)
    sampled = switch(daemon, llm_config={"max_tokens": 1, "temperature": 0.0})
    assert ("success", "hi") == (sampled["status"], answered(daemon))
    assert before == pids(daemon)
    for template in ("chatml", "auto"):
        loaded = switch(daemon, llm_config={"context": 256, "chat_format": template})
        assert ("success", "hi") == (loaded["status"], answered(daemon))
    assert daemon.status()["models"]["llm"]["config"]["context"] == 256
    assert before["llm"] != pids(daemon)["llm"]


def test_runtime_settings_need_no_reload(daemon: RunningDaemon) -> None:
    """Flags of the runtime change at once."""
    reply = switch(daemon, runtime_config={"enable_filler_audio": True})
    assert ("success", ["enable_filler_audio=1"]) == (reply["status"], reply["changed"])
    assert daemon.status()["config"]["enable_filler_audio"] is True


def test_specific_fields_change_their_engine(daemon: RunningDaemon) -> None:
    """An engine's own field changes that engine, in use or not."""
    before = pids(daemon)
    switch(daemon, sherpa_model_path="/app/models/stt/other")
    assert before == pids(daemon)
    switch(daemon, stt_config={"whisper_cpp_model_path": "/app/models/stt/ggml-goodbye.bin"})
    switch(daemon, whisper_cpp_language="auto")
    assert ("goodbye", "auto") == (heard(daemon), daemon.status()["models"]["stt"]["language"])


def test_backend_that_is_not_loaded_can_be_tried_again(start: Starter, models_dir: Path) -> None:
    """A switch to what failed at the start loads it once the file is there."""
    late = models_dir / "llm" / "late.gguf"
    daemon = start(LOCAL_LLM_MODEL_PATH="/app/models/llm/late.gguf")
    daemon.wait_until_loaded()
    unloaded = daemon.ask({"type": "llm_request", "text": "hello"})
    write_gguf(late, "better late")
    reply = switch(daemon, llm_model_path="/app/models/llm/late.gguf")
    late.unlink()
    assert f"no model at `{late}`" == unloaded["error"]
    assert ("success", "better late") == (reply["status"], answered(daemon))


def test_start_with_bad_models_is_degraded_not_dead(start: Starter) -> None:
    """Every slot tells its reason, and every request is answered in its own way."""
    daemon = start(
        WHISPER_CPP_MODEL_PATH="/app/models/stt/ggml-half.bin",
        LOCAL_TTS_BACKEND="nope",
        LOCAL_LLM_MODEL_PATH="/app/models/llm/half.gguf",
    )
    config = daemon.wait_until_loaded()["config"]
    assert ({"stt", "tts", "llm"}, True) == (set(config["startup_errors"]), config["degraded"])
    assert "not all tensors loaded" in config["startup_errors"]["stt"]
    assert "no tts backend named `nope`" in config["startup_errors"]["tts"]
    heard = daemon.ask({"type": "audio", "mode": "full", "data": encoded(tone(1500))})
    assert ("", "stt_unavailable", True) == (heard["text"], heard["error"], heard["is_final"])
    spoken = daemon.ask({"type": "tts_request", "text": "hello"})
    assert ("", 0) == (spoken["audio_data"], spoken["byte_length"])
    assert "error" in spoken
    reply = switch(daemon, tts_backend="piper", tts_model_path="/app/models/tts/high.onnx")
    assert ("success", HIGH_HZ) == (reply["status"], hummed_hz(daemon))
    assert {"stt", "llm"} == set(daemon.status()["config"]["startup_errors"])


def test_nothing_selected_is_no_error(start: Starter) -> None:
    """A project without models runs a daemon that has none; a switch gives it one."""
    daemon = start(
        LOCAL_STT_BACKEND="",
        WHISPER_CPP_MODEL_PATH="",
        LOCAL_TTS_BACKEND="",
        LOCAL_TTS_MODEL_PATH="",
        LOCAL_LLM_MODEL_PATH="",
    )
    status = daemon.wait_until_loaded()
    assert (False, False) == (status["config"]["degraded"], status["models"]["stt"]["loaded"])
    assert daemon.ask({"type": "llm_request", "text": "x"})["error"] == "no model is loaded"
    assert daemon.ask({"type": "reload_models"})["status"] == "success"
    assert switch(daemon, tts_model_path="/app/models/tts/high.onnx")["status"] == "success"
    assert hummed_hz(daemon) == HIGH_HZ


def test_minimal_mode_loads_no_language_model(start: Starter) -> None:
    """Its settings are kept, but only `reload_llm` loads it."""
    daemon = start(LOCAL_AI_MODE="minimal")
    assert daemon.wait_until_loaded()["models"]["llm"]["loaded"] is False
    switch(daemon, llm_model_path="/app/models/llm/second.gguf")
    llm = daemon.status()["models"]["llm"]
    assert (False, "second.gguf") == (llm["loaded"], llm["display"])
    assert daemon.ask({"type": "reload_llm"})["status"] == "success"
    assert (True, "good day") == (daemon.status()["models"]["llm"]["loaded"], answered(daemon))


def test_reload_starts_every_model_anew(daemon: RunningDaemon) -> None:
    """Each model gets a new process and answers as before."""
    before = pids(daemon)
    reply = daemon.ask({"type": "reload_models"})
    after = pids(daemon)
    assert reply["status"] == "success"
    assert not {before[role] for role in before} & {after[role] for role in after}
    assert ("hello world", LOW_HZ, "hi there") == (
        heard(daemon),
        hummed_hz(daemon),
        answered(daemon),
    )


def test_reload_llm_may_name_another_model(daemon: RunningDaemon) -> None:
    """A model that does not load leaves the old one in place, and the reply says so."""
    good = {"type": "reload_llm", "llm_model_path": "/app/models/llm/second.gguf"}
    bad = {"type": "reload_llm", "model_path": "/app/models/llm/incomplete.gguf"}
    assert [daemon.ask(each)["status"] for each in (good, bad)] == ["success", "error"]
    assert answered(daemon) == "good day"
    assert daemon.status()["models"]["llm"]["display"] == "second.gguf"


@pytest.mark.parametrize(
    "path",
    [
        *("/app/models/../../etc/passwd", "/etc/passwd", "../x.gguf", "/", "/app/models-old/x"),
        "/app/models/llm/../llm/second.gguf",
    ],
)
def test_path_that_leads_elsewhere_is_refused(shared: RunningDaemon, path: str) -> None:
    """Whoever may ask for a switch may not have any file of the host opened."""
    problem = f"leads out of the models folder and the project: `{path}`"
    for request in (
        {"type": "switch_model", "llm_model_path": path},
        {"type": "switch_model", "llm_config": {"model_path": path}, "dry_run": True},
        {"type": "switch_model", "stt_config": {"tone_kenlm_path": path}},
        {"type": "reload_llm", "llm_model_path": path},
    ):
        reply = shared.ask(request)
        assert ("error", True) == (reply["status"], reply["message"].endswith(problem))


def test_path_that_env_names_is_trusted(start: Starter, tmp_path: Path) -> None:
    """Who writes `.env` owns the host; a switch away can be undone."""
    named = str(write_gguf(tmp_path / "elsewhere/own.gguf", "from afar"))
    daemon = start(LOCAL_LLM_MODEL_PATH=named)
    daemon.wait_until_loaded()
    inside = "/app/models/llm/second.gguf"
    replies = [switch(daemon, llm_model_path=path)["status"] for path in (inside, named)]
    assert (["success", "success"], "from afar") == (replies, answered(daemon))


def slow_voice(folder: Path) -> tuple[Path, bytes]:
    """Return a voice that loads only once its description is written to it."""
    voice = write_piper(folder / "slow.onnx", HIGH_HZ)
    described = voice.with_name("slow.onnx.json")
    description = described.read_bytes()
    described.unlink()
    os.mkfifo(described)
    return described, description


def test_loading_is_in_nobodys_way(daemon: RunningDaemon) -> None:
    """While a model loads, others get their answers, from the old model."""
    described, description = slow_voice(daemon.log.parent)
    with daemon.connect() as client:
        client.send({"type": "switch_model", "tts_model_path": "slow.onnx"})
        status = daemon.wait_until(lambda status: bool(status["loading"]))
        assert ["tts"] == status["loading"]
        assert "/app/models/tts/low.onnx" == status["models"]["tts"]["path"]
        assert (LOW_HZ, "hi there") == (hummed_hz(daemon), answered(daemon))
        described.write_bytes(description)
        assert client.receive()["status"] == "success"
    assert hummed_hz(daemon) == HIGH_HZ
    assert daemon.status()["loading"] == []


def test_switches_wait_for_each_other(daemon: RunningDaemon) -> None:
    """Of two switches the later one starts when the earlier one is done, and wins."""
    described, description = slow_voice(daemon.log.parent)
    with daemon.connect() as first, daemon.connect() as second:
        first.send({"type": "switch_model", "tts_model_path": "slow.onnx"})
        daemon.wait_until(lambda status: bool(status["loading"]))
        last = {"type": "switch_model", "tts_model_path": "/app/models/tts/low.onnx"}
        second.send(last)
        described.write_bytes(description)
        assert ("success", "success") == (first.receive()["status"], second.receive()["status"])
    assert hummed_hz(daemon) == LOW_HZ


def test_client_that_leaves_does_not_want_its_model(daemon: RunningDaemon) -> None:
    """A load that nobody waits for is given up; the next switch finds the old models."""
    described, description = slow_voice(daemon.log.parent)
    with daemon.connect() as client:
        client.send({"type": "switch_model", "tts_model_path": "slow.onnx"})
        daemon.wait_until(lambda status: bool(status["loading"]))
    status = daemon.wait_until(lambda status: not status["loading"])
    assert "/app/models/tts/low.onnx" == status["models"]["tts"]["path"]
    # A thread may still be looking at the file.
    with contextlib.suppress(OSError):
        writing = os.open(described, os.O_WRONLY | os.O_NONBLOCK)
        os.write(writing, description)
        os.close(writing)
    assert LOW_HZ == hummed_hz(daemon)


def test_port_answers_while_models_load(start: Starter, tmp_path: Path) -> None:
    """The daemon accepts connections before its models are there, and says what is missing."""
    described, description = slow_voice(tmp_path)
    daemon = start(LOCAL_TTS_MODEL_PATH=str(tmp_path / "slow.onnx"))
    status = daemon.wait_until(lambda status: status["loading"] == ["tts"])
    spoken = daemon.ask({"type": "tts_request", "text": "hello"})
    described.write_bytes(description)
    assert {} == status["config"]["startup_errors"]
    assert "the model is still being loaded" == spoken["error"]
    assert daemon.wait_until_loaded()["models"]["tts"]["loaded"] is True

"""Every engine that installs from a wheel, in the daemon: models that work, models that do not."""

from __future__ import annotations

import base64
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from aava_cli.serve.engines.sherpa_voice import sounds_in
from tests.daemon_fixture import RunningDaemon, start_daemon, write_env
from tests.engine_models import (
    KOKORO_HZ,
    KOKORO_VOICES,
    MATCHA_HZ,
    SELECTED,
    answered,
    heard,
    hummed_hz,
    switch,
    write_models,
)
from tests.serve.bad_models import BAD_SWITCHES, write_bad_models
from tests.serve.sounds import encoded, peak, tone
from tests.tiny_models import write_gguf

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models for every engine, good and bad."""
    models = write_models(tmp_path_factory.mktemp("models"))
    write_bad_models(models)
    return models


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Iterator[RunningDaemon]:
    """One daemon for all tests; each leaves it with the models it found."""
    project = tmp_path_factory.mktemp("project")
    write_env(project, SELECTED)
    running = start_daemon(project, folder)
    running.wait_until_loaded()
    yield running
    running.stop()


FAST_PATH = "/app/models/stt/faster-whisper-tiny"
FAST = {"stt_backend": "faster_whisper", "stt_config": {"model": FAST_PATH}}
DETECTOR = {"sherpa_vad_model_path": "/app/models/vad/silero_vad.onnx"}


def _vosk(name: str) -> dict[str, Any]:
    return {"stt_backend": "vosk", "stt_model_path": f"/app/models/stt/{name}"}


def _sherpa(kind: str, **others: str) -> dict[str, Any]:
    path = f"/app/models/stt/sherpa-{kind}"
    return {"stt_backend": "sherpa", "stt_model_path": path, "sherpa_model_type": kind, **others}


def _back(daemon: RunningDaemon) -> dict[str, Any]:
    """Return the reply to a switch back to what the daemon began with."""
    return switch(
        daemon,
        stt_backend="whisper_cpp",
        tts_backend="piper",
        llm_config={"context": 512, "gpu_layers": 0},
    )


@pytest.mark.parametrize(
    ("request_fields", "words", "described"),
    [
        (_vosk("vosk-model-hello"), {"hello"}, {}),
        (_vosk("vosk-model-packed"), {"inside"}, {}),
        (_sherpa("online"), {"while", "you", "speak"}, {"sherpa_model_type": "online"}),
        (_sherpa("offline"), {"when", "you", "stop"}, {"sherpa_model_type": "offline"}),
        (_sherpa("offline", **DETECTOR), {"when", "you", "stop"}, {}),
        (FAST, {"fast", "enough"}, {"language": "en", "path": FAST_PATH, "device": "cpu"}),
    ],
)
def test_ear_hears(
    loaded: RunningDaemon,
    request_fields: dict[str, Any],
    words: set[str],
    described: dict[str, str],
) -> None:
    """The request that clients of the original send; a fresh status; and what is heard."""
    reply = switch(loaded, **request_fields)
    assert ("success", "s1") == (reply["status"], reply["request_id"])
    status = loaded.status()
    model = status["models"]["stt"]
    assert request_fields["stt_backend"] == status["stt_backend"] == model["backend"]
    assert (True, {}) == (model["loaded"], status["config"]["startup_errors"])
    assert described == {name: model[name] for name in described}
    assert words == set(heard(loaded).split())
    assert "success" == _back(loaded)["status"]
    assert "first" == heard(loaded)


def test_detector_keeps_silence_from_the_ear(loaded: RunningDaemon) -> None:
    """With a detector, nothing is heard in what it takes for silence; without, anything is."""
    quiet = {"type": "audio", "mode": "stt", "data": encoded(tone(1500, level=1500))}
    switch(loaded, **_sherpa("offline", **DETECTOR))
    with_detector = loaded.ask(quiet)["text"]
    switch(loaded, sherpa_vad_model_path="")
    without = loaded.ask(quiet)["text"]
    _back(loaded)
    assert ("", "when you stop") == (with_detector, without)


@pytest.mark.parametrize(
    ("request_fields", "hz"),
    [
        (
            {
                "tts_backend": "matcha",
                "matcha_model_path": "/app/models/tts/matcha-icefall-tiny/model-steps-3.onnx",
                "matcha_vocoder_path": "/app/models/tts/matcha-icefall-tiny/vocoder.onnx",
            },
            MATCHA_HZ,
        ),
        (
            {
                "tts_backend": "kokoro",
                "kokoro_mode": "local",
                "kokoro_model_path": "/app/models/tts/kokoro",
                "kokoro_voice": "am_adam",
            },
            KOKORO_HZ,
        ),
    ],
)
def test_voice_speaks(loaded: RunningDaemon, request_fields: dict[str, Any], hz: int) -> None:
    """The request that clients of the original send; a fresh status; and what is said."""
    assert "success" == switch(loaded, **request_fields)["status"]
    status = loaded.status()
    model = status["models"]["tts"]
    assert request_fields["tts_backend"] == status["tts_backend"] == model["backend"]
    assert (True, {}) == (model["loaded"], status["config"]["startup_errors"])
    assert hz == hummed_hz(loaded)
    assert "success" == _back(loaded)["status"]
    assert 400 == hummed_hz(loaded)


def test_kokoro_has_the_voice_that_was_asked_for(loaded: RunningDaemon) -> None:
    """Another voice of the same model is another speaker; the status names it."""
    kokoro = {"tts_backend": "kokoro", "kokoro_model_path": "/app/models/tts/kokoro"}
    loudness = {}
    for voice in KOKORO_VOICES:
        switch(loaded, **kokoro, tts_config={"voice": voice})
        assert voice == loaded.status()["kokoro"]["voice"]
        spoken = loaded.ask({"type": "tts_request", "text": "hello", "encoding": "pcm16"})
        loudness[voice] = peak(base64.b64decode(spoken["audio_data"]))
    _back(loaded)
    assert KOKORO_VOICES == pytest.approx(loudness, abs=0.02)


def test_status_says_what_runs_and_not_what_was_asked_for(loaded: RunningDaemon) -> None:
    """Without a GPU the ear is on the processor, with numbers that it can compute with."""
    asked = {"model": FAST_PATH, "device": "cuda", "compute_type": "float16"}
    switch(loaded, stt_backend="faster_whisper", stt_config=asked)
    status = loaded.status()
    _back(loaded)
    model, fallbacks = status["models"]["stt"], status["config"]["runtime_fallbacks"]
    assert ("cpu", "int8_float32") == (model["device"], model["compute_type"])
    assert {"stt"} == set(fallbacks)
    assert "no device `cuda` is usable" in fallbacks["stt"]
    assert "`cpu` cannot compute with `float16`" in fallbacks["stt"]
    after = loaded.status()
    assert (None, {}) == (after["models"]["stt"]["device"], after["config"]["runtime_fallbacks"])


@pytest.mark.parametrize(("asked", "effective"), [(256, 256), (2_000_000, 2048)])
def test_context_is_no_longer_than_the_model_was_trained_for(
    loaded: RunningDaemon, asked: int, effective: int
) -> None:
    """What was asked for stays in the status, beside what the engine made of it."""
    assert "success" == switch(loaded, llm_config={"context": asked, "gpu_layers": 9})["status"]
    config = loaded.status()["models"]["llm"]["config"]
    assert "hi there" == answered(loaded)
    _back(loaded)
    assert (asked, effective) == (config["context"], config["context_effective"])
    assert (9, 0) == (config["gpu_layers_configured"], config["gpu_layers_effective"])
    assert config["threads"] == config["threads_effective"]


def test_threads_are_as_many_as_asked_for(loaded: RunningDaemon) -> None:
    """The engine itself says how many it started."""
    before = loaded.status()["models"]["llm"]["config"]["threads"]
    switch(loaded, llm_config={"threads": 1})
    config = loaded.status()["models"]["llm"]["config"]
    switch(loaded, llm_config={"threads": before})
    assert (1, 1) == (config["threads"], config["threads_effective"])


def test_language_model_keeps_to_its_own_template(loaded: RunningDaemon, folder: Path) -> None:
    """What the GGUF says of conversations is followed, unless another template is chosen."""
    refusing = "{{ raise_exception('only I know how to talk') }}"
    write_gguf(folder / "llm/particular.gguf", "as you wish", template=refusing)
    path = "/app/models/llm/particular.gguf"
    own = switch(loaded, llm_config={"model_path": path})
    chosen = switch(loaded, llm_config={"model_path": path, "chat_format": "chatml"})
    said = answered(loaded)
    switch(loaded, llm_config={"model_path": "/app/models/llm/first.gguf", "chat_format": ""})
    assert ("error", "success", "as you wish") == (own["status"], chosen["status"], said)
    assert "chat template parsing error" in own["message"]


@pytest.mark.parametrize(("request_fields", "fault"), BAD_SWITCHES)
def test_bad_model_is_refused_and_the_old_one_answers(
    loaded: RunningDaemon, request_fields: dict[str, Any], fault: str
) -> None:
    """Whatever the file does to its engine, the daemon lives, and the reply names the fault."""
    before = loaded.status()["models"]
    reply = switch(loaded, **request_fields)
    assert ("error", []) == (reply["status"], reply["changed"])
    assert fault in reply["message"]
    assert reply["message"].isprintable()
    after = loaded.status()
    assert (before, {}) == (after["models"], after["config"]["startup_errors"])
    assert ("first", 400, "hi there") == (heard(loaded), hummed_hz(loaded), answered(loaded))


def test_name_means_a_model_in_the_cache_of_the_hub(folder: Path, tmp_path: Path) -> None:
    """Nothing is fetched: what the hub's own tools put there is loaded."""
    repository = tmp_path / "hub/models--Systran--faster-whisper-tiny"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs/main").write_text("0123abc")
    shutil.copytree(folder / "stt/faster-whisper-tiny", repository / "snapshots/0123abc")
    project = tmp_path / "project"
    fast = {"LOCAL_STT_BACKEND": "faster_whisper", "FASTER_WHISPER_MODEL": "tiny"}
    write_env(project, {**SELECTED, **fast, "FASTER_WHISPER_LANGUAGE": "auto"})
    daemon = start_daemon(project, folder, environ={"HF_HOME": str(tmp_path)})
    try:
        daemon.wait_until_loaded()
        assert ("fast enough", "tiny") == (heard(daemon), daemon.status()["models"]["stt"]["path"])
    finally:
        daemon.stop()


def test_voice_takes_what_it_finds_of_how_words_sound(tmp_path: Path) -> None:
    """Data of espeak, lexicons, or both; of two kinds of English the American one."""
    names = ("lexicon-gb-en.txt", "lexicon-us-en.txt", "lexicon-zh.txt")
    for name in names:
        (tmp_path / name).touch()
    lexicons = f"{tmp_path / names[1]},{tmp_path / names[2]}"
    assert {"lexicon": lexicons} == sounds_in(tmp_path)
    (tmp_path / "phontab").touch()
    assert {"lexicon": lexicons, "data_dir": str(tmp_path)} == sounds_in(tmp_path)

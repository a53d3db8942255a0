"""Every request that changes nothing, against a daemon with real engines."""

from __future__ import annotations

import base64
import socket
from typing import TYPE_CHECKING, Any

import pytest

from aava_cli import __version__
from tests.serve.sounds import encoded, from_mulaw, loudest_hz, silence, tone

if TYPE_CHECKING:
    from tests.daemon_fixture import RunningDaemon

RECORDING = {"type": "audio", "rate": 16_000, "request_id": "r1", "call_id": "c1"}


def test_status_has_every_field_of_the_original(shared: RunningDaemon) -> None:
    """Programs that read the original's status can read ours."""
    status = shared.status()
    expected = {
        *("type", "status", "stt_backend", "tts_backend", "models", "kroko", "kokoro", "silero"),
        *("gpu", "config", "version", "pid", "uptime_s", "active_sessions", "loading"),
        *("state", "load_progress", "memory", "last_errors"),
    }
    assert expected == set(status)
    assert {
        *("log_level", "debug_audio", "enable_filler_audio", "llm_streaming_tts_overlap"),
        *("mock_models", "runtime_mode", "tool_gateway_enabled", "degraded", "startup_errors"),
        "runtime_fallbacks",
    } == set(status["config"])
    assert {
        *("context", "threads", "batch", "max_tokens", "temperature", "top_p"),
        *("repeat_penalty", "gpu_layers", "gpu_layers_configured", "gpu_layers_effective"),
        *("context_effective", "threads_effective"),
    } == set(status["models"]["llm"]["config"])


def test_status_tells_what_runs(shared: RunningDaemon) -> None:
    """Paths are those of `.env`; version and process are ours."""
    status = shared.status()
    models = status["models"]
    assert (__version__, shared.pid) == (status["version"], status["pid"])
    assert [models[role]["loaded"] for role in ("stt", "llm", "tts")] == [True] * 3
    assert models["stt"]["path"] == "/app/models/stt/ggml-hello.bin"
    assert models["stt"]["language"] == "en"
    assert models["tts"]["display"] == "low.onnx"
    assert models["llm"]["config"]["context"] == 512
    assert (status["config"]["degraded"], status["config"]["startup_errors"]) == (False, {})


def test_only_connections_that_carry_a_call_are_active(shared: RunningDaemon) -> None:
    """Asking for the status is not a call."""
    with shared.connect() as call:
        assert shared.status()["active_sessions"] == 0
        call.ask({"type": "set_mode", "mode": "stt"})
        assert shared.status()["active_sessions"] == 1


def test_capabilities_are_engines_with_their_packages(shared: RunningDaemon) -> None:
    """What has no engine here is false; what is installed is true."""
    found = shared.ask({"type": "capabilities"})["capabilities"]
    without = {"kroko_embedded", "tone", "melotts", "silero"}
    assert without == {name for name, there in found.items() if not there}
    assert len(found) == 12


def test_type_is_normalised(shared: RunningDaemon) -> None:
    """Case and dashes of a request's type do not matter."""
    with shared.connect() as client:
        kinds = [client.ask({"type": kind})["type"] for kind in (" Status", "AUTH", "barge-in")]
    assert kinds == ["status_response", "auth_response", "barge_in_ack"]


def test_backends_list_their_settings(shared: RunningDaemon) -> None:
    """Each role has its engines, each with a schema and whether it is there."""
    reply = shared.ask({"type": "backends"})
    llm = reply["llm"]
    assert [(each["name"], each["available"]) for each in llm] == [("llama_cpp", True)]
    assert "model_path" in llm[0]["schema"]
    assert {"vosk", "whisper_cpp"} <= {each["name"] for each in reply["stt"]}


def test_schema_of_one_backend(shared: RunningDaemon) -> None:
    """The schema names the setting that holds the model."""
    asked = {"type": "backend_schema", "backend_type": "stt", "backend_name": "tone"}
    reply = shared.ask(asked)
    assert (reply["backend_name"], reply["available"]) == ("tone", False)
    assert reply["schema"]["model_path"]["required"] is True


@pytest.mark.parametrize(
    ("role", "name", "error"),
    [
        ("xxx", "vosk", "Unknown backend type: xxx"),
        ("stt", "nope", "Unknown backend: nope"),
    ],
)
def test_unknown_schema_is_an_error(
    shared: RunningDaemon, role: str, name: str, error: str
) -> None:
    """An unknown role or engine is named."""
    asked = {"type": "backend_schema", "backend_type": role, "backend_name": name}
    assert {"type": "backend_schema_response", "error": error} == shared.ask(asked)


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[1]", "expected an object with a `type`"),
        ("null", "expected an object with a `type`"),
        ("", "not JSON"),
        ('{"type": ""}', "expected an object with a `type`"),
        ('{"type": "sing"}', "no request named `sing`"),
        ('{"type": "status", "x": NaN}', "not JSON"),
        ('{"type": "audio", "data": "***"}', "`data` must be base64"),
        ('{"type": "audio", "data": "", "mode": "x"}', "no mode named `x`"),
        (
            '{"type": "audio", "data": "", "rate": true}',
            "`rate` must be a whole number from 4000 to 96000",
        ),
        (
            '{"type": "set_mode", "segment_silence_ms": 1}',
            "`segment_silence_ms` must be a whole number from 20 to 10000",
        ),
    ],
)
def test_what_cannot_be_understood_gets_an_error(
    shared: RunningDaemon, raw: str, problem: str
) -> None:
    """The connection stays open, and the next request is answered."""
    with shared.connect() as client:
        assert {"type": "error", "message": problem} == client.ask(raw)
        assert client.ask({"type": "status"})["status"] == "ok"


def test_set_mode_answers_with_what_holds(shared: RunningDaemon) -> None:
    """An unknown mode changes nothing; the rest is taken."""
    with shared.connect() as client:
        first = client.ask({"type": "set_mode", "mode": "stt", "call_id": "c7"})
        second = client.ask(
            {"type": "set_mode", "mode": "dance", "segment_silence_ms": 300}
            | {"output_encoding": "linear16", "output_sample_rate_hz": 16_000}
        )
    assert (first["mode"], first["call_id"], first["segment_silence_ms"]) == ("stt", "c7", 500)
    assert (second["mode"], second["call_id"], second["segment_silence_ms"]) == ("stt", "c7", 300)
    assert (second["output_encoding"], second["output_sample_rate_hz"]) == ("linear16", 16_000)


def test_tts_is_mulaw_at_8_khz(shared: RunningDaemon) -> None:
    """Without a wish, speech is what a telephone line carries."""
    asked = {"type": "tts_request", "text": "hello there", "call_id": "c1", "request_id": 7}
    reply = shared.ask(asked)
    audio = base64.b64decode(reply["audio_data"])
    assert (*(reply["type"], reply["text"], reply["call_id"], reply["request_id"]),) == (
        "tts_response",
        "hello there",
        "c1",
        7,
    )
    assert ("mulaw", 8000, len(audio)) == (
        *(reply["encoding"], reply["sample_rate_hz"], reply["byte_length"]),
    )
    assert loudest_hz(from_mulaw(audio), 8000) == 400


@pytest.mark.parametrize(
    ("wish", "rate_hz"),
    [
        ({"encoding": "linear16"}, 16_000),
        ({"encoding": "pcm16", "sample_rate_hz": 8000}, 8000),
        ({"output_encoding": "linear16", "output_sample_rate_hz": 24_000}, 24_000),
    ],
)
def test_tts_can_be_samples(shared: RunningDaemon, wish: dict[str, Any], rate_hz: int) -> None:
    """Samples come at the voice's own rate, or at the one asked for."""
    reply = shared.ask({"type": "tts_request", "text": "hello there", **wish})
    audio = base64.b64decode(reply["audio_data"])
    assert (rate_hz, 400) == (reply["sample_rate_hz"], loudest_hz(audio, rate_hz))


@pytest.mark.parametrize(
    ("wish", "problem"),
    [
        ({"encoding": "opus"}, "no encoding named `opus`; there are `mulaw`, `linear16`, `pcm16`"),
        ({"sample_rate_hz": 1}, "`sample_rate_hz` must be a whole number from 4000 to 96000"),
    ],
)
def test_impossible_speech_is_an_error(
    shared: RunningDaemon, wish: dict[str, Any], problem: str
) -> None:
    """The reply is of the usual type, empty, and says why."""
    reply = shared.ask({"type": "tts_request", "text": "hello", **wish})
    assert ("", 0, problem) == (reply["audio_data"], reply["byte_length"], reply["error"])


def test_llm_answers(shared: RunningDaemon) -> None:
    """A text gets the model's answer, with the ids of the request."""
    asked = {"type": "llm_request", "text": "hello", "call_id": "c1", "request_id": "r1"}
    expected = {"type": "llm_response", "text": "hi there", "mode": "llm"}
    assert expected | {"call_id": "c1", "request_id": "r1"} == shared.ask(asked)


def test_prompt_that_does_not_fit_is_an_error(shared: RunningDaemon) -> None:
    """The model says so, and goes on."""
    long = shared.ask({"type": "llm_request", "text": "word " * 1000})
    assert "exceeds the available context size" in long["error"]
    assert shared.ask({"type": "llm_request", "text": "x"})["text"] == "hi there"


def test_prompt_beyond_any_context_is_not_counted(shared: RunningDaemon) -> None:
    """It is refused at once: others would wait while its tokens are counted."""
    long = shared.ask({"type": "llm_request", "text": "word " * 100_000, "request_id": 1})
    problem = "the prompt exceeds the available context size: 500,058 characters were given, "
    assert (problem + "512 tokens have 4,096 at most", 1) == (long["error"], long["request_id"])


def test_recording_gets_one_final_result(shared: RunningDaemon) -> None:
    """However long a recording is and whatever pauses it has, its text comes whole."""
    speech = tone(1000) + silence(2000) + tone(1000)
    recording = (speech * 17)[: 32_000 * 65]
    with shared.connect() as client:
        reply = client.ask({**RECORDING, "mode": "stt", "data": encoded(recording)})
        following = client.ask({"type": "status"})
    expected = {"type": "stt_result", "text": "hello world " * 2 + "hello world"}
    expected |= {"call_id": "c1", "mode": "stt", "request_id": "r1"}
    assert expected | {"is_final": True, "is_partial": False, "confidence": None} == reply
    assert following["type"] == "status_response"


def test_recording_may_have_another_rate(shared: RunningDaemon) -> None:
    """What is not at 16 kHz is converted."""
    data = encoded(tone(1500, rate_hz=8000))
    asked = {"type": "audio", "rate": 8000, "mode": "stt", "data": data}
    assert shared.ask(asked)["text"] == "hello world"


def test_full_mode_hears_answers_and_speaks(shared: RunningDaemon) -> None:
    """One recording gets its text, the answer, and the answer's speech in one message."""
    with shared.connect() as client:
        heard = client.ask({**RECORDING, "data": encoded(tone(1000))})
        answered = client.receive()
        announced = client.receive()
        speech = client.receive_bytes()
    assert (heard["text"], answered["text"]) == ("hello world", "hi there")
    assert ("tts_audio", "r1", "mulaw", len(speech)) == (
        *(announced["type"], announced["request_id"], announced["encoding"]),
        announced["byte_length"],
    )


def test_llm_mode_does_not_speak(shared: RunningDaemon) -> None:
    """In mode `llm` the answer is the end."""
    with shared.connect() as client:
        client.ask({**RECORDING, "mode": "llm", "data": encoded(tone(1000))})
        assert client.receive()["text"] == "hi there"
        assert client.ask({"type": "status"})["type"] == "status_response"


def test_stream_is_cut_at_silence(shared: RunningDaemon) -> None:
    """Binary frames become one result for each utterance, without being asked."""
    stream = silence(300) + tone(600) + silence(700) + tone(600) + silence(700)
    with shared.connect() as client:
        client.ask({"type": "set_mode", "mode": "stt"})
        for start in range(0, len(stream), 640):
            client.send(stream[start : start + 640])
        texts = [client.receive()["text"] for _ in range(2)]
        following = client.ask({"type": "status"})
    assert texts == ["hello world", "hello world"]
    assert following["type"] == "status_response"


def test_stream_that_stops_is_heard_to_its_end(shared: RunningDaemon) -> None:
    """An utterance also ends when no more audio comes."""
    with shared.connect() as client:
        client.ask({"type": "set_mode", "mode": "stt"})
        client.send(tone(600))
        assert client.receive()["text"] == "hello world"


def test_stream_may_come_as_json(shared: RunningDaemon) -> None:
    """Short audio messages without an id are pieces of a stream, answered in full mode."""
    stream = tone(600) + silence(700)
    with shared.connect() as client:
        for start in range(0, len(stream), 6400):
            client.send({"type": "audio", "data": encoded(stream[start : start + 6400])})
        replies = [client.receive()["text"], client.receive()["text"]]
        speech = client.receive_bytes()
    assert replies == ["hello world", "hi there"]
    assert loudest_hz(from_mulaw(speech), 8000) == 400


def test_barge_in_is_acknowledged(shared: RunningDaemon) -> None:
    """The reply repeats the ids; answers in progress are dropped."""
    with shared.connect() as client:
        client.send({"type": "llm_request", "text": "hello"})
        client.send({"type": "barge_in", "call_id": "c1", "request_id": "b1"})
        replies = [client.receive()]
        if replies[0]["type"] == "llm_response":
            replies.append(client.receive())
        assert client.ask({"type": "llm_request", "text": "hello"})["text"] == "hi there"
    expected = {"type": "barge_in_ack", "status": "ok", "call_id": "c1", "request_id": "b1"}
    assert expected == replies[-1]


def test_session_may_have_its_own_prompt(shared: RunningDaemon) -> None:
    """A switch of scope `session` changes this connection and nothing else."""
    asked = {"type": "switch_model", "scope": "session", "call_id": "c1"}
    with shared.connect() as client:
        done = client.ask(asked | {"llm_config": {"system_prompt": "word " * 1000}})
        refused = client.ask(asked)
        answer = client.ask({"type": "llm_request", "text": "hello"})
    assert (done["status"], done["changed"]) == ("success", ["system_prompt"])
    assert refused["status"] == "error"
    assert "exceeds the available context size" in answer["error"]
    assert shared.ask({"type": "llm_request", "text": "hello"})["text"] == "hi there"


def test_client_that_leaves_is_no_error(shared: RunningDaemon) -> None:
    """Whoever goes without waiting for replies is no bug of the daemon."""
    for request in ({"type": "llm_request", "text": "x"}, {"type": "status"}):
        with shared.connect() as client:
            for _ in range(20):
                client.send(request)
            client.connection.socket.shutdown(socket.SHUT_RDWR)
    assert shared.status()["status"] == "ok"
    assert "Traceback" not in shared.log.read_text("utf-8")

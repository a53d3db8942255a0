"""Whatever goes wrong, whoever asked gets the reply that it waits for, with its own id."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tests.serve.processes import model_pid, stopped
from tests.serve.sounds import encoded, tone

if TYPE_CHECKING:
    from tests.daemon_fixture import RunningDaemon
    from tests.serve.conftest import Starter

FAILURES: tuple[tuple[dict[str, Any], str, str], ...] = (
    ({"type": "switch_model", "tts_model_path": f"/app/models/{'a' * 300}"}, "message", "too long"),
    ({"type": "switch_model", "tts_model_path": "/app/models/\ud800"}, "message", "must be text"),
    ({"type": "switch_model", "llm_config": {"max_tokens": "1" * 5000}}, "message", "MAX_TOKENS"),
    ({"type": "switch_model", "llm_config": {"temperature": 1e300}}, "message", "from 0 to 2"),
    ({"type": "switch_model", "local_llm_infer_timeout_sec": 0}, "message", "INFER_TIMEOUT"),
    ({"type": "switch_model", "local_stt_segment_preroll_ms": 10**26}, "message", "from 0 to 5000"),
    ({"type": "switch_model", "tts_model_path": ""}, "message", "must name a model"),
    ({"type": "switch_model", "scope": "session", "call_id": 5}, "message", "`call_id` must be"),
    ({"type": "switch_model", "scope": "session", "dry_run": 1}, "message", "`dry_run` must be"),
    ({"type": "reload_llm", "llm_model_path": 7}, "message", "`llm_model_path` must be text"),
    ({"type": "reload_llm", "llm_model_path": "/app/models/llm/none.gguf"}, "message", "no model"),
    ({"type": "backend_schema", "backend_type": 5}, "error", "`backend_type` must be text"),
    ({"type": "audio", "data": "!!!"}, "message", "`data` must be base64"),
    ({"type": "audio", "data": "AAAA", "rate": 1}, "message", "`rate` must be"),
    ({"type": "audio", "data": "AAAA", "mode": "x"}, "message", "no mode named `x`"),
    ({"type": "llm_request", "text": "x", "call_id": 77}, "error", "`call_id` must be text"),
    ({"type": "tts_request", "text": 5}, "error", "`text` must be text"),
    ({"type": "barge_in", "call_id": 5}, "message", "`call_id` must be text"),
    ({"type": "set_mode", "output_encoding": "opus"}, "message", "no encoding named `opus`"),
    ({"type": "sing"}, "message", "no request named `sing`"),
)
REPLIES = {
    "switch_model": "switch_response",
    "reload_llm": "reload_response",
    "backend_schema": "backend_schema_response",
    "audio": "stt_result",
    "llm_request": "llm_response",
    "tts_request": "tts_response",
    "barge_in": "barge_in_ack",
}


@pytest.mark.parametrize(("asked", "field", "problem"), FAILURES, ids=range(len(FAILURES)))
def test_failure_has_the_type_and_the_id_of_the_reply(
    shared: RunningDaemon, asked: dict[str, Any], field: str, problem: str
) -> None:
    """And the connection goes on."""
    with shared.connect() as client:
        reply = client.ask(asked | {"request_id": "r"})
        assert "status_response" == client.ask({"type": "status"})["type"]
    assert (REPLIES.get(asked["type"], "error"), "r") == (reply["type"], reply["request_id"])
    assert problem in reply[field]


def test_id_that_is_not_json_is_not_repeated(shared: RunningDaemon) -> None:
    """The reply has to be JSON, whatever was sent."""
    with shared.connect() as client:
        client.send('{"type": "switch_model", "request_id": [1e999]}')
        assert client.receive()["request_id"] is None
        client.send('{"type": "barge_in", "request_id": NaN}')
        assert {"type": "error", "message": "not JSON"} == client.receive()


def test_mode_that_is_refused_changes_nothing(shared: RunningDaemon) -> None:
    """Neither the part that would have been right."""
    with shared.connect() as client:
        client.ask({"type": "set_mode", "mode": "stt"})
        refused = client.ask({"type": "set_mode", "mode": "tts", "output_encoding": "nope"})
        late = client.ask({"type": "set_mode", "mode": "tts", "segment_silence_ms": 1})
        now = client.ask({"type": "set_mode"})
    assert ("error", "error", "stt", "mulaw") == (
        *(refused["type"], late["type"], now["mode"], now["output_encoding"]),
    )


def test_prompt_of_a_dry_run_is_not_set(shared: RunningDaemon) -> None:
    """The reply says that it would be."""
    asked = {"type": "switch_model", "scope": "session", "dry_run": True, "call_id": "other"}
    with shared.connect() as client:
        told = client.ask(asked | {"llm_config": {"system_prompt": "word " * 1000}})
        answer = client.ask({"type": "llm_request", "text": "hello"})
    assert ("success", True) == (told["status"], told["message"].endswith("(dry_run)"))
    assert ("hi there", "unknown") == (answer["text"], answer["call_id"])


def test_every_recording_gets_its_answer(shared: RunningDaemon) -> None:
    """As many as may wait at once are all heard and all answered."""
    with shared.connect() as client:
        for number in range(16):
            asked = {"type": "audio", "mode": "llm", "request_id": number}
            client.send(asked | {"data": encoded(tone(1500))})
        replies = [client.receive() for _ in range(32)]
    assert {"stt_result": 16, "llm_response": 16} == Counter(each["type"] for each in replies)
    assert not any("error" in each for each in replies)
    assert {2} == {*Counter(each["request_id"] for each in replies).values()}


def test_who_is_cut_off_is_told(start: Starter) -> None:
    """Each request with an id gets its reply before `barge_in` does; what was said is kept."""
    daemon = start()
    daemon.wait_until_loaded()
    with daemon.connect() as client, stopped(model_pid(daemon, "llm")):
        with stopped(model_pid(daemon, "tts")):
            client.send({"type": "audio", "request_id": "A", "data": encoded(tone(1500))})
            assert ("stt_result", "A") == told(client.receive())
            client.send({"type": "llm_request", "text": "hello", "request_id": "L"})
            client.send({"type": "llm_request", "text": "hello"})
            client.send({"type": "tts_request", "text": "hello", "request_id": "T"})
            client.send({"type": "barge_in", "request_id": "B"})
            replies = [client.receive() for _ in range(4)]
        assert {("llm_response", "A"), ("llm_response", "L"), ("tts_response", "T")} == {
            told(each) for each in replies[:3]
        }
        assert {"the answer was cut off by `barge_in`"} == {each["error"] for each in replies[:3]}
        assert ("barge_in_ack", "B") == told(replies[3])
        assert "status_response" == client.ask({"type": "status"})["type"]


def told(reply: dict[str, Any]) -> tuple[str, object]:
    """Return what a reply is, and to which request."""
    return reply["type"], reply["request_id"]

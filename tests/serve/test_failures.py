"""What nobody thought of: every request is answered, and the connection goes on."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from aava_cli.serve.models import Models
from aava_cli.serve.protocol import Daemon, handle_bytes, handle_text
from aava_cli.settings import Settings
from tests.serve.over_http import client_of
from tests.serve.sounds import encoded, tone
from tests.tiny_models import write_piper

if TYPE_CHECKING:
    from pathlib import Path

    from tests.daemon_fixture import RunningDaemon
    from tests.serve.conftest import Starter


@dataclass
class Socket:
    """Keeps what is sent; one that is closed refuses it."""

    closed: bool = False
    sent: list[dict[str, Any]] = field(default_factory=list)

    async def send_text(self, data: str) -> None:
        """Keep a text message."""
        if self.closed:
            raise ConnectionResetError
        self.sent.append(json.loads(data))

    async def send_bytes(self, data: bytes) -> None:
        """Take no audio."""
        raise AssertionError(data)

    async def close(self, code: int, reason: str) -> None:
        """Not be closed by the daemon."""
        raise AssertionError(code, reason)

    def drop(self) -> None:
        """Not be dropped either."""
        raise AssertionError


def broken(folder: Path, *, token: str = "") -> Daemon:
    """Return a daemon whose settings are nonsense that nothing looked at before."""
    nonsense = {"LOCAL_LLM_GPU_LAYERS": "abc", "LOCAL_STT_IDLE_MS": "abc"}
    return Daemon(Models(Settings(folder, folder / "models"), nonsense), token)


async def answers(daemon: Daemon, *requests: str | bytes, closed: bool = False) -> list[Any]:
    """Return what a client of *daemon* gets for *requests*."""
    socket = Socket(closed=closed)
    session = daemon.open_session(socket)
    for request in requests:
        if isinstance(request, bytes):
            await handle_bytes(session, request)
        else:
            await handle_text(daemon, session, request)
    daemon.close_session(session)
    return socket.sent


def test_request_that_fails_unexpectedly_gets_an_error(tmp_path: Path) -> None:
    """Text or audio; the next request is answered as well."""
    requests = ('{"type": "status"}', tone(600), '{"type": "backends"}')
    failed, unheard, following = asyncio.run(answers(broken(tmp_path), *requests))
    for reply in (failed, unheard):
        assert reply["type"] == "error"
        assert reply["message"].startswith("the daemon could not do this: ValueError: invalid")
    assert following["type"] == "backends_response"


def test_stranger_learns_nothing_of_a_failure(tmp_path: Path) -> None:
    """Who has no token is told to bring one, whatever is asked."""
    replies = asyncio.run(answers(broken(tmp_path, token="t"), "{", '{"type": "x"}', b"1"))  # noqa: S106 - a test's own
    refused = {"type": "auth_response", "status": "error", "message": "authentication_required"}
    assert [refused] * 3 == replies


def test_client_that_left_is_no_failure(tmp_path: Path) -> None:
    """Nobody is there to be told."""
    with pytest.raises(ConnectionResetError):
        asyncio.run(answers(broken(tmp_path), '{"type": "backends"}', closed=True))


def test_voice_that_answers_nonsense_is_an_error(start: Starter, models_dir: Path) -> None:
    """The reply is of the usual type, or 500; the reason is in it, and in the log."""
    voice = write_piper(models_dir / "tts/odd.onnx")
    described = voice.with_name("odd.onnx.json")
    described.write_text(described.read_text().replace("16000", '"abc"'))
    daemon = start(LOCAL_TTS_MODEL_PATH="/app/models/tts/odd.onnx")
    daemon.wait_until_loaded()
    spoken = daemon.ask({"type": "tts_request", "text": "hello"})
    with daemon.connect() as client:
        recording = {"type": "audio", "data": encoded(tone(1000)), "request_id": "r"}
        replies = [client.ask(recording), client.receive(), client.receive()]
    with client_of(daemon) as http:
        answer = http.post("/tts", json={"text": "hello"})
    told = ("tts_response", "tts_audio", 500)
    assert told == (spoken["type"], replies[-1]["type"], answer.status_code)
    for reason in (spoken["error"], replies[-1]["error"], answer.json()["detail"]):
        assert reason.startswith("the daemon could not do this: ValueError")
    assert "Traceback" in daemon.log.read_text("utf-8")


def test_endless_text_is_refused(shared: RunningDaemon) -> None:
    """The voice would be busy with it for minutes, and nobody else would be answered."""
    reply = shared.ask({"type": "tts_request", "text": "word " * 240_000})
    problem = "`text` may have 5,000 characters; 1,200,000 characters were given"
    assert ("tts_response", problem) == (reply["type"], reply["error"])
    assert "error" not in shared.ask({"type": "tts_request", "text": "hello"})


@pytest.mark.parametrize(
    ("data", "named"),
    [(b"", {}), (b"", {"request_id": "r"}), (b"\0", {}), (bytes(2), {"request_id": "r"})],
)
def test_next_to_no_audio_gets_its_answer(
    shared: RunningDaemon, data: bytes, named: dict[str, str]
) -> None:
    """Nothing was said, and that is final."""
    reply = shared.ask({"type": "audio", "mode": "stt", "data": encoded(data), **named})
    assert ("stt_result", "", True) == (reply["type"], reply["text"].strip(), reply["is_final"])
    assert "error" not in reply

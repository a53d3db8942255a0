"""A daemon that does not do what it should: each way ends with its exit code and its message."""

from __future__ import annotations

import json
import signal
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from tests.daemon.conftest import FakeDaemon, listening, raw_server, status_of
from tests.tiny_models import write_whisper

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from websockets.sync.server import ServerConnection

    from tests.conftest import Aava, Ran
    from tests.switch.conftest import Project

OLD, NEW, OTHER = (f"/app/models/stt/ggml-{name}.bin" for name in ("old", "new", "other"))
MEGABYTE = 1 << 20


@dataclass(slots=True)
class Misbehaving(FakeDaemon):
    """A daemon that runs a model of whisper.cpp, and is asked for another.

    It closes the connection, or sends a flood, instead of an answer to a request of a type.
    """

    closes_at: set[str] = field(default_factory=set)
    floods_at: set[str] = field(default_factory=set)

    def talk(self, connection: ServerConnection) -> None:
        """Answer until the client leaves, or until it is time to misbehave."""
        while True:
            frame = connection.recv()
            message = json.loads(frame)
            kind = str(message["type"])
            if kind in self.closes_at or message.get("stt_model_path") in self.closes_at:
                connection.close(1000)
                return
            if kind in self.floods_at or message.get("stt_model_path") in self.floods_at:
                connection.send("x" * (200 * MEGABYTE))
            self.asked.append(message)
            connection.send(json.dumps(self._reply(message)))

    def _reply(self, message: dict[str, Any]) -> Any:  # noqa: ANN401 - any JSON value
        if self.token is not None:
            return {"type": "auth_response", "status": "error", "message": "no"}
        return self._answer(message)


@pytest.fixture
def project(project: Path) -> Path:
    """Return a project that selects the old model, with the new one installed."""
    for name in ("old", "new"):
        write_whisper(project / f"models/stt/ggml-{name}.bin", name)
    with (project / ".env").open("a", encoding="utf-8") as env:
        env.write(f"LOCAL_STT_BACKEND=whisper_cpp\nWHISPER_CPP_MODEL_PATH={OLD}\n")
    return project


@pytest.fixture
def daemon(port: int) -> Iterator[Misbehaving]:
    """Return a daemon that still behaves."""
    fake = Misbehaving(running=status_of("whisper_cpp", OLD))
    fake.after_switch = {path: status_of("whisper_cpp", path) for path in (OLD, NEW)}
    with listening(fake.talk, port) as fake.stop:
        yield fake


@pytest.fixture
def switch(aava: Aava, project: Path) -> Aava:
    """Switch to the new model; whatever else happens, a failure leaves the files alone."""
    before = (project / ".env").read_bytes()

    def run(*words: str) -> Ran:
        ran = aava("switch", "--stt", "ggml-new", *words)
        assert (ran.exit_code == 0) == ((project / ".env").read_bytes() != before)
        return ran

    return run


def switches(daemon: FakeDaemon) -> list[str]:
    """Return the models that were asked for."""
    return [each["stt_model_path"] for each in daemon.asked if each["type"] == "switch_model"]


def test_daemon_that_behaves_is_switched(switch: Aava, daemon: Misbehaving) -> None:
    """What the others are compared with."""
    assert (0, [NEW]) == (switch().exit_code, switches(daemon))


def test_success_that_is_not_loaded_is_rolled_back(switch: Aava, daemon: Misbehaving) -> None:
    """The reply says success, the status says no."""
    daemon.after_switch[NEW] = status_of("whisper_cpp", NEW, loaded=False)
    ran = switch()
    assert (3, [NEW, OLD]) == (ran.exit_code, switches(daemon))
    assert "the stt model is not loaded; the previous configuration is active again" in ran.stderr


def test_success_with_another_model_is_rolled_back(switch: Aava, daemon: Misbehaving) -> None:
    """It runs something, and not what it was asked for."""
    daemon.after_switch[NEW] = status_of("whisper_cpp", OTHER)
    ran = switch()
    assert (3, [NEW, OLD]) == (ran.exit_code, switches(daemon))
    assert f"is `{OTHER}` instead of `{NEW}`" in ran.stderr


def test_reason_of_a_slot_is_told(switch: Aava, daemon: Misbehaving) -> None:
    """It is loaded, and its own errors say that something is wrong."""
    daemon.after_switch[NEW] = status_of("whisper_cpp", NEW, stt="the vocabulary is damaged")
    ran = switch()
    assert (3, True) == (ran.exit_code, "stt: the vocabulary is damaged" in ran.stderr)


def test_connection_closed_without_a_reply_is_rolled_back(
    switch: Aava, daemon: Misbehaving
) -> None:
    """A polite goodbye is no answer."""
    daemon.closes_at = {NEW}
    ran = switch()
    assert (3, []) == (ran.exit_code, switches(daemon))
    assert "closed the connection during `switch_model`" in ran.stderr


def test_flood_instead_of_a_reply_is_rolled_back(switch: Aava, daemon: Misbehaving) -> None:
    """200 MB are not read into memory."""
    daemon.floods_at = {NEW}
    ran = switch()
    assert (3, True) == (ran.exit_code, "the previous configuration is active again" in ran.stderr)


def test_flood_instead_of_a_status_ends_before_anything_is_asked(
    switch: Aava, daemon: Misbehaving
) -> None:
    """Nothing was begun, so nothing has to be undone."""
    daemon.floods_at = {"status"}
    ran = switch()
    assert (11, []) == (ran.exit_code, switches(daemon))


def test_daemon_that_wants_a_token_is_not_asked_twice(switch: Aava, daemon: Misbehaving) -> None:
    """Exit 12 says where the token is looked for."""
    daemon.token = "unknown"  # noqa: S105 - made up
    ran = switch()
    assert (12, True) == (ran.exit_code, "LOCAL_WS_AUTH_TOKEN" in ran.stderr)


def test_daemon_on_the_other_family_is_found(switch: Aava, project: Path, port: int) -> None:
    """A host without IPv4 listens on `::1`."""
    env = (project / ".env").read_text("utf-8").replace("LOCAL_WS_HOST=127.0.0.1\n", "")
    (project / ".env").write_text(env, encoding="utf-8")
    fake = Misbehaving(running=status_of("whisper_cpp", OLD))
    fake.after_switch = {NEW: status_of("whisper_cpp", NEW)}
    with listening(fake.talk, port, host="::1"):
        assert (0, [NEW]) == (switch().exit_code, switches(fake))


def test_nobody_there_is_said(switch: Aava) -> None:
    """Down, not busy."""
    ran = switch()
    assert (11, True) == (ran.exit_code, "nothing listens" in ran.stderr)


def test_what_listens_and_never_answers_is_busy(aava: Aava, project: Path, port: int) -> None:
    """Accepted, and no handshake: that is told from nobody there."""
    assert (project / ".env").exists()
    with raw_server(port, None):
        ran = aava("status")
    assert (11, True) == (ran.exit_code, "accepts connections but did not answer" in ran.stderr)


def test_stopped_daemon_is_waited_for(aava: Aava, served: Project) -> None:
    """Twenty seconds of silence are a long load, not an end."""
    served.daemon.process.send_signal(signal.SIGSTOP)
    awake = threading.Timer(20.0, served.daemon.process.send_signal, [signal.SIGCONT])
    awake.start()
    ran = aava("switch", "--models-dir", str(served.models), "--llm", "second")
    awake.join()
    assert (0, "second.gguf") == (ran.exit_code, served.running()[1])

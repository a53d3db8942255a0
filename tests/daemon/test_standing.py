"""`aava status` tells six states of three kinds of daemon apart."""

from __future__ import annotations

import json
import os
import signal
import socket
from typing import TYPE_CHECKING, Any

import pytest

from aava_cli import __version__
from aava_cli.daemon.address import checked_url, http_url
from aava_cli.daemon.standing import find_standing
from tests.daemon.conftest import FakeDaemon, raw_server, status_of
from tests.daemon.test_cli import rows_of, write_docker
from tests.daemon_fixture import start_daemon, write_env
from tests.smoke.model_server import HEALTH, ModelServer

if TYPE_CHECKING:
    from pathlib import Path

    from aava_cli.session import Session
    from tests.conftest import Aava


def standing_of(aava: Aava) -> tuple[int, str | None, str]:
    """Return exit code, kind and state of `aava status`."""
    ran = aava("status", "--json")
    result = json.loads(ran.stdout)["result"]
    return ran.exit_code, result["kind"], result["state"]


def test_nothing_listens(aava: Aava) -> None:
    """Refused."""
    assert (11, None, "refused") == standing_of(aava)


@pytest.mark.parametrize(
    ("more", "kind", "state"),
    [
        ({}, "local_ai_server", "ok"),
        ({"config": {"degraded": True}}, "local_ai_server", "degraded"),
        ({"version": "1"}, "aava serve", "ok"),
        ({"version": "1", "state": "starting"}, "aava serve", "starting"),
        ({"version": "1", "state": "stopping"}, "aava serve", "stopping"),
    ],
)
def test_daemon_says_how_it_is(
    aava: Aava, daemon: FakeDaemon, more: dict[str, Any], kind: str, state: str
) -> None:
    """Either kind, in its own word or from what its models are."""
    daemon.running = status_of("vosk", "/a") | more
    assert (0, kind, state) == standing_of(aava)
    shown = aava("status").stdout
    assert (state != "ok") == (f", {state}\n" in shown)


def test_native_daemon_starts_and_works(aava: Aava, project: Path, port: int) -> None:
    """Until what `.env` selects was loaded, or failed to, it is starting."""
    write_env(project, {"LOCAL_WS_PORT": str(port), "LOCAL_LLM_MODEL_PATH": "/app/models/x.gguf"})
    native = start_daemon(project, project / "models")
    try:
        native.wait_until(lambda status: status["state"] == "degraded")
        assert (0, "aava serve", "degraded") == standing_of(aava)
        assert (
            f"aava serve {__version__} at ws://127.0.0.1:{port}, degraded" in aava("status").stdout
        )
    finally:
        native.stop()


def test_stopped_daemon_hangs(session: Session, project: Path, port: int) -> None:
    """Its port accepts, and nothing answers."""
    write_env(project, {"LOCAL_WS_PORT": str(port)})
    native = start_daemon(project, project / "models")
    os.kill(native.pid, signal.SIGSTOP)
    try:
        found = find_standing(session, timeout_s=0.3)
    finally:
        os.kill(native.pid, signal.SIGCONT)
        native.stop()
    assert ("hung", None, True) == (found.state, found.kind, found.trouble is not None)


def test_model_server_is_known_by_its_health(aava: Aava, port: int) -> None:
    """What it runs, where, and how it says that it loaded it."""
    with ModelServer().listening(port):
        assert (0, "model server", "ok") == standing_of(aava)
        shown = aava("status").stdout
        named = aava("status", "--daemon", f"http://127.0.0.1:{port}").stdout
    assert f"daemon   model server at http://127.0.0.1:{port}\n" in shown
    assert "org/llm, cuda:0, fp16 on CUDA" in shown
    assert ["-", "org/stt,", "cpu"] == rows_of(shown)["stt"][:2] + rows_of(shown)["stt"][2].split()[
        :1
    ]
    assert shown == named


@pytest.mark.parametrize(
    "health",
    [
        (200, b"<html>"),
        (200, {"status": "ok"}),
        (200, b"x" * (1 << 20)),
        (500, {}),
        (200, {**HEALTH, "models": {"llm": {}}}),
    ],
)
def test_something_else_is_the_wrong_service(
    aava: Aava, port: int, health: tuple[int, Any]
) -> None:
    """It speaks HTTP, and is no daemon of any kind."""
    server = ModelServer(answers={"/health": health})
    with server.listening(port):
        assert (11, None, "wrong-service") == standing_of(aava)
        assert "is not a voice daemon" in aava("status").stderr


def test_what_speaks_another_protocol_is_the_wrong_service(aava: Aava, port: int) -> None:
    """It says something that no server of ours would."""
    with raw_server(port, b"SSH-2.0-OpenSSH_9\r\n"):
        assert (11, None, "wrong-service") == standing_of(aava)


def test_server_that_says_no_more_hangs(session: Session, port: int) -> None:
    """It refuses the WebSocket, and then its event loop is blocked."""
    import threading

    listening = socket.create_server(("127.0.0.1", port))

    def refuse_once() -> None:
        first, _ = listening.accept()
        first.recv(1000)
        first.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        first.close()

    thread = threading.Thread(target=refuse_once)
    thread.start()
    with listening:
        found = find_standing(session, timeout_s=0.5)
    thread.join()
    assert ("hung", None) == (found.state, found.kind)


def test_container_that_runs_is_starting(
    aava: Aava, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The original daemon listens once its models are loaded."""
    (project / "docker-compose.yml").write_text("services:\n  local_ai_server:\n    image: x\n")
    tools = tmp_path / "tools"
    tools.mkdir()
    write_docker(tools, project, ())
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    assert (11, None, "starting") == standing_of(aava)
    assert "starting: its container runs and does not listen yet: nothing" in aava("status").stdout


def test_either_scheme_names_the_daemon() -> None:
    """The same port speaks both."""
    assert "ws://a:1" == checked_url("http://a:1")
    assert "wss://a" == checked_url("https://a")
    assert ("http://a:1", "https://a") == (http_url("ws://a:1/"), http_url("wss://a"))

"""`aava status` tells six states of three kinds of daemon apart."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest

from aava_cli import __version__
from aava_cli.daemon.address import checked_url, http_url
from aava_cli.daemon.httpclient import HttpClient
from aava_cli.daemon.standing import find_standing
from aava_cli.errors import DaemonUnreachable
from aava_cli.session import Session
from tests.daemon.conftest import FakeDaemon, listening, raw_server, status_of
from tests.daemon.test_cli import rows_of, write_docker
from tests.daemon_fixture import UNMEASURED, start_daemon, write_env
from tests.smoke.model_server import HEALTH, ModelServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from websockets.sync.server import ServerConnection

    from tests.conftest import Aava
    from tests.daemon.conftest import Talk


# What the original daemon says, without a word of an error, of models that failed.
NOTHING_LOADED = {role: {"loaded": False, "path": "/m"} for role in ("stt", "llm", "tts")}
VOICE_MISSING = {"stt": {"loaded": True, "path": "/m"}, "tts": {"loaded": False, "path": "/m"}}
MINIMAL = {"stt": {"loaded": True, "path": "/m"}, "llm": {"loaded": False, "path": "/m"}}


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
        ({"state": "degraded", "config": {"degraded": False}}, "local_ai_server", "degraded"),
        ({"models": NOTHING_LOADED}, "local_ai_server", "degraded"),
        ({"models": {}}, "local_ai_server", "degraded"),
        ({"models": VOICE_MISSING}, "local_ai_server", "degraded"),
        ({"models": MINIMAL, "config": {"runtime_mode": "minimal"}}, "local_ai_server", "ok"),
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
    native = start_daemon(project, project / "models", environ=UNMEASURED)
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
    native = start_daemon(project, project / "models", environ=UNMEASURED)
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


def with_model(role: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON value
    """Return the health of a server that says *more* of one model."""
    models: dict[str, Any] = {name: dict(said) for name, said in HEALTH["models"].items()}  # type: ignore[attr-defined]
    models[role] |= more
    return {"status": "ok", "models": models}


@pytest.mark.parametrize(
    ("health", "state"),
    [
        ((200, {**HEALTH, "status": "degraded"}), "degraded"),
        ((200, {**HEALTH, "status": "error"}), "degraded"),
        ((200, {**HEALTH, "status": "starting"}), "starting"),
        ((503, {**HEALTH, "status": "loading"}), "starting"),
        ((500, HEALTH), "degraded"),
        ((200, with_model("tts", loaded=False)), "degraded"),
    ],
)
def test_model_server_says_how_it_is(
    aava: Aava, port: int, health: tuple[int, Any], state: str
) -> None:
    """In its own word, in its status, or in that of a model."""
    with ModelServer(answers={"/health": health}).listening(port):
        assert (0, "model server", state) == standing_of(aava)


def test_model_server_on_the_other_loopback_is_found(aava: Aava, project: Path, port: int) -> None:
    """Every address that `.env` means is asked."""
    write_env(project, {"LOCAL_WS_PORT": str(port), "LOCAL_WS_HOST": "::"})
    with ModelServer().listening(port, host="::1"):
        assert (0, "model server", "ok") == standing_of(aava)


@pytest.mark.parametrize(
    "health",
    [
        (200, b"<html>"),
        (200, b"[" * 200_000),
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


def echo(connection: ServerConnection) -> None:
    """Say what was said."""
    for frame in connection:
        connection.send(frame)


def welcome(connection: ServerConnection) -> None:
    """Speak another protocol, one that talks first."""
    connection.send("welcome")
    for _ in connection:
        connection.send('{"hello": 1}')


def answer_a_list(connection: ServerConnection) -> None:
    """Speak JSON, and none of ours."""
    for _ in connection:
        connection.send("[1]")


def know_no_request(connection: ServerConnection) -> None:
    """Refuse, in words that a daemon might use."""
    for _ in connection:
        connection.send('{"type": "error", "message": "unknown action"}')


def fail_with_a_code(connection: ServerConnection) -> None:
    """Refuse, in other words."""
    for _ in connection:
        connection.send('{"type": "error", "error": {"code": "x"}}')


@pytest.mark.parametrize("talk", [echo, welcome, answer_a_list, know_no_request, fail_with_a_code])
def test_websocket_of_something_else_is_the_wrong_service(
    session: Session, port: int, talk: Talk
) -> None:
    """It answers, and not as a daemon."""
    with listening(talk, port):
        found = find_standing(session, timeout_s=0.3)
    assert ("wrong-service", None, True) == (
        *(found.state, found.kind),
        "is not a voice daemon" in str(found.trouble),
    )


@contextmanager
def raw_talk(port: int, before: bytes, again: bytes) -> Iterator[None]:
    """Send *before* to whoever connects, then *again* and again until the block ends."""
    ended = threading.Event()

    def talk(client: socket.socket) -> None:
        with client, suppress(OSError):
            client.sendall(before)
            while not ended.wait(0.02):
                client.sendall(again)

    def accept() -> None:
        with suppress(OSError):
            while not ended.is_set():
                threads.append(threading.Thread(target=talk, args=listener.accept()[:1]))
                threads[-1].start()

    with socket.create_server(("127.0.0.1", port)) as listener:
        threads = [threading.Thread(target=accept)]
        threads[0].start()
        try:
            yield
        finally:
            ended.set()
            listener.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join()


@pytest.mark.parametrize(
    ("before", "again"),
    [
        (b"220 mail ESMTP\r\n", b""),
        (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n", b": ping\n\n"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\n\r\n", bytes(65_536)),
    ],
)
def test_what_never_comes_to_an_end_is_left_in_time(
    session: Session, port: int, before: bytes, again: bytes
) -> None:
    """A mail server waits, headers and events drip, a radio plays: none of them is a daemon."""
    with raw_talk(port, before, again):
        found = find_standing(session, timeout_s=0.5)
    assert ("wrong-service", None) == (found.state, found.kind)


@pytest.mark.parametrize(
    "more",
    [
        {"config": "x"},
        {"config": [1], "models": [1]},
        {"models": {"stt": "x", "llm": 5}},
        {"models": {"stt": {"path": 5, "loaded": "yes"}}, "loading": 5},
        {"config": {"startup_errors": "x", "runtime_fallbacks": "y"}},
        {"config": {"startup_errors": {"stt": {"a": 1}}}, "stt_backend": [1]},
        {"version": 1, "pid": "x", "uptime_s": "y", "state": [1]},
        {"version": {}, "pid": os.getpid(), "uptime_s": []},
    ],
)
def test_fields_of_another_kind_are_no_accident(
    aava: Aava, daemon: FakeDaemon, more: dict[str, Any]
) -> None:
    """A daemon of another version, or a broken one, is shown for what can be read of it."""
    daemon.running = status_of("vosk", "/a") | more
    assert 0 == standing_of(aava)[0]
    assert 0 == aava("status").exit_code


def test_server_that_says_no_more_hangs(session: Session, port: int) -> None:
    """It refuses the WebSocket, and then its event loop is blocked."""
    listener = socket.create_server(("127.0.0.1", port))

    def refuse_once() -> None:
        first, _ = listener.accept()
        first.recv(1000)
        first.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        first.close()

    thread = threading.Thread(target=refuse_once)
    thread.start()
    with listener:
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


def test_daemon_that_is_too_busy_to_say_how_it_is_hangs(session: Session, port: int) -> None:
    """Its WebSocket is there; that it knows no plain HTTP does not make it another service."""

    def keep_quiet(connection: ServerConnection) -> None:
        for _ in connection:
            pass

    with listening(keep_quiet, port):
        found = find_standing(session, timeout_s=0.3)
    assert ("hung", None) == (found.state, found.kind)


def test_forwarded_port_of_a_container_that_starts(
    session: Session, project: Path, tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine takes the connection, finds nobody behind it, and hangs up."""
    with raw_server(port, b""):
        assert "wrong-service" == find_standing(session, timeout_s=1).state
        compose = "services:\n  local_ai_server:\n    image: x\n"
        (project / "docker-compose.yml").write_text(compose)
        tools = tmp_path / "tools"
        tools.mkdir()
        write_docker(tools, project, ())
        monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
        assert "starting" == find_standing(session, timeout_s=1).state


def test_no_tls_where_it_is_asked_for_is_the_wrong_service(
    session: Session, project: Path, port: int
) -> None:
    """Somebody listens, and the message says what is wrong, whichever way it is asked."""
    named = Session({"project": str(project), "daemon": f"wss://127.0.0.1:{port}"}, session.output)
    with ModelServer().listening(port):
        found = find_standing(named, timeout_s=2)
        client = HttpClient((f"wss://127.0.0.1:{port}",))
        with pytest.raises(DaemonUnreachable, match=r"did not answer `/health`: .*SSL"):
            client.ask("/health", timeout_s=2)
    assert "wrong-service" == found.state
    assert "is not a voice daemon: [SSL" in str(found.trouble)

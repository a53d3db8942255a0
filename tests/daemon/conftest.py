"""Things that listen where a daemon should: one that follows a script, and several others."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from aava_cli.output import Output
from aava_cli.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from websockets.sync.server import ServerConnection

    Talk: TypeAlias = Callable[[ServerConnection], None]
    Answer: TypeAlias = Callable[[Mapping[str, Any]], "tuple[str | bytes | Mapping[str, Any], ...]"]

CAPABILITIES = {"vosk": True, "whisper_cpp": True, "piper": True, "llama": True, "kokoro": False}


def status_of(stt: str, path: str, /, *, loaded: bool = True, **errors: str) -> dict[str, Any]:
    """Return a `status` reply of a daemon that runs one speech-to-text model."""
    slots = {
        "stt": {"backend": stt, "loaded": loaded, "path": path},
        "llm": {"loaded": False, "path": None},
        "tts": {"backend": "piper", "loaded": False, "path": None},
    }
    return {
        "type": "status_response",
        "status": "ok",
        "stt_backend": stt,
        "tts_backend": "piper",
        "models": slots,
        "config": {"degraded": bool(errors), "startup_errors": errors},
    }


@dataclass(slots=True)
class FakeDaemon:
    """A daemon with one slot, which can be told how to answer a switch.

    It keeps what it was asked; `after_switch` is its status once it was asked to switch, or
    what it does instead.
    """

    token: str | None = None
    running: dict[str, Any] = field(default_factory=lambda: status_of("vosk", "/app/models/a"))
    after_switch: dict[str, dict[str, Any]] = field(default_factory=dict)
    replies: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    dies_at: set[str] = field(default_factory=set)
    asked: list[dict[str, Any]] = field(default_factory=list)
    stop: Callable[[], None] = lambda: None

    def talk(self, connection: ServerConnection) -> None:
        """Answer until the client leaves."""
        trusted = self.token is None
        for frame in connection:
            message = json.loads(frame)
            self.asked.append(message)
            if message["type"] == "auth":
                trusted = trusted or message.get("auth_token") == self.token
            if not trusted:
                refusal = {"type": "auth_response", "status": "error", "message": "no"}
                connection.send(json.dumps(refusal))
            elif message["type"] == "auth":
                connection.send('{"type": "auth_response", "status": "ok"}')
            elif message.get("stt_model_path") in self.dies_at:
                self.stop()
                connection.socket.shutdown(socket.SHUT_RDWR)
                return
            else:
                connection.send(json.dumps(self._answer(message)))

    def _answer(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        match message["type"]:
            case "status":
                return self.running
            case "capabilities":
                return {"type": "capabilities_response", "capabilities": CAPABILITIES}
            case _:
                wanted = str(message.get("stt_model_path"))
                self.running = self.after_switch.get(wanted, self.running)
                success = {"type": "switch_response", "status": "success", "message": "switched"}
                return self.replies.get(wanted, success)


@contextmanager
def listening(talk: Talk, port: int, *, host: str = "127.0.0.1") -> Iterator[Callable[[], None]]:
    """Run a WebSocket server for the block, and give what stops it from listening earlier."""
    from websockets.sync.server import serve

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family)
    server = serve(talk, sock=listener, max_size=None, close_timeout=1)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield partial(server.shutdown, close_connections=False)
    finally:
        server.shutdown()
        thread.join()


@pytest.fixture
def daemon(port: int) -> Iterator[FakeDaemon]:
    """Return a daemon that listens where `.env` says."""
    fake = FakeDaemon()
    with listening(fake.talk, port) as fake.stop:
        yield fake


@contextmanager
def raw_server(port: int, answer: bytes | None) -> Iterator[None]:
    """Accept connections for the block; send *answer* and close, or with None stay silent."""
    with socket.create_server(("127.0.0.1", port)) as listener, suppress(OSError):
        kept: list[socket.socket] = []

        def accept() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    kept.append(client)
                    if answer is not None:
                        client.recv(65536)
                        client.sendall(answer)
                        client.close()

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for client in kept:
                client.close()


@pytest.fixture
def session(project: Path) -> Session:
    """Return a session on the project."""
    return Session({"project": str(project)}, Output())

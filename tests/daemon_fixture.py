"""A real native daemon in a process of its own, for tests that need something to talk to."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from websockets.sync.client import ClientConnection

REPOSITORY = Path(__file__).parent.parent
DEADLINE_S = 60.0
# The environment of a process whose coverage is not asked for: a daemon that is only there to be
# talked to is measured in `tests/serve`, and measuring takes a third of the time of its start.
UNMEASURED = {"COVERAGE_PROCESS_CONFIG": ""}
_CHANCE = random.SystemRandom()
_PROGRAM = "tests.serve.run_daemon"


def free_port() -> int:
    """Return a port of this machine that nobody listens on.

    It is below those that the kernel gives to whoever asks for any, and so stays free until it is
    used, however many tests run at once.
    """
    while True:
        port = _CHANCE.randrange(10_000, 32_768)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def write_env(project: Path, values: Mapping[str, str]) -> Path:
    """Write the `.env` of *project*; a port is chosen unless *values* name one."""
    project.mkdir(parents=True, exist_ok=True)
    chosen = {"LOCAL_WS_PORT": str(free_port()), **values}
    path = project / ".env"
    path.write_text("".join(f"{key}={value}\n" for key, value in chosen.items()), "utf-8")
    return path


@dataclass(slots=True)
class RunningDaemon:
    """A daemon that accepts connections."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    @property
    def url(self) -> str:
        """Where to connect."""
        return f"ws://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The id of the daemon's process."""
        return self.process.pid

    @contextmanager
    def connect(self) -> Iterator[Client]:
        """Open a connection for the block."""
        from websockets.sync.client import connect

        with connect(self.url, max_size=None, proxy=None) as connection:
            yield Client(connection)

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return the reply to one *request* on a connection of its own."""
        with self.connect() as client:
            return client.ask(request)

    def status(self) -> dict[str, Any]:
        """Return the reply to `status`."""
        return self.ask({"type": "status"})

    def wait_until(self, reached: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Return the first status for which *reached* is true."""
        deadline = time.monotonic() + DEADLINE_S
        while not reached(status := self.status()):
            assert time.monotonic() < deadline, status
            time.sleep(0.02)
        return status

    def wait_until_loaded(self) -> dict[str, Any]:
        """Return the first status after the models of `.env` were loaded, or failed to."""
        return self.wait_until(lambda status: not status["loading"])

    def kill(self) -> None:
        """End the daemon as the kernel would."""
        self.process.kill()
        self.process.wait(DEADLINE_S)

    def stop(self) -> int:
        """End the daemon with SIGTERM and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DEADLINE_S)


@dataclass(slots=True)
class Client:
    """One connection; every reply has a deadline."""

    connection: ClientConnection

    def send(self, request: Mapping[str, Any] | bytes | str) -> None:
        """Send *request*: an object as JSON, anything else as it is."""
        raw = request if isinstance(request, bytes | str) else json.dumps(request)
        self.connection.send(raw)

    def receive(self) -> dict[str, Any]:
        """Return the next message, which must be text."""
        received = self.connection.recv(timeout=DEADLINE_S)
        assert isinstance(received, str)
        reply: dict[str, Any] = json.loads(received)
        return reply

    def receive_bytes(self) -> bytes:
        """Return the next message, which must be binary."""
        received = self.connection.recv(timeout=DEADLINE_S)
        assert isinstance(received, bytes)
        return received

    def ask(self, request: Mapping[str, Any] | bytes | str) -> dict[str, Any]:
        """Return the reply to *request*."""
        self.send(request)
        return self.receive()


def start_daemon(
    project: Path,
    models_dir: Path,
    *,
    environ: Mapping[str, str] | None = None,
    python: tuple[str, ...] = (),
    limits: Mapping[str, float] | None = None,
) -> RunningDaemon:
    """Start the daemon of *project*, as its `.env` says; its models may still be loading.

    *environ* is added to the environment, *python* to the interpreter's options; *limits* are
    those of the daemon that are not as usual.
    """
    port = int(_env_value(project / ".env", "LOCAL_WS_PORT"))
    log, chosen = project / "daemon.log", json.dumps(limits or {})
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, *python, "-m", _PROGRAM, str(project), str(models_dir), chosen],
            cwd=REPOSITORY,
            env={**os.environ, **(environ or {})},
            stdout=output,
            stderr=output,
        )
    _wait_for_port(process, port, log)
    return RunningDaemon(process, port, log)


def _env_value(path: Path, key: str) -> str:
    lines = path.read_text(encoding="utf-8").splitlines()
    return next(line.partition("=")[2] for line in lines if line.startswith(f"{key}="))


def _wait_for_port(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text(encoding="utf-8")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    process.kill()
    raise AssertionError(log.read_text(encoding="utf-8"))

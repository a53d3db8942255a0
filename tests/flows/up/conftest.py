"""Tiny models on a server of the test's own, a profile of them, and `aava up` as a user runs it."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import termios
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from aava_cli.smoke.plan import SENTENCE
from tests.daemon_fixture import REPOSITORY, free_port
from tests.download.server import Server
from tests.tiny_models import write_gguf, write_piper, write_whisper

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

COMMAND_S = 100.0
REPLY = "it rings and then you talk"
PROFILES = """
[profiles.tiny]
description = 'everything, very small'
mode = 'full'
rank = 1000
stt = ['tiny-ear']
tts = ['tiny-voice']
llm = ['tiny-mind']
options = ['llm.context=512']

[profiles.tiny-speech]
mode = 'minimal'
stt = ['tiny-ear']
tts = ['tiny-voice']

[profiles.vast]
mode = 'full'
memory_gb = 900000
stt = ['tiny-ear']
tts = ['tiny-voice']
llm = ['tiny-mind']
"""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended, and what it said."""

    code: int
    stdout: str
    stderr: str

    @property
    def result(self) -> dict[str, Any]:
        """What it answered as JSON."""
        answer: dict[str, Any] = json.loads(self.stdout)
        found: dict[str, Any] = answer["result"]
        return found

    @property
    def error(self) -> dict[str, Any]:
        """What it failed with, as JSON."""
        found: dict[str, Any] = json.loads(self.stdout)["error"]
        return found


def ended(process: subprocess.Popen[str]) -> Ended:
    """Return how *process* ended."""
    stdout, stderr = process.communicate(timeout=COMMAND_S)
    return Ended(process.returncode, stdout, stderr)


def wait_until(reached: Callable[[], bool]) -> None:
    """Return once *reached* says so."""
    deadline = time.monotonic() + COMMAND_S
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def steps_of(ran: Ended) -> dict[str, str | None]:
    """Return what each step of a run changed."""
    return {step["name"]: step["changed"] for step in ran.result["steps"]}


@pytest.fixture
def server() -> Iterator[Server]:
    """Serve files on loopback for one test."""
    running = Server()
    yield running
    running.close()


@pytest.fixture
def tiny_models(own_home: Path, server: Server, tmp_path: Path) -> Server:
    """Have the user's own catalog know three tiny models, which *server* has, and profiles."""
    made = tmp_path / "made"
    write_whisper(made / "stt/ggml-ear.bin", SENTENCE.rstrip("?"))
    write_piper(made / "tts/voice.onnx")
    write_gguf(made / "llm/mind.gguf", REPLY)
    entries = (
        _entry(server, made, "tiny-ear", "whisper_cpp", "stt/ggml-ear.bin"),
        _entry(server, made, "tiny-voice", "piper", "tts/voice.onnx", "tts/voice.onnx.json"),
        _entry(server, made, "tiny-mind", "llama", "llm/mind.gguf"),
    )
    folder = own_home / "config" / "aava"
    folder.mkdir(parents=True)
    (folder / "catalog.toml").write_text("\n".join((*entries, PROFILES)), encoding="utf-8")
    return server


def _entry(server: Server, made: Path, name: str, backend: str, *paths: str) -> str:
    files = []
    for path in paths:
        body = (made / path).read_bytes()
        url = server.serve(f"/{path}", body)
        digest = hashlib.sha256(body).hexdigest()
        files.append(
            f"{{ path = '{path}', sources = ['{url}'], size = {len(body)}, sha256 = '{digest}' }}"
        )
    listed = ", ".join(files)
    return (
        f"[models.{name}]\nbackend = '{backend}'\npath = '{paths[0]}'\nfiles = [{listed}]\n"
        f"approx_mb = 1\n"
    )


@dataclass(frozen=True, slots=True)
class Place:
    """An empty folder on a machine without Docker; its daemon will listen on *port*."""

    folder: Path
    port: int
    path: str

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Begin `aava` *words* in the folder, as a user does, without a terminal."""
        return subprocess.Popen(
            [sys.executable, "-m", "aava_cli", *words],
            cwd=self.folder,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @property
    def environ(self) -> dict[str, str]:
        """What the programs of this machine see."""
        return {**os.environ, "PATH": self.path, "PYTHONPATH": str(REPOSITORY)}

    def run(self, *words: str) -> Ended:
        """Run `aava` *words* in the folder."""
        return ended(self.start(*words))

    def answer(self, typed: str, *words: str) -> tuple[int, str]:
        """Run `aava` *words* on a terminal where *typed* is typed; return its code and words."""
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-m", "aava_cli", *words],
            cwd=self.folder,
            env={**self.environ, "TERM": "dumb"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            # Ctrl-C reaches who has the terminal.
            preexec_fn=_take_terminal,  # noqa: PLW1509 - the child has one thread
            start_new_session=True,
        )
        os.close(theirs)
        said = _read_until(ours, b"[Y/n]: ")
        os.write(ours, typed.encode())
        said += _read_until(ours, None)
        os.close(ours)
        return process.wait(COMMAND_S), said.decode()

    def up(self, *words: str) -> Ended:
        """Run `aava up` with *words*, agreed to, and answered in JSON."""
        return self.run("up", "--yes", "--json", "--port", str(self.port), *words)

    def daemons(self) -> list[int]:
        """Return the processes that run a daemon of the folder."""
        found = []
        for process in psutil.process_iter():
            try:
                words = process.cmdline()
            except psutil.Error:
                continue
            is_serve = words[-1:] == ["serve"] and str(self.folder) in words
            # The shell that records how it ends has the same words behind its own.
            if is_serve and Path(words[0]).name != "sh":
                found.append(process.pid)
        return found

    def end(self) -> None:
        """End every daemon of the folder."""
        for pid in self.daemons():
            process = psutil.Process(pid)
            process.send_signal(signal.SIGTERM)
            process.wait(COMMAND_S)


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _read_until(terminal: int, end: bytes | None) -> bytes:
    """Return what is written to *terminal* until *end*, or until everybody has left it."""
    said = b""
    while end is None or end not in said:
        try:
            said += os.read(terminal, 4096)
        except OSError:
            break
    return said


@pytest.fixture
def place(tmp_path: Path, tiny_models: Server) -> Iterator[Place]:
    """Return an empty folder; the programs of the machine are those that a shell needs."""
    assert tiny_models.files
    programs, folder = tmp_path / "programs", tmp_path / "voice"
    programs.mkdir()
    folder.mkdir()
    for name in ("sh", "mv"):
        (programs / name).symlink_to(str(shutil.which(name)))
    found = Place(folder, free_port(), str(programs))
    yield found
    found.end()

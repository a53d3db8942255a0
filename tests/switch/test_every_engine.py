"""`aava switch` to every engine that installs from a wheel, and back, against a real daemon."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aava_cli import envfile, yamlfile
from aava_cli.backends import BACKENDS, lookup, selected_in
from tests.daemon_fixture import UNMEASURED, start_daemon
from tests.engine_models import SELECTED, answered, heard, hummed_hz, write_models
from tests.switch.conftest import OVERLAY, Project

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Aava

CATALOG = """\
[models.stream]
backend = 'sherpa'
path = 'stt/sherpa-online'
files = [{ path = 'stt/sherpa-online/encoder.onnx', sources = ['file:/none'] }]
options = { type = 'online' }

[models.utterance]
backend = 'sherpa'
path = 'stt/sherpa-offline'
files = [
  { path = 'stt/sherpa-offline/encoder.onnx', sources = ['file:/none'] },
  { path = 'vad/silero_vad.onnx', sources = ['file:/none'] },
]
options = { type = 'offline', vad = 'vad/silero_vad.onnx' }

[models.fast]
backend = 'faster_whisper'
path = 'stt/faster-whisper-tiny'
files = [{ path = 'stt/faster-whisper-tiny/model.bin', sources = ['file:/none'] }]

[models.hum]
backend = 'matcha'
path = 'tts/matcha-icefall-tiny/model-steps-3.onnx'
files = [
  { sources = ['file:/none'] },
  { path = 'tts/matcha-icefall-tiny/vocoder.onnx', sources = ['file:/none'] },
]
options = { vocoder = 'tts/matcha-icefall-tiny/vocoder.onnx' }

[models.crowd]
backend = 'kokoro'
path = 'tts/kokoro'
files = [{ path = 'tts/kokoro/model.onnx', sources = ['file:/none'] }]
options = { mode = 'local', voice = 'am_adam' }
"""


@pytest.fixture(scope="module")
def every_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a models folder with a model for each engine."""
    return write_models(tmp_path_factory.mktemp("every-model"))


@pytest.fixture
def served(project: Path, port: int, every_model: Path) -> Iterator[Project]:
    """Return a project that runs whisper.cpp, Piper and llama.cpp."""
    values = {"LOCAL_WS_PORT": str(port), **SELECTED}
    (project / ".env").write_text("".join(f"{key}={value}\n" for key, value in values.items()))
    (project / "config/ai-agent.local.yaml").write_text(OVERLAY, encoding="utf-8")
    (project / "config/catalog.local.toml").write_text(CATALOG, encoding="utf-8")
    daemon = start_daemon(project, every_model, environ=UNMEASURED)
    daemon.wait_until_loaded()
    yield Project(project, every_model, daemon)
    daemon.stop()


def expect_agreement(served: Project, name: str) -> None:
    """Check that `.env`, YAML and status all say that the backend *name* runs."""
    env, overlay = (data.decode() for data in served.files)
    selection = selected_in(BACKENDS[name], envfile.read(env))
    assert selection.env().items() <= envfile.read(env).items()
    tree, status = yamlfile.load(overlay, name="overlay"), served.daemon.status()
    chosen = {key: lookup(tree, ".".join(key)) for key in selection.yaml()}
    assert selection.yaml() == chosen
    expected = selection.expected()
    assert expected == {dotted: lookup(status, dotted) for dotted in expected}
    assert status["models"][selection.backend.role]["loaded"] is True


WAYS: tuple[tuple[str, str, str, object], ...] = (
    ("stt", "vosk:vosk-model-hello", "whisper_cpp:ggml-first", "hello hello"),
    ("stt", "sherpa:stream", "whisper_cpp:ggml-first", "while you speak"),
    ("stt", "sherpa:utterance", "whisper_cpp:ggml-first", "when you stop"),
    ("stt", "faster_whisper:fast", "whisper_cpp:ggml-first", "fast enough"),
    ("stt", "whisper_cpp:ggml-second", "whisper_cpp:ggml-first", "second"),
    ("tts", "matcha:hum", "piper:first", 1400),
    ("tts", "kokoro:crowd", "piper:first", 400),
    ("tts", "piper:second", "piper:first", 800),
    ("llm", "llama:second", "llama:first", "good day"),
)


@pytest.mark.parametrize(("role", "wish", "back", "sound"), WAYS)
def test_switch_there_and_back(
    aava: Aava, served: Project, role: str, wish: str, back: str, sound: object
) -> None:
    """After each way, files and daemon agree, and the engine does its work."""
    ask = {"stt": heard, "tts": hummed_hz, "llm": answered}[role]
    before = ask(served.daemon)
    for wanted, expected in ((wish, sound), (back, before)):
        run = aava("switch", "--models-dir", str(served.models), f"--{role}", wanted)
        assert (0, "") == (run.exit_code, run.stderr)
        expect_agreement(served, wanted.partition(":")[0])
        assert expected == ask(served.daemon)


def test_every_engine_has_its_way() -> None:
    """An engine that is added is switched to in these tests as well."""
    runnable = {backend.name for backend in BACKENDS.values() if backend.package}
    assert runnable == {wish.partition(":")[0] for _, wish, _, _ in WAYS}

"""What is selected and what runs: real files, a real daemon, a real Compose."""

from __future__ import annotations

import io
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import pytest

from aava_cli.errors import ConfigError
from aava_cli.output import Output
from aava_cli.preflight.facts import ComposeConfig
from aava_cli.preflight.probing.compose import ask_compose
from aava_cli.preflight.probing.models import find_drift, find_selected
from aava_cli.preflight.projectfacts import Drift, Selected
from aava_cli.session import Session
from aava_cli.store import Receipt, ReceiptFile, write_receipt
from tests.daemon_fixture import UNMEASURED, start_daemon
from tests.preflight.test_engine import write_program
from tests.tiny_models import truncate_half, write_gguf, write_piper

if TYPE_CHECKING:
    from pathlib import Path

    from tests.docker_fixture import ComposeProject

ENV = """\
LOCAL_STT_BACKEND=faster_whisper
FASTER_WHISPER_MODEL=base
LOCAL_TTS_BACKEND=piper
LOCAL_TTS_MODEL_PATH=/app/models/tts/low.onnx
LOCAL_LLM_MODEL_PATH=/app/models/llm/first.gguf
"""


def session_of(project: Path) -> Session:
    """Return a session for *project*."""
    return Session({"project": str(project)}, Output(stdout=io.StringIO()))


@pytest.fixture
def selecting(project: Path) -> Path:
    """Return a project whose `.env` selects a model per role, all of them there."""
    write_piper(project / "models/tts/low.onnx")
    write_gguf(project / "models/llm/first.gguf")
    with (project / ".env").open("a") as env:
        env.write(ENV)
    return project


def test_models_that_are_there_and_whole_are_fine(selecting: Path) -> None:
    """One that the engine brings itself is believed."""
    assert find_selected(session_of(selecting)) == (
        Selected("stt", "faster_whisper:base"),
        Selected("llm", "llama:first.gguf"),
        Selected("tts", "piper:low.onnx"),
    )


def test_an_engine_that_nobody_knows_is_named(project: Path) -> None:
    """With those that are called nearly so."""
    (project / ".env").write_text("LOCAL_STT_BACKEND=voks\n")
    (found,) = find_selected(session_of(project))
    assert (found.role, found.name) == ("stt", "voks")
    assert (found.problem or "").startswith("no engine is called `voks`; nearest: `vosk`")
    assert found.fix == "run `aava backends` to see every engine"


def test_nothing_selected_is_nothing_to_look_at(project: Path) -> None:
    """The daemon has defaults of its own."""
    assert find_selected(session_of(project)) == ()


def test_a_language_model_is_not_missed_where_none_is_run(selecting: Path) -> None:
    """In its minimal mode the daemon loads none."""
    (selecting / "models/llm/first.gguf").unlink()
    with (selecting / ".env").open("a") as env:
        env.write("LOCAL_AI_MODE=minimal\n")
    assert [each.role for each in find_selected(session_of(selecting))] == ["stt", "tts"]


def test_models_that_are_gone_or_cut_short_are_named(selecting: Path) -> None:
    """With the way to get them again."""
    (selecting / "models/tts/low.onnx").unlink()
    truncate_half(selecting / "models/llm/first.gguf")
    _stt, llm, tts = find_selected(session_of(selecting))
    assert "there is no" in (tts.problem or "")
    assert tts.fix == "run `aava models pull low.onnx`"
    assert llm.problem is not None
    assert str(selecting / "models/llm/first.gguf") in llm.problem


def test_what_was_pulled_is_compared_by_size_and_not_read_again(selecting: Path) -> None:
    """Other bytes of the same size are for `aava models verify` to find."""
    session, path = session_of(selecting), PurePosixPath("llm/first.gguf")
    size = (selecting / "models" / path).stat().st_size
    other = "0" * 64
    file = ReceiptFile(path, size, other, "url", "catalog", other)
    write_receipt(session.settings, Receipt("first", (file,), "2026-01-01", "test"))
    assert all(each.problem is None for each in find_selected(session))
    grown = ReceiptFile(path, size + 1, other, "url", "catalog", other)
    write_receipt(session.settings, Receipt("first", (grown,), "2026-01-01", "test"))
    assert "another size" in (find_selected(session)[1].problem or "")


def test_files_that_agree_are_no_drift(selecting: Path) -> None:
    """Without a daemon, only they are compared."""
    assert find_drift(session_of(selecting)) == Drift((), (), answers=False)


def test_an_overlay_that_names_another_model_is_a_drift(selecting: Path) -> None:
    """The engine shows that one."""
    overlay = selecting / "config/ai-agent.local.yaml"
    overlay.write_text("providers:\n  local:\n    tts_backend: piper\n    tts_voice: /x/a.onnx\n")
    found = find_drift(session_of(selecting))
    assert found.notes == ("tts: drift: the YAML overlay names another model",)
    assert found.remedies == ("aava switch --tts piper",)


def test_a_daemon_that_runs_another_model_is_a_drift(project: Path) -> None:
    """It was started before `.env` was changed."""
    for name in ("first", "second"):
        write_gguf(project / f"models/llm/{name}.gguf")
    env = project / ".env"
    before = env.read_text()
    env.write_text(f"{before}LOCAL_LLM_MODEL_PATH=/app/models/llm/first.gguf\n")
    daemon = start_daemon(project, project / "models", environ=UNMEASURED)
    try:
        daemon.wait_until_loaded()
        assert find_drift(session_of(project)).answers
        env.write_text(f"{before}LOCAL_LLM_MODEL_PATH=/app/models/llm/second.gguf\n")
        found = find_drift(session_of(project))
    finally:
        daemon.stop()
    assert found.remedies == ("aava switch --llm llama",)
    assert any("runs another model" in note for note in found.notes)


def compose_project(folder: Path, text: str) -> Session:
    """Write the Compose project *text* to *folder*, and return a session for it."""
    (folder / "docker-compose.yml").write_text(text)
    return session_of(folder)


def test_without_docker_or_compose_files_nobody_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is nothing to be read."""
    write_program(tmp_path, "docker", "exit 1")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert ask_compose(session_of(tmp_path)) is None
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    service = "services:\n  local_ai_server:\n    image: x\n"
    assert ask_compose(compose_project(tmp_path, service)) is None


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("exit 0", ComposeConfig()),
        (
            "exit 3",
            ComposeConfig(problem="`docker compose config` failed: no reason given"),
        ),
        (
            "echo one >&2; echo two s3cret-token >&2; exit 15",
            ComposeConfig(problem="`docker compose config` failed: two ***"),
        ),
        (
            'echo \'time="x" level=warning msg="The \\"A\\" is not set"\' >&2',
            ComposeConfig(warnings=('The "A" is not set',)),
        ),
    ],
)
def test_what_compose_says_is_taken_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, expected: ComposeConfig
) -> None:
    """Its last line is the reason, and no secret is in it."""
    write_program(tmp_path, "docker", script)
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / ".env").write_text("LOCAL_WS_AUTH_TOKEN=s3cret-token\n")
    service = "services:\n  local_ai_server:\n    image: x\n"
    assert ask_compose(compose_project(tmp_path, service)) == expected


def test_a_real_compose_reads_a_good_project(shell_project: ComposeProject) -> None:
    """And says which line of a bad one is wrong; an empty variable is a warning."""
    session = session_of(shell_project.folder)
    assert ask_compose(session) == ComposeConfig()
    file = shell_project.folder / "docker-compose.yml"
    good = file.read_text()
    file.write_text(good.replace("tty: true", "tty: true\n    hostname: a${AAVA_NOWHERE}"))
    warned = ask_compose(session)
    assert warned is not None
    assert "AAVA_NOWHERE" in warned.warnings[0]
    file.write_text(good.replace("tty: true", "tty: [true"))
    broken = ask_compose(session)
    assert broken is not None
    assert "yaml" in (broken.problem or "")


def test_an_env_file_that_does_not_parse_is_told_once(tmp_path: Path) -> None:
    """By the check of `.env`; the selection is unknown."""
    (tmp_path / ".env").write_text("A: b\n")
    with pytest.raises(ConfigError):
        find_selected(session_of(tmp_path))

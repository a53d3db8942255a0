"""`aava status`: selection beside runtime, in text and JSON, and what it exits with."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from aava_cli import __version__
from aava_cli.daemon.overview import TIMEOUT_S, project_status
from aava_cli.files import exclusive_lock
from aava_cli.journal import Journal, Record
from tests.daemon.conftest import FakeDaemon, raw_server, status_of

if TYPE_CHECKING:
    from pathlib import Path

    from aava_cli.session import Session
    from tests.conftest import Aava


def select(project: Path, backend: str, path: str) -> None:
    """Write a speech-to-text selection to `.env`."""
    with (project / ".env").open("a") as file:
        file.write(f"LOCAL_STT_BACKEND={backend}\nLOCAL_STT_MODEL_PATH={path}\n")


def answer_of(aava: Aava, exit_code: int = 0) -> dict[str, Any]:
    """Return the JSON of `aava status`, which ends with *exit_code*."""
    ran = aava("status", "--json")
    assert (exit_code, "") == (ran.exit_code, ran.stderr)
    answer: dict[str, Any] = json.loads(ran.stdout)
    return answer


def rows_of(stdout: str) -> dict[str, list[str]]:
    """Return the cells of the table by role."""
    lines = [line.split(maxsplit=3) for line in stdout.splitlines()]
    return {cells[0]: cells[1:] for cells in lines if cells[0] in ("stt", "llm", "tts")}


def test_selection_and_runtime_agree(
    aava: Aava, daemon: FakeDaemon, project: Path, port: int
) -> None:
    """Both sides are shown, and where the daemon is."""
    select(project, "vosk", "/app/models/stt/small")
    daemon.running = status_of("vosk", "/app/models/stt/small")
    ran = aava("status")
    assert (0, "") == (ran.exit_code, ran.stderr)
    assert f"project  {project}" in ran.stdout
    assert f"daemon   local_ai_server at ws://127.0.0.1:{port}" in ran.stdout
    assert ["vosk:small", "vosk:small", "loaded"] == rows_of(ran.stdout)["stt"]
    assert ["-", "-"] == rows_of(ran.stdout)["llm"][:2]


def test_drift_is_named(aava: Aava, daemon: FakeDaemon, project: Path) -> None:
    """Someone else switched the daemon, or edited `.env`."""
    select(project, "vosk", "/app/models/stt/small")
    daemon.running = status_of("vosk", "/app/models/stt/large")
    ran = aava("status")
    assert ran.exit_code == 0
    assert rows_of(ran.stdout)["stt"] == [
        "vosk:small",
        "vosk:large",
        "drift: the daemon runs another model than `.env` selects",
    ]


def test_json_has_both_sides(aava: Aava, daemon: FakeDaemon, project: Path) -> None:
    """A program sees the drift as two values."""
    select(project, "vosk", "/app/models/stt/small")
    daemon.running = status_of("vosk", "/app/models/stt/large")
    answer = answer_of(aava)
    assert (1, "status", True) == (answer["schema"], answer["command"], answer["ok"])
    stt = next(role for role in answer["result"]["roles"] if role["role"] == "stt")
    assert stt == {
        "role": "stt",
        "selected": "vosk:small",
        "running": "vosk:large",
        "loaded": True,
        "loading": False,
        "drift": True,
        "error": None,
    }


def test_native_daemon_tells_its_version(aava: Aava, daemon: FakeDaemon) -> None:
    """The two kinds of daemon are told apart."""
    daemon.running = {**status_of("vosk", "/a"), "version": __version__}
    assert f"aava serve {__version__} at ws://" in aava("status").stdout
    assert answer_of(aava)["result"]["version"] == __version__


@pytest.mark.parametrize("name", ["whisper_cpp", "vosk"])
def test_error_and_missing_load_are_shown(name: str, aava: Aava, daemon: FakeDaemon) -> None:
    """A degraded daemon says what failed."""
    daemon.running = status_of(name, "/a/b", loaded=False, stt="no such file")
    assert rows_of(aava("status").stdout)["stt"] == ["-", f"{name}:b", "no such file"]
    daemon.running = status_of(name, "/a/b", loaded=False)
    assert rows_of(aava("status").stdout)["stt"] == ["-", f"{name}:b", "not loaded"]
    assert answer_of(aava)["result"]["degraded"] is False


def test_daemon_that_is_down_leaves_the_selection(aava: Aava, project: Path, port: int) -> None:
    """Exit 11, and still what `.env` selects."""
    select(project, "vosk", "/app/models/stt/small")
    ran = aava("status")
    assert ran.exit_code == 11
    assert f"error: nothing listens at ws://127.0.0.1:{port}\n" in ran.stderr
    assert "daemon   not answering" in ran.stdout
    assert ["vosk:small", "-"] == rows_of(ran.stdout)["stt"][:2]
    answer = answer_of(aava, 11)
    assert ("daemon-unreachable", True) == (answer["error"]["code"], answer["error"]["retryable"])
    assert answer["result"]["roles"][0]["selected"] == "vosk:small"


@pytest.mark.usefixtures("daemon")
def test_interrupted_change_is_told_first(aava: Aava, project: Path) -> None:
    """Exit 4, with the command to run."""
    Journal(project / ".aava").write(Record("aava switch", 0.0, 1), ())
    ran = aava("status")
    assert (4, "error: a change was interrupted\nhint:  run `aava recover`\n") == (
        ran.exit_code,
        ran.stderr,
    )
    answer = answer_of(aava, 4)
    assert (True, "recovery-due") == (answer["result"]["recovery_due"], answer["error"]["code"])


def test_interrupted_change_outweighs_a_daemon_that_is_down(aava: Aava, project: Path) -> None:
    """The recovery may be what brings it back."""
    Journal(project / ".aava").write(Record("aava switch", 0.0, 1), ())
    assert aava("status").exit_code == 4


@pytest.mark.usefixtures("daemon")
def test_change_under_way_is_no_interruption(aava: Aava, project: Path) -> None:
    """While its lock is held the journal is the work of a living command."""
    Journal(project / ".aava").write(Record("aava switch", 0.0, 1), ())
    with exclusive_lock(project / ".aava" / "lock", command="aava switch --stt vosk"):
        ran = aava("status")
        answer = answer_of(aava)
    assert (0, "") == (ran.exit_code, ran.stderr)
    assert "`aava switch --stt vosk` (pid" in ran.stdout
    assert (False, True) == (answer["result"]["recovery_due"], answer["ok"])


def test_wrong_token_is_exit_12(aava: Aava, daemon: FakeDaemon) -> None:
    """A daemon that wants another token is neither down nor known."""
    daemon.token = "right"  # noqa: S105 - a test's own
    assert aava("status").exit_code == 12


def test_project_without_env_is_not_found(aava: Aava, project: Path) -> None:
    """Exit 10, and how to set one up."""
    (project / ".env").unlink()
    ran = aava("status")
    assert ran.exit_code == 10
    assert "aava init" in ran.stderr


def test_env_that_does_not_parse_names_its_line(aava: Aava, project: Path) -> None:
    """Nothing is guessed from a broken file."""
    (project / ".env").write_bytes(b"A=1\n\xff\n")
    ran = aava("status")
    assert ran.exit_code == 1
    assert f"{project}/.env:2: expected UTF-8 text" in ran.stderr


def test_status_changes_no_file(aava: Aava, project: Path) -> None:
    """Looking is free."""
    before = {path: path.stat().st_mtime_ns for path in project.rglob("*")}
    aava("status")
    assert before == {path: path.stat().st_mtime_ns for path in project.rglob("*")}


def test_model_that_is_being_loaded_is_said_to_be(
    aava: Aava, daemon: FakeDaemon, project: Path
) -> None:
    """The native daemon answers while it loads."""
    select(project, "vosk", "/app/models/stt/small")
    daemon.running = status_of("vosk", "/app/models/stt/small", loaded=False) | {"loading": ["stt"]}
    assert rows_of(aava("status").stdout)["stt"] == ["vosk:small", "vosk:small", "loading"]


def test_daemon_that_is_stopped_costs_no_minute(session: Session, port: int) -> None:
    """It accepts connections and says nothing; the rest is shown."""
    with raw_server(port, None):
        shown = project_status(session, timeout_s=0.2)
    assert TIMEOUT_S <= 10
    assert "did not answer in 0.2 s" in shown.daemon
    failure = shown.failure()
    assert failure is not None
    assert failure.exit_code == 11

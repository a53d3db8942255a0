"""`aava status`: selection beside runtime, in text and JSON, and what it exits with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from aava_cli import __version__
from aava_cli.daemon.environment import container_environment, process_environment
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
    assert "to make them agree: aava switch --stt vosk\n" in ran.stdout


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
        "overlay": None,
        "container": None,
        "process": None,
        "running": "vosk:large",
        "loaded": True,
        "loading": False,
        "drift": True,
        "differs": ["running"],
        "error": None,
    }
    assert (True, ["aava switch --stt vosk"]) == (
        answer["result"]["drift"],
        answer["result"]["hints"],
    )


def test_overlay_is_compared_where_it_names_a_model(
    aava: Aava, daemon: FakeDaemon, project: Path
) -> None:
    """Whoever edits one file forgets the other."""
    select(project, "vosk", "/app/models/stt/small")
    daemon.running = status_of("vosk", "/app/models/stt/small")
    overlay = project / "config" / "ai-agent.local.yaml"
    overlay.write_text("providers:\n  local:\n    stt_backend: vosk\n    stt_model: /m/large\n")
    ran = aava("status")
    assert ran.exit_code == 0
    header = next(line for line in ran.stdout.splitlines() if line.startswith("role"))
    assert header.split() == ["role", "selected", "overlay", "running"]
    assert "drift: the YAML overlay names another model" in ran.stdout
    assert answer_of(aava)["result"]["roles"][0]["differs"] == ["overlay"]
    for text in ("providers:\n  local: none\n", "# c\n", "providers: {local: {stt_model: x}}\n"):
        overlay.write_text(text)
        assert answer_of(aava)["result"]["drift"] is False


def write_docker(folder: Path, project: Path, env: tuple[str, ...], *, exit_code: int = 0) -> None:
    """Write a `docker` that knows two containers of the service; one is of *project*."""
    label = "com.docker.compose.project.working_dir"
    configurations = (
        {"Env": ["LOCAL_STT_BACKEND=no"], "Labels": {label: "/elsewhere"}},
        {"Env": env, "Labels": {label: str(project)}},
    )
    described = ("WARNING: old client", *map(json.dumps, configurations))
    (folder / "described").write_text("\n".join(described) + "\n")
    program = folder / "docker"
    program.write_text(
        "#!/bin/sh\n"
        f"[ {exit_code} = 0 ] || exit {exit_code}\n"
        'case "$1" in ps) echo one; echo two;; inspect) cat "$(dirname "$0")/described";; esac\n'
    )
    program.chmod(0o755)


@pytest.fixture
def bin_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder whose programs are found first."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


def test_container_that_was_made_with_another_model_drifts(
    aava: Aava, daemon: FakeDaemon, project: Path, bin_folder: Path
) -> None:
    """A restart would bring the old model back; only another container reads `.env` again."""
    select(project, "vosk", "/app/models/stt/small")
    daemon.running = status_of("vosk", "/app/models/stt/small")
    env = ("PATH=/bin", "LOCAL_STT_BACKEND=vosk", "LOCAL_STT_MODEL_PATH=/app/models/stt/old", "X")
    write_docker(bin_folder, project, env)
    assert answer_of(aava)["result"]["roles"][0]["container"] is None
    (project / "docker-compose.yml").write_text("services:\n  local_ai_server:\n    image: x\n")
    ran = aava("status")
    assert (0, "") == (ran.exit_code, ran.stderr)
    assert "drift: the container was made with another model" in ran.stdout
    assert "agree: docker compose up -d --no-build --force-recreate local_ai_server" in ran.stdout
    stt = answer_of(aava)["result"]["roles"][0]
    assert ("vosk:old", "vosk:small", ["container"]) == (
        stt["container"],
        stt["running"],
        stt["differs"],
    )


@pytest.mark.usefixtures("daemon")
def test_engine_that_does_not_answer_is_passed_over(
    aava: Aava, project: Path, bin_folder: Path
) -> None:
    """It fails, it is not there, it is slow, or it knows no container of this project."""
    (project / "docker-compose.yml").write_text("services:\n  local_ai_server:\n    image: x\n")
    write_docker(bin_folder, project, (), exit_code=1)
    assert answer_of(aava)["result"]["roles"][0]["container"] is None
    (bin_folder / "docker").write_text("#!/bin/sh\nexec sleep 60\n")
    assert container_environment(project, timeout_s=0.1) is None
    (bin_folder / "docker").write_text("no program")
    assert container_environment(project) is None
    write_docker(bin_folder, project / "moved", ())
    assert container_environment(project) is None


def waiting(environ: dict[str, str]) -> subprocess.Popen[bytes]:
    """Return a process that waits, once the kernel knows its environment."""
    words = [sys.executable, "-c", "print(flush=True); input()"]
    process = subprocess.Popen(words, env=environ, stdin=-1, stdout=-1)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def test_process_of_the_native_daemon_is_looked_at() -> None:
    """Its own environment, if it is the process that it says and not a namesake."""
    environ = {"PATH": os.environ["PATH"], "LOCAL_STT_BACKEND": "vosk"}
    with waiting(environ) as process:
        own = {"version": "1", "pid": process.pid, "uptime_s": 0.0}
        assert environ == process_environment(own)
        assert process_environment({**own, "uptime_s": 9e9}) is None
        assert process_environment({**own, "pid": None}) is None
        assert process_environment({"pid": process.pid}) is None
        process.kill()
    assert process_environment(own) is None


def test_status_shows_the_environment_of_a_native_daemon(
    aava: Aava, daemon: FakeDaemon, project: Path
) -> None:
    """What `.env` says wins over it, so it is no drift."""
    select(project, "vosk", "/app/models/stt/small")
    environ = {"LOCAL_STT_BACKEND": "vosk", "LOCAL_STT_MODEL_PATH": "/app/models/stt/old"}
    with waiting(environ) as process:
        daemon.running = {
            **status_of("vosk", "/app/models/stt/small"),
            "version": "1",
            "pid": process.pid,
            "uptime_s": 0.0,
        }
        stt = answer_of(aava)["result"]["roles"][0]
        process.kill()
    assert ("vosk:old", False) == (stt["process"], stt["drift"])


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
    # The original daemon keeps quiet about some models that failed.
    assert answer_of(aava)["result"]["degraded"] is True


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

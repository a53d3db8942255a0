"""What can stand in the way of `aava up`, and how it says so."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from aava_cli.daemon.loads import LoadTimes
from aava_cli.daemon.serving import start_name, wait_until_loaded
from aava_cli.daemon.step import Terms
from aava_cli.errors import DaemonUnreachable, NoSpace
from aava_cli.files import exclusive_lock
from aava_cli.flows.up.apply import apply_up
from aava_cli.flows.up.look import choose_place, find_host
from aava_cli.flows.up.plan import plan_up
from aava_cli.flows.up.remembering import Remembered, remember
from aava_cli.journal import Journal, Record
from aava_cli.output import Output
from aava_cli.session import Session
from aava_cli.settings import Settings, default_project
from tests.daemon_fixture import free_port
from tests.flows.up.conftest import steps_of, wait_until
from tests.flows.up.test_plan import CHOSEN, DONE, pull

if TYPE_CHECKING:
    from pathlib import Path

    from tests.flows.up.conftest import Place

pytestmark = pytest.mark.timeout(400)

CARD = """#!/bin/sh
for word in "$@"; do case $word in --query-gpu=*) fields=${word#--query-gpu=};; esac; done
IFS=,
for field in $fields; do
  case $field in
    name) value="Card";;
    memory.total) value=TOTAL;;
    memory.free) value=FREE;;
    compute_cap) value=8.6;;
    driver_version) value=550.90.07;;
    *) value="[N/A]";;
  esac
  printf '%s%s' "$comma" "$value"
  comma=', '
done
echo
"""


def put_card(folder: Path, total: str, free: str) -> None:
    """Have `nvidia-smi` in *folder* tell of one card."""
    program = folder / "nvidia-smi"
    program.write_text(CARD.replace("TOTAL", total).replace("FREE", free), encoding="utf-8")
    program.chmod(0o755)


def test_second_up_is_told_who_is_at_work(place: Place) -> None:
    """It changes nothing, and may be tried again."""
    assert 0 == place.run("init", "--port", str(place.port)).code
    lock = place.folder / ".aava" / "up.lock"
    with exclusive_lock(lock, command="aava up --profile other"):
        second = place.up()
    assert (5, True) == (second.code, "aava up --profile other" in second.error["message"])
    assert [] == list(place.folder.glob("models/*/*"))


def test_daemon_that_does_not_start_is_told_with_its_reason(place: Place) -> None:
    """What the daemon said is the error, with the step; the next run goes on."""
    assert 0 == place.run("init", "--port", str(place.port)).code
    with exclusive_lock(place.folder / ".aava" / "serve.lock", command="aava serve --by-hand"):
        failed = place.up()
    assert 5 == failed.code, failed.stdout
    assert failed.error["message"].startswith("step 3 of 5, start: `aava serve --by-hand`")
    assert 0 == place.up().code


def test_daemon_of_somebody_else_is_not_ended(place: Place) -> None:
    """One in another mode has to be started again by whoever started it."""
    assert 0 == place.run("init", "--port", str(place.port)).code
    words = [sys.executable, "-m", "aava_cli", "--project", str(place.folder), "serve"]
    with subprocess.Popen(words, env=place.environ, stderr=subprocess.DEVNULL) as daemon:
        wait_until(lambda: place.run("status").code == 0)
        failed = place.up("--profile", "tiny-speech")
        assert (1, None) == (failed.code, daemon.poll()), failed.stderr
        assert "`aava up` did not start it" in failed.error["message"]
        assert "LOCAL_AI_MODE=full\n" in (place.folder / ".env").read_text(encoding="utf-8")
        # What it can do as it is, it does.
        done = place.up("--profile", "tiny")
        assert (0, None) == (done.code, daemon.poll()), done.stderr
        assert (None, True) == (steps_of(done)["start"], bool(steps_of(done)["switch"]))
        daemon.terminate()


def test_named_daemon_that_is_not_there_is_not_started_elsewhere(place: Place) -> None:
    """Only `.env` says where a daemon is to be started."""
    refused = place.up("--daemon", f"ws://127.0.0.1:{place.port}")
    assert (9, True) == (refused.code, "nothing listens at" in refused.error["message"])
    assert [] == list(place.folder.iterdir())


def test_compose_project_without_docker_is_served_natively(place: Place) -> None:
    """And with the address that its `.env` will have."""
    text = "services:\n  local_ai_server: {}\n"
    (place.folder / "docker-compose.yml").write_text(text, encoding="utf-8")
    example = f"LOCAL_WS_PORT={place.port}\n"
    (place.folder / ".env.example").write_text(example, encoding="utf-8")
    shown = place.run("up", "--dry-run", "--json")
    assert (0, "native") == (shown.code, shown.result["way"]), shown.stdout


def test_project_of_the_user_is_worked_on_from_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without one, the current folder is to become a project."""
    monkeypatch.chdir(tmp_path)
    session = Session({}, Output())
    choose_place(session)
    assert tmp_path == session.settings.project
    default = default_project()
    default.mkdir(parents=True)
    (default / ".env").touch()
    session = Session({}, Output())
    choose_place(session)
    # An `.env` alone is that of some other program.
    assert tmp_path == session.settings.project
    (default / ".aava").mkdir()
    session = Session({}, Output())
    choose_place(session)
    assert default == session.settings.project


def test_gpu_counts_with_the_memory_that_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own, or the host's where it has none."""
    monkeypatch.setenv("PATH", str(tmp_path))
    settings = Settings(tmp_path, tmp_path / "models")
    assert () == find_host(settings, "native", None).memory.gpus
    put_card(tmp_path, "24564", "24100")
    (gpu,) = find_host(settings, "native", None).memory.gpus
    assert (24564 << 20, 24100 << 20, False) == (gpu.total_bytes, gpu.free_bytes, gpu.is_unified)
    put_card(tmp_path, "[N/A]", "[N/A]")
    there = find_host(settings, "native", None).memory
    assert (there.total_bytes, True) == (there.gpus[0].total_bytes, there.gpus[0].is_unified)


def test_no_room_is_known_before_anything_is_begun(tmp_path: Path) -> None:
    """The folder stays as it was."""
    full = replace(pull("fetch", "fetch"), free_bytes=1)
    plan = plan_up(CHOSEN, replace(DONE, project=tmp_path, pull=full))
    with pytest.raises(NoSpace):
        apply_up(Session({"project": str(tmp_path)}, Output()), plan, Terms())
    assert [] == list(tmp_path.iterdir())


def test_daemon_that_is_never_ready_is_given_up(project: Path) -> None:
    """The wait has an end, and says that it may be a large model."""
    session = Session({"project": str(project)}, Output())
    with pytest.raises(DaemonUnreachable, match=r"is not ready after 0\.3 s"):
        wait_until_loaded(session, 0.3)


def test_start_is_given_the_time_that_its_models_took(project: Path) -> None:
    """Others are unknown: a small model says nothing of a large one."""
    env = {"LOCAL_LLM_BACKEND": "llama", "LOCAL_LLM_MODEL_PATH": "/app/models/llm/small.gguf"}
    small, large = start_name(env), start_name({**env, "LOCAL_LLM_MODEL_PATH": "/large.gguf"})
    assert "small.gguf" in small
    assert "small.gguf" not in start_name({**env, "LOCAL_AI_MODE": "minimal"})
    (project / ".aava").mkdir(exist_ok=True)
    loads = LoadTimes(project / ".aava")
    loads.note((small,), 2.0)
    assert (60.0, 600.0) == (loads.deadline_s((small,)), loads.deadline_s((large,)))


def test_change_that_is_under_way_is_none_to_recover_from(place: Place) -> None:
    """Another command is waited for, before anything is asked or promised."""
    assert 0 == place.run("init", "--port", str(place.port)).code
    journal = Journal(place.folder / ".aava")
    journal.write(Record("aava switch", 1.0, 1), ())
    with exclusive_lock(place.folder / ".aava" / "lock", command="aava switch --slow"):
        refused = place.run("up", "--dry-run", "--json")
    assert (5, True) == (refused.code, "aava switch --slow" in refused.error["message"])
    shown = place.run("up", "--dry-run", "--json")
    assert "recover" == shown.result["steps"][0]["name"]


def test_port_of_a_made_project_is_not_ignored(place: Place) -> None:
    """It is written where none is said, and another one is refused."""
    assert 0 == place.run("init", "--port", str(place.port)).code
    other = free_port()
    refused = place.run("up", "--dry-run", "--json", "--port", str(other))
    assert (2, True) == (refused.code, str(place.port) in refused.error["message"])
    env = place.folder / ".env"
    env.write_text("LOCAL_AI_MODE=full\n", encoding="utf-8")
    shown = place.run("up", "--dry-run", "--json", "--port", str(other))
    assert f"`LOCAL_WS_PORT` becomes `{other}`; it is not set" == shown.result["steps"][0]["what"]
    assert 0 == place.run("up", "--yes", "--port", str(other), "--profile", "tiny-speech").code
    assert f"LOCAL_WS_PORT={other}" in env.read_text(encoding="utf-8")
    env.write_text("LOCAL_AI_MODE=minimal\n", encoding="utf-8")
    refused = place.run("up", "--dry-run", "--json", "--port", str(free_port()))
    assert (2, True) == (refused.code, "runs already" in refused.error["message"])


def test_env_alone_is_no_project(place: Place) -> None:
    """It stays as it is, but for what the daemon needs."""
    (place.folder / ".env").write_text("WEB_PORT=80\n", encoding="utf-8")
    shown = place.run("up", "--dry-run", "--json", "--port", str(place.port))
    assert shown.result["steps"][0]["what"].startswith("make `"), shown.stdout


def test_model_that_left_the_catalog_asks_for_a_profile(place: Place, own_home: Path) -> None:
    """What was chosen before cannot be gone on with."""
    assert 0 == place.run("init", "--port", str(place.port)).code
    settings = Settings(place.folder, place.folder / "models")
    chosen = replace(CHOSEN, pulls=("tiny-ear", "long-gone"))
    remember(settings, Remembered(chosen, is_proven=True))
    assert own_home.exists()
    refused = place.run("up", "--dry-run", "--json")
    assert (10, True) == (refused.code, "aava up --profile" in refused.error["hint"])
    assert "has left the catalog" in refused.error["message"]
    assert 0 == place.run("up", "--dry-run", "--profile", "tiny").code
    kept = place.folder / ".aava/up.json"
    kept.write_text(json.dumps({"chosen": {"models": 5}, "is_proven": True}), encoding="utf-8")
    assert 0 == place.run("up", "--dry-run").code

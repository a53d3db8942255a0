"""`aava switch` against a real daemon with real engines and tiny models."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from aava_cli.files import exclusive_lock
from tests.conftest import free_port
from tests.daemon_fixture import DEADLINE_S, UNMEASURED, start_daemon

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Aava, Ran
    from tests.switch.conftest import Project

ALL_THREE = (
    *("--stt", "whisper_cpp:ggml-goodbye"),
    *("--llm", "second"),
    *("--tts", "piper:high"),
)


@pytest.fixture
def switch(aava: Aava, served: Project) -> Aava:
    """Run `aava switch` on the served project."""

    def run(*arguments: str) -> Ran:
        return aava("switch", "--models-dir", str(served.models), *arguments)

    return run


def test_three_roles_change_together(switch: Aava, served: Project) -> None:
    """One command changes files and daemon for all three roles."""
    run = switch(*ALL_THREE)
    assert (0, "") == (run.exit_code, run.stderr)
    assert ("ggml-goodbye.bin", "second.gguf", "high.onnx") == served.running()
    assert "good day" == served.reply()
    env, overlay = (data.decode() for data in served.files)
    assert "WHISPER_CPP_MODEL_PATH=/app/models/stt/ggml-goodbye.bin\n" in env
    assert "whisper_cpp_model_path: /app/models/stt/ggml-goodbye.bin" in overlay
    assert "tts_voice: /app/models/tts/high.onnx" in overlay


def test_only_the_needed_lines_differ(switch: Aava, served: Project) -> None:
    """A switch of one role leaves every other line of both files as it was."""
    before = [data.splitlines() for data in served.files]
    assert 0 == switch("--llm", "second").exit_code
    after = [data.splitlines() for data in served.files]
    differing = [(a, b) for a, b in zip(before[0], after[0], strict=True) if a != b]
    assert [
        (
            b"LOCAL_LLM_MODEL_PATH=/app/models/llm/first.gguf",
            b"LOCAL_LLM_MODEL_PATH=/app/models/llm/second.gguf",
        )
    ] == differing
    assert before[1] == after[1]


def test_the_same_switch_again_changes_and_reloads_nothing(switch: Aava, served: Project) -> None:
    """Re-running is a no-op: same files, same processes, exit 0."""
    switch(*ALL_THREE)
    before = served.files, served.daemon.status()["models"]
    run = switch(*ALL_THREE, "--json")
    assert {"changes": [], "way": "files", "reloaded": False} == json.loads(run.stdout)["result"]
    assert (0, before) == (run.exit_code, (served.files, served.daemon.status()["models"]))


def test_half_a_file_is_caught_before_the_daemon_is_asked(switch: Aava, served: Project) -> None:
    """A truncated GGUF is exit 7, and nothing moved."""
    before = served.files
    log = served.daemon.log.read_bytes()
    run = switch("--llm", "llama:half")
    assert (7, before, "hi there") == (run.exit_code, served.files, served.reply())
    assert log == served.daemon.log.read_bytes()


def test_a_model_that_only_the_engine_rejects_is_rolled_back(switch: Aava, served: Project) -> None:
    """A load that fails is exit 3: files byte for byte as before, the old model answering."""
    before = served.files
    run = switch("--llm", "incomplete")
    assert (3, before, "hi there") == (run.exit_code, served.files, served.reply())
    assert "the previous configuration is active again" in run.stderr
    assert ("ggml-hello.bin", "first.gguf", "low.onnx") == served.running()


def test_one_bad_model_keeps_all_three_roles(switch: Aava, served: Project) -> None:
    """A switch of several roles is all or nothing."""
    before = served.files
    run = switch("--tts", "high", "--stt", "ggml-goodbye", "--llm", "incomplete")
    assert (3, before) == (run.exit_code, served.files)
    assert ("ggml-hello.bin", "first.gguf", "low.onnx") == served.running()


def test_dry_run_shows_the_plan_and_touches_nothing(switch: Aava, served: Project) -> None:
    """The plan names files, keys and old and new values."""
    before = served.files
    run = switch(*ALL_THREE, "--dry-run")
    assert (0, before) == (run.exit_code, served.files)
    assert ("ggml-hello.bin", "first.gguf", "low.onnx") == served.running()
    assert "LOCAL_LLM_MODEL_PATH" in run.stdout
    assert not (served.folder / ".aava" / "journal.json").exists()


def test_dry_run_of_what_already_is_says_so(switch: Aava) -> None:
    """Nothing to change is said in words."""
    run = switch("--llm", "first", "--stt", "whisper_cpp", "--tts", "piper:low", "--dry-run")
    assert "aava_cli" not in run.stderr
    assert 0 == run.exit_code


@pytest.mark.parametrize(
    ("arguments", "exit_code", "said"),
    [
        ((), 2, "nothing to switch"),
        (("--stt", "whisper_cp"), 10, "nearest"),
        (("--stt", "whispr:ggml-hello"), 10, "`whisper_cpp`"),
        (("--llm", "llama:no-such"), 10, "nearest"),
        (("--tts", "smollm2-135m"), 2, "--llm smollm2-135m"),
        (("--stt", "piper:low"), 10, "stt backend"),
        (("--llm", "openai-cloud"), 1, "cloud"),
        (("--llm", "smollm2-135m"), 10, "aava models pull"),
        (("--tts", "melotts"), 1, "`aava serve` has no engine for `melotts`"),
        (("--stt", "kroko:cloud"), 1, "`aava serve` has no engine for `kroko`"),
        (("--tts", "melotts"), 1, "choose one of `piper`, `kokoro`, `matcha`"),
        (("--stt", ""), 2, "`--stt` names nothing"),
    ],
)
def test_wrong_wishes_are_refused_before_anything_is_touched(
    switch: Aava, served: Project, arguments: tuple[str, ...], exit_code: int, said: str
) -> None:
    """Each refusal has its exit code and says what to do."""
    before = served.files
    run = switch(*arguments)
    assert (exit_code, before) == (run.exit_code, served.files)
    assert said in run.stderr


def test_backend_without_a_model_says_how_to_get_one(
    switch: Aava, served: Project, tmp_path: Path
) -> None:
    """Exit 10 names the list of what could be pulled."""
    before = served.files
    run = switch("--tts", "piper", "--models-dir", str(tmp_path / "empty"))
    assert (10, before) == (run.exit_code, served.files)
    assert "aava models list --backend piper" in run.stderr


def test_no_daemon_is_exit_11_and_says_how_to_start_one(switch: Aava, served: Project) -> None:
    """A switch needs the daemon it switches."""
    served.daemon.stop()
    before = served.files
    run = switch("--llm", "second")
    assert (11, before) == (run.exit_code, served.files)
    assert "aava serve" in run.stderr


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        (".env", b"GOOD=1\n'not a binding\n"),
        (".env", b"GOOD=1\nBAD=\xff\n"),
        ("config/ai-agent.local.yaml", b"providers:\n  local: [1,\n"),
    ],
)
def test_a_broken_file_is_named_with_its_line_and_left_alone(
    switch: Aava, served: Project, name: str, broken: bytes
) -> None:
    """Exit 1 with file and line; the file keeps its bytes."""
    path = served.folder / name
    if name == ".env":
        broken = path.read_bytes() + b"\n" + broken
    path.write_bytes(broken)
    run = switch("--llm", "second")
    assert (1, broken) == (run.exit_code, path.read_bytes())
    assert f"{path}:" in run.stderr


def test_two_switches_at_once_name_the_holder(switch: Aava, served: Project) -> None:
    """The second command is exit 5 and names the first."""
    with exclusive_lock(served.folder / ".aava" / "lock", command="aava switch --llm first"):
        run = switch("--llm", "second")
    assert 5 == run.exit_code
    assert f"`aava switch --llm first` (pid {os.getpid()} on " in run.stderr


def test_wait_is_for_the_other_command_to_end(served: Project) -> None:
    """The second command says whom it waits for, then does its work."""
    lock = served.folder / ".aava" / "lock"
    with exclusive_lock(lock, command="aava switch --llm first"):
        waiting = _start_switch(served, "--llm", "second", "--wait")
        assert waiting.stderr is not None
        said = waiting.stderr.readline()
    assert said.startswith("waiting: `aava switch --llm first` (pid ")
    assert (0, "second.gguf") == (finish(waiting), served.running()[1])


def _start_switch(served: Project, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "aava_cli", "switch", *arguments),
            *("--project", str(served.folder), "--models-dir", str(served.models)),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> int:
    """Return the exit code of *process*, whose output pytest shows when a test fails."""
    with process:
        for text in process.communicate(timeout=DEADLINE_S):
            sys.stderr.write(text)
    return process.returncode


def _when_journaled(served: Project, act: Callable[[], object]) -> None:
    """Do *act* as soon as the switch has begun its first step."""
    journal = served.folder / ".aava" / "journal.json"
    deadline = time.monotonic() + DEADLINE_S
    while not (journal.exists() and '"started_steps": 1' in journal.read_text(encoding="utf-8")):
        assert time.monotonic() < deadline
    act()


def _freeze(served: Project) -> None:
    os.kill(served.daemon.pid, signal.SIGSTOP)


def test_a_daemon_killed_during_the_switch_leaves_recovery_due(aava: Aava, served: Project) -> None:
    """Exit 4, the files as before; `recover` ends it, and a new daemon runs the old models."""
    before = served.files
    process = _start_switch(served, *ALL_THREE)
    _when_journaled(served, served.daemon.kill)
    assert 4 == finish(process)
    assert before == served.files
    assert 4 == aava("status").exit_code
    assert 4 == aava("switch", "--llm", "first", "--models-dir", str(served.models)).exit_code
    recovered = aava("recover", "--json")
    assert (0, before) == (recovered.exit_code, served.files)
    assert 1 == json.loads(recovered.stdout)["result"]["undone_steps"]
    served.daemon = start_daemon(served.folder, served.models, environ=UNMEASURED)
    served.daemon.wait_until_loaded()
    assert ("ggml-hello.bin", "first.gguf", "low.onnx") == served.running()


def test_a_switch_killed_half_way_is_recovered(aava: Aava, served: Project) -> None:
    """SIGKILL of aava itself: every command points to `recover`, which restores the old state."""
    before = served.files
    _freeze(served)
    process = _start_switch(served, *ALL_THREE)
    # Frozen, the daemon holds the first request; a killed client does not take it back.
    time.sleep(0.3)
    os.kill(served.daemon.pid, signal.SIGCONT)
    _when_journaled(served, process.kill)
    finish(process)
    run = aava("switch", "--llm", "first", "--models-dir", str(served.models))
    assert 4 == run.exit_code
    assert "aava recover" in run.stderr
    assert 0 == aava("recover").exit_code
    assert before == served.files
    assert ("ggml-hello.bin", "first.gguf", "low.onnx") == served.running()
    assert "nothing to recover" in aava("recover").stdout


def test_sigterm_undoes_the_switch(served: Project) -> None:
    """SIGTERM is exit 143, and the old state is back."""
    before = served.files
    process = _start_switch(served, *ALL_THREE)
    _when_journaled(served, lambda: _freeze(served))
    process.terminate()
    timer = threading.Timer(0.3, os.kill, (served.daemon.pid, signal.SIGCONT))
    timer.start()
    assert 143 == finish(process)
    timer.join()
    assert before == served.files
    assert ("ggml-hello.bin", "first.gguf", "low.onnx") == served.running()


def _while_loading(served: Project, act: Callable[[], object]) -> None:
    """Do *act* while the daemon loads what the switch asked for."""
    served.daemon.wait_until(lambda status: bool(status["loading"]))
    act()


OLD = ("ggml-hello.bin", "first.gguf", "low.onnx")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_load_does_not_come_true_later(
    served: Project, number: signal.Signals, code: int
) -> None:
    """What is undone stays undone: the daemon does not finish the load for nobody."""
    before = served.files
    process = _start_switch(served, *ALL_THREE)
    _while_loading(served, lambda: process.send_signal(number))
    assert code == finish(process)
    assert (OLD, before) == (served.running(), served.files)
    time.sleep(2)
    assert OLD == served.running()


def test_recovery_during_the_load_waits_for_its_end(aava: Aava, served: Project) -> None:
    """A switch that was killed while models were loading leaves the old ones, now and later."""
    before = served.files
    process = _start_switch(served, *ALL_THREE)
    _while_loading(served, process.kill)
    finish(process)
    assert 0 == aava("recover").exit_code
    assert (OLD, before) == (served.running(), served.files)
    time.sleep(2)
    assert OLD == served.running()


def test_recovery_asks_the_daemon_that_was_switched(aava: Aava, served: Project, port: int) -> None:
    """The journal knows which daemon it was, whatever `.env` says."""
    env = served.folder / ".env"
    env.write_text(
        env.read_text(encoding="utf-8").replace(str(port), str(free_port())), encoding="utf-8"
    )
    before = served.files
    process = _start_switch(served, *ALL_THREE, "--daemon", served.daemon.url)
    _when_journaled(served, process.kill)
    finish(process)
    recovered = aava("recover")
    assert (0, "", before) == (recovered.exit_code, recovered.stderr, served.files)
    assert OLD == served.running()


def test_an_edit_by_another_program_is_not_overwritten(served: Project) -> None:
    """What another program writes during a switch survives, and the switch is undone or waits."""
    _freeze(served)
    process = _start_switch(served, *ALL_THREE)
    time.sleep(0.3)
    os.kill(served.daemon.pid, signal.SIGCONT)
    env = served.folder / ".env"

    def edit() -> None:
        env.write_bytes(env.read_bytes() + b"\nOTHER=1\n")

    _when_journaled(served, edit)
    assert finish(process) in (3, 4)
    assert b"OTHER=1" in env.read_bytes()


@pytest.mark.usefixtures("served")
def test_status_shows_selection_and_runtime(aava: Aava) -> None:
    """`status --json` has both for each role, and no drift after a switch."""
    run = aava("status", "--json")
    answer: dict[str, Any] = json.loads(run.stdout)
    assert (0, True) == (run.exit_code, answer["ok"])
    roles = {each["role"]: each for each in answer["result"]["roles"]}
    assert "whisper_cpp:ggml-hello.bin" == roles["stt"]["selected"] == roles["stt"]["running"]
    assert all(each["loaded"] for each in roles.values())


def test_options_alone_change_the_running_model(switch: Aava, served: Project) -> None:
    """The model stays, the daemon runs with the new values, and `.env` has them."""
    options = ("--set", "llm.context=256", "--set", "llm.temperature=0.2", "--set", "llm.batch=64")
    run = switch(*options)
    assert (0, "") == (run.exit_code, run.stderr)
    assert "llm: llama:first.gguf, with other options" in run.stdout
    config = served.daemon.status()["models"]["llm"]["config"]
    assert (256, 0.2, 64) == (config["context"], config["temperature"], config["batch"])
    assert OLD == served.running()
    env = served.files[0].decode()
    assert "LOCAL_LLM_CONTEXT=256\n" in env
    assert "LOCAL_LLM_TEMPERATURE=0.2\n" in env
    before = served.files
    assert "already so" in switch(*options).stdout
    assert before == served.files


def test_options_and_a_model_are_one_change(switch: Aava, served: Project) -> None:
    """A voice and a context together; the old ones come back together as well."""
    before = served.files
    failing = switch("--llm", "incomplete", "--set", "llm.context=256", "--tts", "high")
    assert (3, before) == (failing.exit_code, served.files)
    assert 512 == served.daemon.status()["models"]["llm"]["config"]["context"]
    assert 0 == switch("--llm", "second", "--set", "llm.context=256", "--tts", "high").exit_code
    assert ("ggml-hello.bin", "second.gguf", "high.onnx") == served.running()

"""Rebuilds that are killed, interrupted, begun ten times at once, or left alone."""

from __future__ import annotations

import json
import os
import random
import shlex
import signal
import subprocess
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING

import psutil
import pytest

from aava_cli.docker.engine import find_image
from aava_cli.docker.tagging import sibling
from tests.docker_fixture import REPOSITORY
from tests.rebuild.conftest import (
    ADDING,
    COMMAND_S,
    add_step,
    builds_of,
    ended,
    is_building,
    run,
    start,
    state_of,
    wait_until,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.docker_fixture import ComposeProject

KILLS = int(os.environ.get("AAVA_REBUILD_KILLS", "3"))
ROUNDS = int(os.environ.get("AAVA_REBUILD_ROUNDS", "2"))
SEED = int(os.environ.get("AAVA_SEED", "5"))
TOGETHER = 10


def working_on(folder: Path) -> list[psutil.Process]:
    """Return the processes of Docker that work for an `aava` on *folder*."""
    found = []
    for process in psutil.process_iter():
        try:
            mark = process.environ().get("AAVA_WORKS_ON", "")
        except psutil.Error:
            continue
        if mark.startswith(str(folder)):
            found.append(process)
    return found


def test_kill_at_any_moment_leaves_all_or_nothing(serving: ComposeProject) -> None:
    """After `aava recover`, image, `.env` and container are the old ones, or all the new ones."""
    add_step(serving, f"{ADDING} || sleep 0.3")
    old = state_of(serving)
    begun = time.monotonic()
    assert 0 == run(serving, "rebuild", "whisper_cpp").code
    whole_s = time.monotonic() - begun
    new = state_of(serving)
    assert 0 == run(serving, "rebuild", "rollback").code
    chance, ends = random.Random(SEED), Counter[str]()  # noqa: S311 - a sample that can be repeated
    for trial in range(KILLS):
        at_s = whole_s * (trial + chance.random()) / KILLS
        process = start(serving, "rebuild", "whisper_cpp")
        time.sleep(at_s)
        process.kill()
        process.communicate(timeout=COMMAND_S)
        recovered = run(serving, "recover")
        state = state_of(serving)
        assert 0 == recovered.code, recovered.stderr
        assert (state.env, state.image, state.container_image, state.status) in (
            (old.env, old.image, old.container_image, "running"),
            (new.env, new.image, new.container_image, "running"),
        ), f"killed after {at_s:.3f} s, seed {SEED}"
        ends["old" if state == old else "new"] += 1
        if state != old:
            assert 0 == run(serving, "rebuild", "rollback").code
    sys.stdout.write(f"{KILLS} kills, mixed states: 0, {dict(ends)}\n")
    # What the last kill left is no hindrance.
    assert 0 == run(serving, "rebuild", "whisper_cpp").code
    assert [] == working_on(serving.folder)
    assert find_image(sibling(serving.image, "aava-candidate")) is None


def test_interruption_ends_the_build(looping: ComposeProject) -> None:
    """Ctrl-C stops what Docker does, and nothing has changed."""
    add_step(looping, f"{ADDING} || sleep 60")
    before = state_of(looping)
    process = start(looping, "rebuild", "whisper_cpp")
    wait_until(lambda: is_building(looping))
    process.send_signal(signal.SIGINT)
    assert (130, before, []) == (
        ended(process).code,
        state_of(looping),
        working_on(looping.folder),
    )
    assert find_image(sibling(looping.image, "aava-candidate")) is None


def test_job_in_another_terminal_is_cancelled(looping: ComposeProject) -> None:
    """A rebuild in the foreground is a job as well: it is seen, named to others, and ended."""
    add_step(looping, f"{ADDING} || sleep 60")
    process = start(looping, "rebuild", "whisper_cpp")
    wait_until(lambda: is_building(looping))
    second = run(looping, "rebuild", "whisper_cpp")
    assert (5, True) == (second.code, "rebuild-1: aava rebuild whisper_cpp" in second.stderr)
    assert "running" in run(looping, "jobs", "show", "rebuild-1").stdout
    cancelled = run(looping, "jobs", "cancel", "rebuild-1", "--json")
    assert 143 == json.loads(cancelled.stdout)["result"]["exit_code"]
    assert 143 == ended(process).code
    assert 0 != run(looping, "jobs", "wait", "rebuild-1").code


def test_ten_at_once_build_once(serving: ComposeProject) -> None:
    """One does the work; the others say who, or find it done."""
    for number in range(ROUNDS):
        add_step(serving, f"{ADDING} || sleep 1; echo {number}")
        builds = builds_of(serving)
        processes = [start(serving, "rebuild", "whisper_cpp") for _ in range(TOGETHER)]
        codes = Counter(ended(process).code for process in processes)
        assert {0, 5} >= set(codes), codes
        assert (builds + 1, True) == (builds_of(serving), codes[0] >= 1)
        assert serving.capabilities()["whisper_cpp"]
        sys.stdout.write(f"round {number}: {dict(codes)}, builds: 1\n")
        assert 0 == run(serving, "rebuild", "--without", "whisper_cpp").code


def test_detached_rebuild_outlives_its_shell(serving: ComposeProject, tmp_path: Path) -> None:
    """The terminal goes, the job comes to its end, and all that it said is kept."""
    add_step(serving, f"{ADDING} || sleep 1")
    words = [sys.executable, "-m", "aava_cli", "rebuild", "whisper_cpp", "--detach"]
    script = f"{shlex.join(words)}; echo begun; sleep 100"
    with subprocess.Popen(
        ["sh", "-c", script],
        cwd=serving.folder,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as shell:
        assert shell.stdout is not None
        assert tmp_path
        while "begun" not in shell.stdout.readline():
            pass
        os.killpg(shell.pid, signal.SIGHUP)
    waited = run(serving, "jobs", "wait", "rebuild-1")
    assert (0, True) == (waited.code, serving.capabilities()["whisper_cpp"])
    said = run(serving, "jobs", "logs", "rebuild-1").stdout.splitlines()
    assert ["building whisper_cpp", "starting the daemon with the new image"] == said
    job = serving.folder / ".aava" / "jobs" / "rebuild-1"
    last = json.loads((job / "log").read_text(encoding="utf-8").splitlines()[-1])
    assert ("result", True) == (last["event"], last["ok"])
    assert "naming to" in (job / "build.log").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["rebuild", "build"])
def test_nothing_named_is_a_wrong_command_line(looping: ComposeProject, name: str) -> None:
    """A rebuild for nothing is none."""
    words = ("rebuild", "build") if name == "build" else ("rebuild", "--no-cache")
    assert 2 == run(looping, *words).code

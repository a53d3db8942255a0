"""The step that replaces a container: done, undone, and finished by another process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from aava_cli.docker import argv
from aava_cli.docker.argv import SERVICE
from aava_cli.docker.calls import run
from aava_cli.docker.engine import find_container, find_containers, require_engine
from aava_cli.docker.health import ContainerFailed
from aava_cli.docker.recreate import RecreateService
from aava_cli.errors import NotPossible, RecoveryDue, RolledBack
from aava_cli.journal import Journal
from aava_cli.steps import WriteFile
from aava_cli.transaction import carry_out, recover
from tests.docker_fixture import REPOSITORY, new_shell_project

if TYPE_CHECKING:
    from pathlib import Path

    from aava_cli.docker.engine import Engine
    from aava_cli.journal import StepLoader
    from tests.docker_fixture import ComposeProject

TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Change:
    """A change of `.env` that the container has to be replaced for."""

    write: WriteFile
    recreate: RecreateService

    @classmethod
    def to_mode(cls, project: ComposeProject, mode: str, *, timeout_s: float = TIMEOUT_S) -> Change:
        """Return the change of *project* to *mode*."""
        old = project.env_file.read_bytes()
        new = old.replace(b"MODE=well", f"MODE={mode}".encode())
        write = WriteFile.change(project.env_file, old, new)
        step = RecreateService.plan(
            project.target(), require_engine(), reads=(write,), timeout_s=timeout_s
        )
        return cls(write, step)

    def carry_out(self, project: ComposeProject) -> None:
        """Make it as a command would."""
        carry_out((self.write, self.recreate), journal_of(project), verify=self.recreate.verify)


def journal_of(project: ComposeProject) -> Journal:
    """Return the journal of *project*."""
    return Journal(project.folder / ".aava")


def kinds() -> dict[str, StepLoader]:
    """Return how the journal's steps are built again."""
    known: dict[str, StepLoader] = {"write-file": WriteFile.from_json}
    known["recreate-service"] = partial(RecreateService.from_json, known)
    return known


def mode_of(project: ComposeProject) -> str:
    """Return which mode the container was made with, and that it runs."""
    container = project.container()
    assert "running" == container.status
    words = ["docker", "inspect", "--format={{json .Config.Env}}", container.id]
    env: list[str] = json.loads(subprocess.run(words, capture_output=True, check=True).stdout)
    return next(line.partition("=")[2] for line in env if line.startswith("MODE="))


@pytest.fixture
def running(shell_project: ComposeProject) -> ComposeProject:
    """Return a project whose container runs with MODE=well."""
    shell_project.build()
    shell_project.up()
    return shell_project


def test_container_reads_the_new_file(running: ComposeProject) -> None:
    """A restart would not do that; a replacement does."""
    old = running.container()
    Change.to_mode(running, "other").carry_out(running)
    assert ("other", False) == (mode_of(running), journal_of(running).is_open)
    assert old.id != running.container().id


@pytest.mark.parametrize("mode", ["dies", "sick"])
def test_failure_brings_file_and_container_back(running: ComposeProject, mode: str) -> None:
    """The container is made anew only after the file is old again."""
    before = running.env_file.read_bytes()
    with pytest.raises(RolledBack):
        Change.to_mode(running, mode, timeout_s=2.0).carry_out(running)
    assert (before, "well", False) == (
        running.env_file.read_bytes(),
        mode_of(running),
        journal_of(running).is_open,
    )


def test_failure_before_the_container_is_touched_leaves_it_alone(running: ComposeProject) -> None:
    """A file that cannot be written is no reason to cut a call."""
    old = running.container()
    change = Change.to_mode(running, "other")
    # The name leaves no room for that of the file that is written beside it.
    other = WriteFile(running.folder / ("x" * 250), None, b"x")
    with pytest.raises(RolledBack):
        carry_out(
            (change.write, other, change.recreate),
            journal_of(running),
            verify=change.recreate.verify,
        )
    assert (old.id, "well") == (running.container().id, mode_of(running))


def test_missing_image_changes_nothing_for_good(running: ComposeProject) -> None:
    """Compose refuses, and the container that comes back is made of the old image."""
    change = Change.to_mode(running, "other")
    compose_file = running.folder / "docker-compose.yml"
    text = compose_file.read_text(encoding="utf-8")
    renamed = WriteFile.change(
        compose_file, text.encode(), text.replace("-server:latest", "-server:never-built").encode()
    )
    step = replace(change.recreate, reads=(change.write, renamed))
    with pytest.raises(RolledBack, match="never-built") as caught:
        carry_out((change.write, renamed, step), journal_of(running), verify=step.verify)
    assert ("build it: `docker compose build`" in caught.value.hint, mode_of(running)) == (
        True,
        "well",
    )


def test_container_that_was_replaced_meanwhile_stops_the_change(running: ComposeProject) -> None:
    """Another program is at work on the same service."""
    change = Change.to_mode(running, "other")
    running.compose("up", "--detach", "--no-build", "--force-recreate", SERVICE)
    with pytest.raises(NotPossible, match="replaced by another program"):
        change.carry_out(running)
    assert "well" == mode_of(running)


def test_stopped_container_is_stopped_again(running: ComposeProject) -> None:
    """Undo goes back to how it was, and no further."""
    running.compose("stop", "--timeout", "1", SERVICE)
    with pytest.raises(RolledBack):
        Change.to_mode(running, "sick", timeout_s=1.0).carry_out(running)
    assert "created" == running.container().status


def test_container_that_was_never_made_is_taken_away_again(shell_project: ComposeProject) -> None:
    """Nothing ran before, nothing runs after."""
    shell_project.build()
    with pytest.raises(RolledBack):
        Change.to_mode(shell_project, "dies").carry_out(shell_project)
    assert find_container(shell_project.name, SERVICE) is None


def test_container_that_was_unwell_need_not_be_well_again(running: ComposeProject) -> None:
    """A change may be the attempt to cure it; its failure is not the undo's."""
    env = running.env_file.read_text(encoding="utf-8")
    running.env_file.write_text(f"{env}FLAVOUR=old\n".replace("=well", "=sick"), encoding="utf-8")
    running.compose("up", "--detach", "--no-build", "--force-recreate", SERVICE)
    old = running.env_file.read_bytes()
    write = WriteFile.change(running.env_file, old, old.replace(b"FLAVOUR=old", b"FLAVOUR=new"))
    step = RecreateService.plan(running.target(), require_engine(), reads=(write,), timeout_s=1.0)
    with pytest.raises(RolledBack):
        carry_out((write, step), journal_of(running), verify=step.verify)
    assert ("unwell", "sick", old) == (
        step.condition,
        mode_of(running),
        running.env_file.read_bytes(),
    )


def test_undo_on_another_engine_is_refused(running: ComposeProject) -> None:
    """A recovery in another shell may reach another host."""
    change = Change.to_mode(running, "other")
    step = replace(change.recreate, engine_id="another")
    with pytest.raises(RecoveryDue, match="another Docker engine"):
        step.undo(recovering=True)


def test_undo_that_the_engine_refuses_is_due(running: ComposeProject) -> None:
    """Without its image the old container cannot come back; the journal has to stay."""
    step = Change.to_mode(running, "other").recreate
    running.remove()
    with pytest.raises(RecoveryDue, match="could not be brought back") as caught:
        step.undo(recovering=True)
    assert caught.value.hint.endswith("then run `aava recover`")


def test_what_an_interrupted_replacement_left_is_cleared(running: ComposeProject) -> None:
    """Compose stumbles over a second container under the name that it wants to use."""
    step = Change.to_mode(running, "other").recreate
    old = running.container()
    labels = [
        f"--label=com.docker.compose.{key}={value}"
        for key, value in {
            "project": running.name,
            "service": SERVICE,
            "oneoff": "False",
            "container-number": "1",
        }.items()
    ]
    name = f"--name={old.id[:12]}_{old.name}"
    subprocess.run(
        ["docker", "create", name, *labels, running.image], check=True, capture_output=True
    )
    step.undo(recovering=True)
    assert (1, "well") == (len(find_containers(running.name, SERVICE)), mode_of(running))


def test_verify_refuses_the_old_container(running: ComposeProject) -> None:
    """Only a new one has read the files."""
    with pytest.raises(ContainerFailed):
        Change.to_mode(running, "other").recreate.verify()


def test_verify_waits_for_a_container_that_is_slow_once(tmp_path: Path, engine: Engine) -> None:
    """What has succeeded is not undone because the host was busy for a moment."""
    del engine
    project = new_shell_project(tmp_path / "compose", check="[ ! -e /app/data/busy ]")
    busy = project.folder / "data" / "busy"
    try:
        project.build()
        project.up()
        step = Change.to_mode(project, "other").recreate
        step.apply()
        busy.write_bytes(b"")
        again = subprocess.Popen(["sh", "-c", 'sleep 1; exec rm "$1"', "-", str(busy)])
        step.verify()
        assert (0, False) == (again.wait(timeout=TIMEOUT_S), busy.exists())
    finally:
        project.remove()


def test_step_survives_the_journal(running: ComposeProject) -> None:
    """Another process undoes it from what was written down."""
    step = Change.to_mode(running, "other").recreate
    stored: dict[str, Any] = json.loads(json.dumps({"kind": step.kind, **step.to_json()}))
    assert step == kinds()[step.kind](stored)


KILLED = """
import sys
from pathlib import Path
from tests.docker.test_recreate import Change
from tests.docker_fixture import ComposeProject

project = ComposeProject(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
change = Change.to_mode(project, "other")
print("planned", flush=True)
change.carry_out(project)
"""


@pytest.mark.parametrize("delay_s", [0.0, 0.1, 0.2, 0.3, 0.5])
def test_kill_at_any_moment_is_recovered_from(running: ComposeProject, delay_s: float) -> None:
    """Either the change was committed, or recovery brings everything back."""
    before = running.env_file.read_bytes()
    words = [sys.executable, "-c", KILLED, str(running.folder), running.name, str(running.port)]
    with subprocess.Popen(words, cwd=REPOSITORY, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert b"planned\n" == process.stdout.readline()
        time.sleep(delay_s)
        os.kill(process.pid, signal.SIGKILL)
    journal = journal_of(running)
    if journal.is_open:
        recover(journal, kinds())
    old = running.env_file.read_bytes() == before
    assert ("well" if old else "other") == mode_of(running)


def test_orphan_of_a_killed_command_cannot_overtake_its_recovery(running: ComposeProject) -> None:
    """The Compose that it left behind is ended before the undo begins."""
    change = Change.to_mode(running, "other")
    with subprocess.Popen(
        ["sleep", "1000"], env={**os.environ, "AAVA_WORKS_ON": str(running.folder)}
    ) as orphan:
        change.recreate.undo(recovering=True)
        assert not psutil.pid_exists(orphan.pid)
    assert "well" == mode_of(running)


def test_daemon_in_the_container_gets_a_new_engine(
    daemon_project: ComposeProject, tmp_path: Path
) -> None:
    """What was built in is what the daemon can do, and the real check says when it is there."""
    assert tmp_path
    daemon_project.build()
    daemon_project.up()
    target = daemon_project.target()
    first = RecreateService.plan(target, require_engine(), reads=(), timeout_s=TIMEOUT_S)
    first.apply()
    assert (False, True) == _engines(daemon_project)
    run(
        argv.build(target, SERVICE, {}),
        timeout_s=300,
        folder=target.folder,
        environ={"INCLUDE_WHISPER_CPP": "true"},
    )
    second = RecreateService.plan(target, require_engine(), reads=(), timeout_s=TIMEOUT_S)
    second.apply()
    assert (True, True) == _engines(daemon_project)


def _engines(project: ComposeProject) -> tuple[bool, bool]:
    found = project.capabilities()
    return found["whisper_cpp"], found["llama"]

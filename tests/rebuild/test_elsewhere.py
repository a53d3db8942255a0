"""Rebuilds on an engine that is reached over ssh, as one on another host is."""

from __future__ import annotations

import getpass
import json
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import free_port
from tests.docker_fixture import missing
from tests.rebuild.conftest import builds_of, run, state_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.docker_fixture import ComposeProject

START_S = 30.0

# Each question to the engine is a connection of its own.
pytestmark = pytest.mark.timeout(300)

SSHD = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
AuthorizedKeysFile {folder}/user.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
AllowUsers {user}
"""
# The user's own configuration stays out of it.
SSH = """\
#!/bin/sh
exec {real} -F none -i {folder}/user -o IdentitiesOnly=yes -o StrictHostKeyChecking=no \
    -o UserKnownHostsFile={folder}/known -o LogLevel=ERROR "$@"
"""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """An address of this machine's engine over ssh, and the environment that reaches it."""

    address: str
    environ: dict[str, str]

    def reached(self, project: ComposeProject) -> dict[str, str]:
        """Return what reaches the engine and the daemon of *project* on it."""
        daemon = f"ws://127.0.0.1:{project.port}"
        return {"DOCKER_HOST": self.address, "AAVA_DAEMON_URL": daemon, **self.environ}


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Elsewhere]:
    """Return a way over ssh to the engine of this machine; its server is the test's own."""
    sshd, ssh = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin"), shutil.which("ssh")
    if sshd is None or ssh is None:
        missing("there is no `sshd` to reach an engine through")
    folder, port, user = tmp_path / "ssh", free_port(), getpass.getuser()
    (folder / "bin").mkdir(parents=True)
    for name in ("host", "user"):
        make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(make, check=True, capture_output=True)
    config = folder / "sshd_config"
    config.write_text(SSHD.format(port=port, folder=folder, user=user), encoding="utf-8")
    script = folder / "bin" / "ssh"
    script.write_text(SSH.format(real=ssh, folder=folder), encoding="utf-8")
    script.chmod(0o755)
    # It changes to this folder before it looks at who comes.
    Path("/run/sshd").mkdir(exist_ok=True)
    path = f"{script.parent}{os.pathsep}{os.environ['PATH']}"
    with subprocess.Popen(
        [sshd, "-D", "-e", "-f", str(config)], stderr=subprocess.DEVNULL
    ) as server:
        reached = [str(script), "-p", str(port), f"{user}@127.0.0.1", "true"]
        deadline = time.monotonic() + START_S
        while subprocess.run(reached, check=False, capture_output=True).returncode:
            assert server.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield Elsewhere(f"ssh://{user}@127.0.0.1:{port}", {"PATH": path})
        server.terminate()


def test_rebuild_over_ssh_says_that_the_disk_is_another_host_s(
    serving: ComposeProject, elsewhere: Elsewhere
) -> None:
    """Build, tag, container and the way back all happen there."""
    before, there = state_of(serving), elsewhere.reached(serving)
    unnamed = {key: value for key, value in there.items() if key != "AAVA_DAEMON_URL"}
    refused = run(serving, "rebuild", "whisper_cpp", **unnamed)
    assert (1, True) == (refused.code, "--daemon" in refused.stderr)
    built = run(serving, "rebuild", "whisper_cpp", **there)
    assert (0, True) == (built.code, serving.capabilities()["whisper_cpp"]), built.stderr
    assert "the engine's disk is not this host's" in built.stderr
    back = run(serving, "rebuild", "rollback", **there)
    assert (0, before) == (back.code, state_of(serving)), back.stderr


def test_context_counts_as_it_does_for_docker(
    serving: ComposeProject, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    """A change begun there is not undone on an engine that is another one."""
    there = {**elsewhere.reached(serving), "DOCKER_CONFIG": str(tmp_path / "docker")}
    del there["DOCKER_HOST"]
    make = ["docker", "context", "create", "box", f"--docker=host={elsewhere.address}"]
    subprocess.run(make, env={**os.environ, **there}, check=True, capture_output=True)
    subprocess.run(
        ["docker", "context", "use", "box"],
        env={**os.environ, **there},
        check=True,
        capture_output=True,
    )
    built = run(serving, "rebuild", "whisper_cpp", "--json", **there)
    assert (0, 1) == (built.code, builds_of(serving)), built.stderr
    assert ["whisper_cpp"] == json.loads(built.stdout)["result"]["added"]
    assert "the engine's disk is not this host's" in built.stderr


def test_engine_elsewhere_that_is_not_reached_is_named(
    looping: ComposeProject, elsewhere: Elsewhere
) -> None:
    """Nothing was begun."""
    before = state_of(looping)
    there = {"DOCKER_HOST": f"ssh://nobody@127.0.0.1:{free_port()}", **elsewhere.environ}
    refused = run(looping, "rebuild", "whisper_cpp", **there)
    assert (1, 0, before) == (refused.code, builds_of(looping), state_of(looping))
    assert "hint: " in refused.stderr

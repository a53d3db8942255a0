"""The printed units, in the hands of those who start them: the daemon comes up, and ends."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from aava_cli.envfile import read
from aava_cli.serve.units import Service, unit_for
from tests.daemon_fixture import DEADLINE_S, write_env
from tests.serve.processes import wait_for
from tests.serve.sockets import is_open

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aava_cli.serve.units import Kind
    from tests.conftest import Aava

ODD = (
    *("plain", "a b", "p%c", "quo'te", "semi ;x", "dol$HOME", 'd"q', "back\\s", "hash #x"),
    *("t `x`", "trail ", "end\\", "\u00fcn\u00ef"),
)

needs_supervisor = pytest.mark.skipif(
    not shutil.which("supervisord"), reason="supervisord is not installed"
)


@contextmanager
def supervised(folder: Path, unit: str) -> Iterator[subprocess.Popen[str]]:
    """Run a supervisord with *unit* for the block."""
    folder.mkdir()
    config = folder / "supervisord.conf"
    head = f"[supervisord]\nlogfile={folder}/log\npidfile={folder}/pid\nnodaemon=true\n"
    config.write_text(head + unit)
    argv = ["supervisord", "-c", str(config)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd=folder) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.wait(DEADLINE_S)


@needs_supervisor
@pytest.mark.parametrize("name", ODD)
def test_supervisor_starts_a_fresh_project(aava: Aava, tmp_path: Path, name: str) -> None:
    """Whatever it is called; nothing but its `.env` is there."""
    project = tmp_path / name
    port = int(read(write_env(project, {}).read_text())["LOCAL_WS_PORT"])
    unit = aava("serve", "--project", str(project), "--print-unit", "supervisor").stdout
    with supervised(tmp_path / "supervisor", unit) as supervisor:
        named = project / ".aava" / "serve.pid"
        wait_for(lambda: named.exists() or supervisor.poll() is not None)
        assert is_open(port)
        assert ("%" in name) != (project / "aava-serve.log").exists()
    assert not is_open(port)


def test_onstart_makes_the_place_for_its_log(tmp_path: Path) -> None:
    """A project that never ran has no folder for it."""
    log = tmp_path / "fresh" / ".aava" / "serve.log"
    log.parent.parent.mkdir()
    service = Service(("echo", "here"), tmp_path / "fresh", "voice", log, drain_s=0)
    script = unit_for("onstart", service).content + "wait\n"
    ran = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert (0, "", "here\n", 0o700) == (
        *(ran.returncode, ran.stderr, log.read_text()),
        log.parent.stat().st_mode & 0o777,
    )


@pytest.mark.parametrize("kind", ["systemd", "supervisor", "onstart"])
def test_name_that_no_line_can_hold_is_refused(aava: Aava, tmp_path: Path, kind: Kind) -> None:
    """A unit with a part of it would start something else."""
    write_env(tmp_path / "a\nb", {})
    ran = aava("serve", "--project", str(tmp_path / "a\nb"), "--print-unit", kind)
    assert (1, True) == (ran.exit_code, "a unit cannot name" in ran.stderr)

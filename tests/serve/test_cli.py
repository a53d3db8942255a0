"""`aava serve` as an operator starts and stops it."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.conftest import free_port
from tests.daemon_fixture import REPOSITORY
from tests.serve.test_packages import packages_without

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Aava

DEADLINE_S = 60.0


@contextmanager
def serving(project: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Run `aava serve` until the block ends; it listens when the block begins."""
    argv = [sys.executable, "-m", "aava_cli", "serve", "--project", str(project), *options]
    with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            assert "the daemon is listening" in process.stderr.readline()
            yield process
        finally:
            process.kill()


def test_serves_until_it_is_told_to_stop(aava: Aava, project: Path) -> None:
    """A project without models is served; SIGTERM is the regular end."""
    with serving(project) as process:
        assert 0 == aava("status").exit_code
        process.send_signal(signal.SIGTERM)
        assert 0 == process.wait(DEADLINE_S)
    assert 11 == aava("status").exit_code


def test_options_win_over_the_file(aava: Aava, project: Path) -> None:
    """`--host` and `--port` say where to listen."""
    port = free_port()
    with serving(project, "--host", "127.0.0.2", "--port", str(port)):
        assert 0 == aava("status", "--daemon", f"ws://127.0.0.2:{port}").exit_code


def test_second_daemon_of_a_project_is_refused(aava: Aava, project: Path) -> None:
    """Exit 5 names the first."""
    with serving(project) as process:
        ran = aava("serve", "--port", str(free_port()))
    assert 5 == ran.exit_code
    assert f"pid {process.pid}" in ran.stderr


def test_port_of_another_program_is_named(aava: Aava, project: Path, port: int) -> None:
    """Exit 1 says what is wrong with which address."""
    with serving(project.parent / "project"):
        other = project.parent / "other"
        other.mkdir()
        (other / ".env").write_text(f"LOCAL_WS_PORT={port}\n", encoding="utf-8")
        ran = aava("serve", "--project", str(other))
    assert 1 == ran.exit_code
    assert f"cannot listen on `127.0.0.1:{port}`" in ran.stderr


def test_no_token_no_network(aava: Aava, project: Path) -> None:
    """Beyond loopback a token is required before anything listens."""
    ran = aava("serve", "--host", "0.0.0.0")  # noqa: S104 - what is refused
    assert 2 == ran.exit_code
    assert "LOCAL_WS_AUTH_TOKEN" in ran.stderr
    assert not (project / ".aava" / "serve.holder").exists()


def test_folder_without_a_project_is_refused(aava: Aava, tmp_path: Path) -> None:
    """Exit 10 says how to make one."""
    ran = aava("serve", "--project", str(tmp_path / "none"))
    assert 10 == ran.exit_code
    assert "aava init" in ran.stderr


@pytest.mark.parametrize("missing", ["starlette", "uvicorn"])
def test_missing_server_package_is_named(project: Path, tmp_path: Path, missing: str) -> None:
    """Without the extra, exit 1 says what to install."""
    packages = packages_without(missing, tmp_path / "packages")
    ran = subprocess.run(
        [sys.executable, "-S", "-m", "aava_cli", "serve", "--project", str(project)],
        capture_output=True,
        text=True,
        check=False,
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(packages)},
    )
    assert (1, True) == (ran.returncode, f"python -m pip install {missing}" in ran.stderr)


@pytest.mark.parametrize(
    ("option", "value", "named"),
    [
        ("--drain", "999999999999d", "must be from 0 s to 7 days"),
        ("--max-recording", "0", "must be from 1 s to 7 days"),
        ("--max-message", "99999999999999", "1<=x<=1024"),
        ("--max-calls", "0", "1<=x<=10000"),
        ("--memory", "99999999999999999999", "1<=x<=1073741824"),
    ],
)
def test_limit_out_of_range_is_refused(
    aava: Aava, project: Path, option: str, value: str, named: str
) -> None:
    """Exit 2 names the option, the value and the range."""
    ran = aava("serve", "--project", str(project), option, value, "--print-unit", "systemd")
    words = " ".join(ran.stderr.replace("\u2502", " ").split())
    assert (2, True, True) == (ran.exit_code, option in words, named in words)
    assert value in words


def test_files_are_allowed_for_all_connections(project: Path) -> None:
    """Whatever was usual where the daemon was started."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
    try:
        with serving(project) as process:
            allowed, _ = psutil.Process(process.pid).rlimit(resource.RLIMIT_NOFILE)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert min(hard, 400) <= allowed

"""A daemon on a machine that lacks an engine's package."""

from __future__ import annotations

import site
from pathlib import Path

from tests.daemon_fixture import RunningDaemon, start_daemon, write_env
from tests.serve.conftest import SELECTED


def packages_without(missing: str, folder: Path) -> Path:
    """Return a folder with every installed package but *missing*."""
    folder.mkdir()
    for package in Path(site.getsitepackages()[0]).iterdir():
        if package.name != missing:
            (folder / package.name).symlink_to(package)
    return folder


def test_missing_package_is_false_and_degraded(models_dir: Path, tmp_path: Path) -> None:
    """The capability is false, its slot says why, and the others work."""
    packages = packages_without("pywhispercpp", tmp_path / "packages")
    write_env(tmp_path / "project", SELECTED)
    daemon = start_daemon(
        tmp_path / "project", models_dir, python=("-S",), environ={"PYTHONPATH": str(packages)}
    )
    try:
        _check(daemon)
    finally:
        daemon.stop()


def _check(daemon: RunningDaemon) -> None:
    status = daemon.wait_until_loaded()
    found = daemon.ask({"type": "capabilities"})["capabilities"]
    assert (False, True, True) == (found["whisper_cpp"], found["piper"], found["llama"])
    errors = {"stt": "the engine `whisper_cpp` is not installed here"}
    assert errors == status["config"]["startup_errors"]
    assert "hi there" == daemon.ask({"type": "llm_request", "text": "hello"})["text"]

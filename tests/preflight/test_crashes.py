"""Repairs that are killed, or fail, at any of their system calls hold or are undone."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from aava_cli import envfile
from aava_cli.journal import Journal
from tests.crashes import SEED, Command, sampled

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Aava

OLD = "# mine\nLOCAL_WS_HOST=0.0.0.0\nB='2'\n"
TOKEN = "LOCAL_WS_AUTH_TOKEN"  # noqa: S105 - its name
# What a repair does to the world; the probes, which only look, are other threads.
CALLS = ("openat", "write", "fsync", "rename", "unlink", "mkdir", "chmod", "fchmod")
POINTS = int(os.environ.get("AAVA_CRASH_POINTS", "12"))
WORDS = ("preflight", "--fix", "--yes", "--only", "access,owners,gpu")
FOLDERS = ("kroko", "vad")

pytestmark = [
    pytest.mark.timeout(3600),
    pytest.mark.skipif(shutil.which("strace") is None and "CI" not in os.environ, reason="strace"),
]


def begin_again(project: Path) -> None:
    """Bring back what the repairs change, by other ways than the program's."""
    (project / ".env").write_text(OLD)
    shutil.rmtree(project / ".aava")
    for name in FOLDERS:
        shutil.rmtree(project / "models" / name, ignore_errors=True)


def values(project: Path) -> dict[str, str]:
    """Return what `.env` says, all else of which has to be as it was."""
    text = (project / ".env").read_text()
    found = envfile.read(text)
    back = {key: None for key in (TOKEN, "GPU_AVAILABLE") if key in found}
    assert OLD == envfile.edit(text, back)
    return found


@pytest.mark.parametrize("fault", ["signal=SIGKILL", "error=ENOSPC"])
def test_spoiled_repairs_hold_or_are_undone(
    aava: Aava, project: Path, tmp_path: Path, fault: str
) -> None:
    """After `recover` each is there as a whole or not at all, and a second run does the rest."""
    command = Command(("--project", str(project), *WORDS), tmp_path, CALLS, follows=False)
    trace = tmp_path / "trace"
    begin_again(project)
    points = command.points(trace)
    left: Counter[int] = Counter()
    for point in sampled(points, POINTS):
        begin_again(project)
        command.spoiled(point, fault, trace)
        told = f"{point}, seed {SEED}"
        if Journal(project / ".aava").is_open:
            assert 0 == aava("recover").exit_code, told
        token = values(project).get(TOKEN)
        assert token is None or 64 == len(token), told
        made = [name for name in FOLDERS if (project / "models" / name).exists()]
        left[len(made) + bool(token)] += 1
        assert 0 == aava(*WORDS).exit_code, told
        assert token in (None, values(project)[TOKEN]), told
        assert "false" == values(project)["GPU_AVAILABLE"], told
        assert all((project / "models" / name).is_dir() for name in FOLDERS), told
    assert sum(left.values()) == min(len(points), POINTS or len(points))

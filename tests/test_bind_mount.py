"""A single file that is mounted into a container: nothing can be renamed over it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from aava_cli.journal import Journal
from aava_cli.steps import WriteFile
from aava_cli.transaction import recover

REPOSITORY = Path(__file__).parent.parent
OLD, NEW = b"A=1\n" * 400, b"A=2\n"
SWITCH = """
import sys
from pathlib import Path
from aava_cli.journal import Journal
from aava_cli.steps import WriteFile
from aava_cli.transaction import carry_out

folder = Path(sys.argv[1])
step = WriteFile.change(folder / ".env", (folder / ".env").read_bytes(), b"A=2\\n")
carry_out((step,), Journal(folder / ".aava"), verify=lambda: None)
"""


def in_namespace(words: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return how to run *words* where mounts are private, or None where that is not permitted."""
    for unshare in (("unshare", "-m"), ("unshare", "-Urm")):
        if (
            shutil.which("unshare")
            and not subprocess.run([*unshare, "true"], check=False).returncode
        ):
            return *unshare, *words
    return None


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a project with a file that belongs elsewhere; skip where nothing can be mounted."""
    if in_namespace(()) is None and "CI" not in os.environ:
        pytest.skip("`unshare -m` is not permitted here, so nothing can be mounted")
    root = tmp_path / "project"
    (root / ".aava").mkdir(parents=True)
    (root / ".env").write_bytes(b"below the mount\n")
    outside = tmp_path / "outside"
    outside.write_bytes(OLD)
    outside.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(outside, 4321, 4322)
    return root


def switch_mounted(folder: Path, *tracer: str) -> subprocess.CompletedProcess[bytes]:
    """Mount the file that is outside over `.env` and change it there, in a process of its own."""
    mounted = 'mount --bind "$1/../outside" "$1/.env" && shift && exec "$@"'
    program = (*tracer, sys.executable, "-c", SWITCH, str(folder))
    argv = in_namespace(("sh", "-c", mounted, "sh", str(folder), *program))
    assert argv is not None, "CI has to permit `unshare -m`"
    return subprocess.run(argv, cwd=REPOSITORY, capture_output=True, check=False)


def test_mounted_file_is_rewritten_in_place(folder: Path) -> None:
    """It is the same file with the new bytes, its owner and mode, and nothing beside it."""
    outside = folder.parent / "outside"
    before = outside.stat()
    done = switch_mounted(folder)
    after = outside.stat()
    assert (0, b"") == (done.returncode, done.stderr)
    assert NEW == outside.read_bytes()
    kept = ("st_ino", "st_mode", "st_uid", "st_gid")
    assert [getattr(before, each) for each in kept] == [getattr(after, each) for each in kept]
    assert {".aava", ".env"} == {path.name for path in folder.iterdir()}
    assert (folder / ".env").read_bytes() == b"below the mount\n"


@pytest.mark.skipif(shutil.which("strace") is None, reason="`strace` is not installed")
@pytest.mark.parametrize(
    ("torn_at", "torn"), [("ftruncate", NEW + OLD[len(NEW) :]), ("fsync", NEW)]
)
def test_kill_during_the_rewrite_is_recovered_from(folder: Path, torn_at: str, torn: bytes) -> None:
    """Too long or not yet safe: a whole copy lies beside it, and the journal has the old bytes."""
    outside, inside = folder.parent / "outside", folder / ".env"
    inject = f"inject={torn_at}:signal=SIGKILL"
    killed = switch_mounted(
        folder, "strace", "-qq", "-o", os.devnull, "-P", str(inside), "-e", inject
    )
    assert killed.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL)
    [copy] = folder.glob("..env.*.new")
    assert (torn, NEW) == (outside.read_bytes(), copy.read_bytes())
    # What is mounted is the very file outside, which the recovery now finds in its place.
    inside.unlink()
    inside.hardlink_to(outside)
    recover(Journal(folder / ".aava"), {"write-file": WriteFile.from_json})
    assert OLD == inside.read_bytes()
    assert not (folder / ".aava" / "journal.json").exists()
    assert {".aava", ".env"} == {path.name for path in folder.iterdir()}

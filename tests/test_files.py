"""Atomic writes and locks, against crashes, readers, links, mounts and other processes."""

from __future__ import annotations

import errno
import json
import os
import signal
import stat
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aava_cli import files
from aava_cli.errors import Busy
from aava_cli.files import (
    atomic_write,
    command_line,
    exclusive_lock,
    lock_holder,
    private_folder,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

HOLDER = """
import sys
from pathlib import Path
from aava_cli.files import exclusive_lock
with exclusive_lock(Path(sys.argv[1]), command="aava switch --stt vosk"):
    print("held", flush=True)
    sys.stdin.read()
"""
REWRITER = """
import sys
from pathlib import Path
from aava_cli.files import atomic_write
path = Path(sys.argv[1])
print("ready", flush=True)
while True:
    for byte in b"ab":
        atomic_write(path, bytes([byte]) * 200_000)
"""
MOUNTED = """
set -e
mount --bind "$1/outside" "$1/inside"
"$2" -c '
import sys
from pathlib import Path
from aava_cli.files import atomic_write
atomic_write(Path(sys.argv[1]), b"new")
' "$1/inside"
cat "$1/inside"
"""


def mode_of(path: Path) -> int:
    """Return the permission bits of *path*."""
    return stat.S_IMODE(path.stat().st_mode)


def owner_of(path: Path) -> tuple[int, int]:
    """Return user and group of *path*."""
    return path.stat().st_uid, path.stat().st_gid


def run_child(script: str, path: Path) -> subprocess.Popen[str]:
    """Start *script* with *path* as its argument; it has printed its first line."""
    child = subprocess.Popen(
        [sys.executable, "-c", script, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout
    assert child.stdout.readline()
    return child


def end(child: subprocess.Popen[str], number: int = signal.SIGKILL) -> None:
    """Send *number* to *child* and reap it."""
    child.send_signal(number)
    child.communicate()


@given(old=st.none() | st.binary(), new=st.binary())
def test_written_bytes_are_read_back(
    tmp_path_factory: pytest.TempPathFactory, old: bytes | None, new: bytes
) -> None:
    """Whatever was there, the new bytes are there now, and nothing beside them."""
    folder = tmp_path_factory.mktemp("write")
    path = folder / "file"
    if old is not None:
        path.write_bytes(old)
    atomic_write(path, new)
    assert (new, [path]) == (path.read_bytes(), list(folder.iterdir()))


def test_new_file_is_readable_by_all(tmp_path: Path) -> None:
    """Other programs read `.env` and the YAML."""
    path = tmp_path / "file"
    atomic_write(path, b"x")
    assert mode_of(path) == 0o644


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o755, 0o4755])
def test_existing_mode_stays(tmp_path: Path, mode: int) -> None:
    """What the operator allowed stays allowed, and nothing more."""
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(mode)
    atomic_write(path, b"new")
    assert mode_of(path) == mode


def test_named_mode_wins(tmp_path: Path) -> None:
    """A journal is private even where a readable file was."""
    path = tmp_path / "file"
    path.write_bytes(b"old")
    atomic_write(path, b"new", mode=0o600)
    assert mode_of(path) == 0o600


def test_owner_of_the_file_or_of_its_folder_is_kept(tmp_path: Path) -> None:
    """`sudo aava switch` leaves no root-owned file in another user's project."""
    # Only root can arrange another owner; for any other user both are the user's own.
    owner = (4321, 4322) if os.geteuid() == 0 else owner_of(tmp_path)
    path = tmp_path / "file"
    os.chown(tmp_path, *owner)
    atomic_write(path, b"new")
    assert owner == owner_of(path)
    other = (4323, 4324) if os.geteuid() == 0 else owner
    os.chown(path, *other)
    atomic_write(path, b"newer")
    assert other == owner_of(path)


def test_link_keeps_pointing_where_it_did(tmp_path: Path) -> None:
    """A linked `.env` is written where it really is."""
    (tmp_path / "real").mkdir()
    target, link = tmp_path / "real" / "file", tmp_path / "link"
    target.write_bytes(b"old")
    link.symlink_to(target)
    atomic_write(link, b"new")
    assert (b"new", target) == (target.read_bytes(), link.readlink())


def test_link_to_nowhere_gets_its_target(tmp_path: Path) -> None:
    """A link that was made in advance is honoured."""
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "target")
    atomic_write(link, b"new")
    assert link.is_symlink()
    assert (tmp_path / "target").read_bytes() == b"new"


def test_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    """A folder in the file's place is an error that changes nothing."""
    path = tmp_path / "folder"
    (path / "inside").mkdir(parents=True)
    with pytest.raises(IsADirectoryError):
        atomic_write(path, b"new")
    assert [path] == list(tmp_path.iterdir())


def test_other_rename_errors_are_not_taken_for_a_mount(tmp_path: Path) -> None:
    """Only a file that cannot be renamed over is rewritten in place."""
    target = tmp_path / "target"
    target.write_bytes(b"old")
    with pytest.raises(FileNotFoundError):
        files._rename_over(tmp_path / "missing", target, b"new")
    assert target.read_bytes() == b"old"


def test_readers_see_the_old_bytes_or_the_new(tmp_path: Path) -> None:
    """A reader in the middle of many writes never sees a mixture or a part."""
    path = tmp_path / "file"
    versions = [bytes([each]) * 100_000 for each in range(30)]
    atomic_write(path, versions[0])
    seen: set[bytes] = set()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    for version in versions:
        atomic_write(path, version)
    done.set()
    reader.join()
    assert seen <= set(versions)


def test_killed_writer_leaves_whole_bytes(tmp_path: Path) -> None:
    """SIGKILL at any moment leaves one version or the other."""
    path = tmp_path / "file"
    path.write_bytes(b"a" * 200_000)
    whole = {bytes([byte]) * 200_000 for byte in b"ab"}
    for _ in range(5):
        end(run_child(REWRITER, path))
        assert path.read_bytes() in whole


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """Return a file that the kernel refuses to rename into *tmp_path*."""
    path = Path("/dev/shm") / f"aava-{tmp_path.name}-{os.getpid()}"
    path.write_bytes(b"new")
    with pytest.raises(OSError) as caught:
        path.rename(tmp_path / "probe")
    assert caught.value.errno == errno.EXDEV
    yield path
    path.unlink()


def test_file_on_another_device_is_rewritten_in_place(tmp_path: Path, elsewhere: Path) -> None:
    """Where the kernel refuses the rename the bytes still arrive, and no old tail stays."""
    target = tmp_path / "target"
    target.write_bytes(b"a long old content")
    before = target.stat().st_ino
    files._rename_over(elsewhere, target, b"new")
    assert (b"new", before) == (target.read_bytes(), target.stat().st_ino)


def test_bind_mounted_file_is_rewritten_in_place(tmp_path: Path) -> None:
    """A container's mounted `.env` is written although it cannot be renamed over."""
    (tmp_path / "outside").write_bytes(b"a long old content")
    (tmp_path / "inside").write_bytes(b"")
    # Any user may mount in a user namespace of its own; root needs none.
    namespace = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "-r", "--mount"]
    done = subprocess.run(
        [*namespace, "sh", "-c", MOUNTED, "sh", str(tmp_path), sys.executable],
        capture_output=True,
        check=False,
    )
    assert (0, b"new", b"") == (done.returncode, done.stdout, done.stderr)
    assert (tmp_path / "outside").read_bytes() == b"new"
    assert {"outside", "inside"} == {path.name for path in tmp_path.iterdir()}


def test_remove_is_content_when_the_file_is_gone(tmp_path: Path) -> None:
    """An undo that runs twice removes once."""
    path = tmp_path / "file"
    path.write_bytes(b"x")
    files.remove(path)
    files.remove(path)
    assert not path.exists()


def test_private_folder_is_for_its_owner(tmp_path: Path) -> None:
    """State holds old `.env` bytes, and those hold tokens."""
    assert mode_of(private_folder(tmp_path / "state")) == 0o700


def test_lock_is_free_again_after_the_block(tmp_path: Path) -> None:
    """A failure inside frees it too, and no holder stays behind."""
    lock = tmp_path / "state" / "lock"
    with pytest.raises(ZeroDivisionError), exclusive_lock(lock, command="aava one"):
        _ = 1 // 0
    with exclusive_lock(lock, command="aava two"):
        assert json.loads(lock.with_suffix(".holder").read_text())["command"] == "aava two"
    assert not lock.with_suffix(".holder").exists()


def test_held_lock_names_its_holder(tmp_path: Path) -> None:
    """The message says which process to wait for."""
    lock = tmp_path / "lock"
    child = run_child(HOLDER, lock)
    with pytest.raises(Busy) as caught, exclusive_lock(lock, command="aava recover"):
        pass
    end(child)
    assert f"`aava switch --stt vosk` (pid {child.pid} on " in caught.value.message
    assert caught.value.message.endswith("is at work on this project")


def test_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    """The kernel frees the lock, and the stale name misleads nobody."""
    lock = tmp_path / "lock"
    end(run_child(HOLDER, lock))
    assert lock.with_suffix(".holder").exists()
    assert lock_holder(lock) is None
    assert not lock.with_suffix(".holder").exists()


def test_lock_holder_describes_who_holds_it(tmp_path: Path) -> None:
    """`status` tells what is going on without waiting."""
    lock = tmp_path / "lock"
    with exclusive_lock(lock, command="aava switch"):
        assert "`aava switch` (pid" in str(lock_holder(lock))


@pytest.mark.parametrize("content", [None, b"", b"\xff", b"[]", b"{}", b'{"pid": 1}'])
def test_unreadable_holder_is_called_another_command(tmp_path: Path, content: bytes | None) -> None:
    """A holder that has not written its name yet is no crash."""
    lock = tmp_path / "lock"
    with exclusive_lock(lock, command="aava switch"):
        holder = lock.with_suffix(".holder")
        holder.unlink()
        if content is not None:
            holder.write_bytes(content)
        assert lock_holder(lock) == "another aava command is at work on this project"


def test_command_line_is_what_was_typed() -> None:
    """A lock and a journal tell what to look for."""
    assert ["aava", *sys.argv[1:]] == command_line().split(" ")


def test_private_folder_is_made_private(tmp_path: Path) -> None:
    """A folder that somebody made readable is closed: it holds old bytes of `.env`."""
    folder = tmp_path / "state"
    folder.mkdir(mode=0o755)
    assert 0o700 == private_folder(folder).stat().st_mode & 0o777


def test_holder_that_has_not_written_its_name_yet_is_waited_for(tmp_path: Path) -> None:
    """Between taking a lock and naming oneself lies a moment; the loser sits it out."""
    lock = tmp_path / "lock"
    with exclusive_lock(lock, command="aava switch"):
        named = lock.with_suffix(".holder")
        name = named.read_bytes()
        named.unlink()
        late = threading.Timer(0.1, named.write_bytes, (name,))
        late.start()
        with pytest.raises(Busy, match="`aava switch`"), exclusive_lock(lock, command="x"):
            pass
        late.join()


@pytest.fixture
def shared_folder() -> Iterator[Path]:
    """Return a folder in which everybody may make files, below folders that all may enter."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        path = Path(folder)
        path.chmod(0o777)
        yield path


@contextmanager
def somebody(owner: int, group: int) -> Iterator[None]:
    """Be an ordinary user in *group* for the block; who is none already stays who he is."""
    if os.geteuid() != 0:
        yield
        return
    groups = os.getgroups()
    os.setgroups([group])
    os.seteuid(owner)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setgroups(groups)


@pytest.mark.parametrize(("member_of", "kept"), [(4322, True), (4323, False)])
def test_group_is_kept_where_the_owner_cannot_be(
    shared_folder: Path, member_of: int, *, kept: bool
) -> None:
    """Whoever belongs to the group may give the file to it; others still write it."""
    path = shared_folder / ".env"
    path.write_bytes(b"old")
    path.chmod(0o660)
    own = path.stat().st_gid
    if os.geteuid() == 0:
        os.chown(path, 4321, 4322)
    wanted = path.stat().st_gid
    with somebody(4320, member_of):
        atomic_write(path, b"new")
    status = path.stat()
    assert (b"new", 0o660) == (path.read_bytes(), status.st_mode & 0o777)
    assert (wanted if kept else own) == status.st_gid

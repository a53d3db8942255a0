"""Begun downloads change hands whole, and are never written by two."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from aava_cli.download.sharing.shelf import (
    About,
    Place,
    about,
    begun,
    drop,
    is_folder_name,
    kept_bytes,
    place_for,
    writer,
)
from aava_cli.download.transfer.partial import Binding, Partial
from aava_cli.events import ignore
from aava_cli.processes import local_process, this_process
from tests.download.conftest import sha256

if TYPE_CHECKING:
    from pathlib import Path

SOURCE = "https://127.0.0.1/a"
ABOUT = About("llm/a.gguf", SOURCE, 10)
OTHER_HOST = "1-1-00000000-00000000"


def write(place: Place, data: bytes) -> None:
    """Download *data* to *place*, and no more for now."""
    with Partial(place.path, Binding(SOURCE, None, 10, None)) as partial:
        partial.append(memoryview(data))


def fail_after(work: Path, data: bytes) -> Path:
    """Leave a download after *data*, and return its folder."""
    with suppress(KeyError), place_for(work, SOURCE, ABOUT) as place:
        write(place, data)
        raise KeyError
    return place.folder


def hand_over(folder: Path, process: str) -> Path:
    """Make the begun download in *folder* that of *process*."""
    return folder.rename(folder.with_name(f"{folder.name.partition('.')[0]}.{process}"))


def dead_process() -> str:
    """Return a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as other:
        process = local_process(other.pid)
    return str(process)


def test_failed_download_is_left_for_whoever_comes(tmp_path: Path) -> None:
    """It belongs to nobody then, and the next one goes on from it."""
    mine = fail_after(tmp_path, b"12345")
    (left,) = begun(tmp_path, SOURCE)
    assert (False, None, 5, ABOUT) == (mine.exists(), writer(left), kept_bytes(left), about(left))
    with place_for(tmp_path, SOURCE, ABOUT) as place:
        assert (True, b"12345") == (place.private, place.path.read_bytes())
        assert (this_process(), False) == (writer(place.folder), left.exists())
    # It stays this process's own until it is published or dropped.
    with place_for(tmp_path, SOURCE, ABOUT) as again:
        assert place == again
    drop(tmp_path, SOURCE)
    assert [] == list((tmp_path / "partial").iterdir())


def test_download_without_a_byte_is_not_left(tmp_path: Path) -> None:
    """A source that answers nothing leaves nothing."""
    fail_after(tmp_path, b"")
    assert [] == list((tmp_path / "partial").iterdir())


def test_download_of_a_dead_process_is_taken_over(tmp_path: Path) -> None:
    """Nobody can have its files open, so they are moved and not copied."""
    fail_after(tmp_path, b"123")
    (left,) = begun(tmp_path, SOURCE)
    dead = hand_over(left, dead_process())
    inode = (dead / "data").stat().st_ino
    with place_for(tmp_path, SOURCE, ABOUT) as place:
        assert (True, inode) == (place.private, place.path.stat().st_ino)


def test_download_of_another_host_is_copied(tmp_path: Path) -> None:
    """Its writer may wake up and go on in its own files; ours are to be read again."""
    fail_after(tmp_path, b"123")
    (left,) = begun(tmp_path, SOURCE)
    other = hand_over(left, OTHER_HOST)
    with place_for(tmp_path, SOURCE, ABOUT) as place:
        assert (False, b"123") == (place.private, place.path.read_bytes())
        assert (True, False) == (
            place.holds(sha256(b"123"), ignore),
            place.holds(sha256(b"124"), ignore),
        )
        (other / "data").write_bytes(b"zzz")
        assert place.path.read_bytes() == b"123"
        place.start_over()
        assert [] == list(place.folder.iterdir())
    drop(tmp_path, SOURCE)
    assert other.is_dir()


def test_largest_is_taken_up(tmp_path: Path) -> None:
    """Of several begun downloads the one that saves most is used."""
    fail_after(tmp_path, b"1234567")
    (first,) = begun(tmp_path, SOURCE)
    hand_over(first, OTHER_HOST)
    with place_for(tmp_path, SOURCE, ABOUT) as place:
        assert kept_bytes(place.folder) == 7


def test_second_that_is_left_keeps_its_name(tmp_path: Path) -> None:
    """Nothing is ever put over what was left before."""
    with suppress(KeyError), place_for(tmp_path, SOURCE, ABOUT) as place:
        write(place, b"12")
        (place.folder.with_name(place.folder.name.partition(".")[0]) / "data").mkdir(parents=True)
        raise KeyError
    assert place.folder.is_dir()


def test_without_room_for_a_copy_it_begins_anew(tmp_path: Path) -> None:
    """What cannot be copied is fetched."""
    fail_after(tmp_path, b"123")
    (left,) = begun(tmp_path, SOURCE)
    other = hand_over(left, OTHER_HOST)
    (other / "folder").mkdir()
    with place_for(tmp_path, SOURCE, ABOUT) as place:
        assert (True, False) == (place.private, place.path.exists())


def test_unreadable_state_is_worth_nothing(tmp_path: Path) -> None:
    """A folder that nobody can explain is listed all the same."""
    folder = tmp_path / "partial" / ("a" * 32)
    folder.mkdir(parents=True)
    assert (0, None) == (kept_bytes(folder), about(folder))


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a" * 32, True), (f"{'a' * 32}.{OTHER_HOST}", True), (".gone-1.x", False), ("a" * 33, False)],
)
def test_names_of_folders(name: str, *, expected: bool) -> None:
    """What is being removed is no download any more."""
    assert expected is is_folder_name(name)

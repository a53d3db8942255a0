"""Where begun downloads lie: each writer has a folder of its own, so that bytes never mix.

A folder is named after what is downloaded and, while somebody writes to it, after that process.
A download that was left behind changes hands by one rename, which one process only can make.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from aava_cli.digests import hash_file
from aava_cli.download.transfer.extents import Extents
from aava_cli.download.transfer.partial import partial_path
from aava_cli.download.transfer.record import state_path
from aava_cli.files import PRIVATE_FILE, atomic_write, private_folder
from aava_cli.processes import liveness, parse_process, this_process

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aava_cli.events import Emit
    from aava_cli.processes import Process

_DATA, _ABOUT = "data", "about.json"
_COPY_BYTES = 1 << 30
_NAME = re.compile(r"[0-9a-f]{32}(\.|$)")


@dataclass(frozen=True, slots=True)
class About:
    """What is downloaded, for those who look at what is left of it."""

    name: str
    source: str
    size_bytes: int | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where one process writes one download.

    It is *private* if surely nobody else has its files open; if not, what was written must be
    read again before it is believed.
    """

    folder: Path
    private: bool

    @property
    def path(self) -> Path:
        """The file of the bytes."""
        return self.folder / _DATA

    def holds(self, sha256: str, emit: Emit) -> bool:
        """Return whether the bytes on disk have the digest *sha256*."""
        with self.path.open("rb") as file:
            return hash_file(file.fileno(), self.folder.name, emit) == sha256

    def start_over(self) -> None:
        """Drop what is there, for new files that nobody else has open."""
        shutil.rmtree(self.folder)
        private_folder(self.folder)


@contextmanager
def place_for(work: Path, source: str, about: About) -> Iterator[Place]:
    """Give the block a place to download *source* to, with the most that is there of it already.

    After a failure the place is left for whoever comes next; else it stays this process's own.
    """
    place = _take_up(work, source)
    try:
        _describe(place.folder, about)
        yield place
    except BaseException:
        _put_back(place.folder)
        raise


def begun(work: Path, source: str) -> tuple[Path, ...]:
    """Return the folders of what was begun of *source*, the largest first."""
    key = partial_path(work, source).name
    folders = [each for each in (work / "partial").glob(f"{key}*") if (each / _DATA).is_file()]
    return tuple(sorted(folders, key=kept_bytes, reverse=True))


def kept_bytes(folder: Path) -> int:
    """Return how many bytes of the download in *folder* are there for good."""
    with suppress(OSError, ValueError, TypeError, KeyError):
        state: dict[str, Any] = json.loads(state_path(folder / _DATA).read_bytes())["state"]
        return int(state["done"])
    return 0


def kept_prefix(folder: Path) -> int:
    """Return how many bytes of the download in *folder* are there from the first on."""
    with suppress(OSError, ValueError, TypeError, KeyError):
        state: dict[str, Any] = json.loads(state_path(folder / _DATA).read_bytes())["state"]
        return Extents((int(start), int(end)) for start, end in state["ranges"]).end_from(0)
    return 0


def reserved_bytes(folder: Path) -> int:
    """Return how much room the download in *folder* takes, with what is reserved for the rest."""
    with suppress(OSError):
        return (folder / _DATA).stat().st_blocks * 512
    return 0


def data_file(folder: Path) -> Path:
    """Return where the bytes of the download in *folder* are."""
    return folder / _DATA


def about(folder: Path) -> About | None:
    """Return what is downloaded to *folder*, or None if nobody has said so yet."""
    with suppress(OSError, ValueError, TypeError):
        return About(**json.loads((folder / _ABOUT).read_bytes()))
    return None


def is_folder_name(name: str) -> bool:
    """Return whether a folder called *name* is of a download, not what is left of one."""
    return _NAME.match(name) is not None


def last_touched(folder: Path) -> float:
    """Return when something in *folder* was written to last, by the clock of the system."""
    times = [folder.stat().st_mtime]
    for each in folder.iterdir():
        with suppress(FileNotFoundError):
            times.append(each.stat().st_mtime)
    return max(times)


def writer(folder: Path) -> Process | None:
    """Return whose *folder* is; one that was left for others is nobody's."""
    return parse_process(folder.name.partition(".")[2])


def drop(work: Path, source: str) -> None:
    """Remove what there is of *source*, except where another process is at work."""
    key = partial_path(work, source).name
    for folder in (work / "partial").glob(f"{key}*"):
        owner = writer(folder)
        if owner in (None, this_process()) or liveness(owner) == "dead":
            remove(folder)


def remove(folder: Path) -> None:
    """Remove *folder*, unless another process takes it up at this moment."""
    gone = folder.with_name(f".gone-{time.time_ns()}.{this_process()}")
    with suppress(FileNotFoundError):
        # Removed piece by piece under its own name, it could be taken up in between.
        folder.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)


def _take_up(work: Path, source: str) -> Place:
    key = partial_path(work, source).name
    mine = private_folder(work / "partial") / f"{key}.{this_process()}"
    if mine.is_dir():
        return Place(mine, private=True)
    for folder in begun(work, source):
        place = _take_over(folder, mine)
        if place is not None:
            return place
    return Place(private_folder(mine), private=True)


def _take_over(folder: Path, mine: Path) -> Place | None:
    """Return *mine* with what was in *folder*, or None if somebody else was quicker."""
    owner = writer(folder)
    try:
        if owner is None or liveness(owner) == "dead":
            folder.rename(mine)
            return Place(mine, private=True)
        _copy(folder, mine)
    except OSError:
        # It is gone by now, or there is no room for a copy: the network has it all.
        remove(mine)
        return None
    return Place(mine, private=False)


def _copy(folder: Path, mine: Path) -> None:
    """Copy what a process may still write to: it keeps its own files, should it wake up."""
    private_folder(mine)
    # The claim goes first: it must never be larger than the bytes.
    for file in sorted(folder.iterdir(), key=lambda each: each.name == _DATA):
        _copy_file(file, mine / file.name)


def _copy_file(file: Path, target: Path) -> None:
    with file.open("rb") as source, target.open("xb") as copy:
        # The kernel shares the blocks where the file system can.
        while os.copy_file_range(source.fileno(), copy.fileno(), _COPY_BYTES):
            pass


def _put_back(folder: Path) -> None:
    parked = folder.with_name(folder.name.partition(".")[0])
    data = folder / _DATA
    if not (data.is_file() and data.stat().st_size):
        remove(folder)
        return
    # Where something was left already, this stays under the name of a process that will be dead.
    with suppress(OSError):
        folder.rename(parked)


def _describe(folder: Path, about: About) -> None:
    path = folder / _ABOUT
    if not path.exists():
        atomic_write(path, json.dumps(asdict(about)).encode(), mode=PRIVATE_FILE)

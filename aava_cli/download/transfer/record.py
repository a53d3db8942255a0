"""What is claimed of a download that has begun, so that a later run can go on with it.

Two records are kept. The state claims what was synced; it holds after a power cut. The log claims
what was written since; it is believed only while the same kernel runs, whose memory has the bytes.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING

from aava_cli.download.transfer.extents import Extents
from aava_cli.files import PRIVATE_FILE, atomic_write

if TYPE_CHECKING:
    from pathlib import Path

    from aava_cli.download.transfer.partial import Binding


@dataclass(frozen=True, slots=True)
class Progressed:
    """How far a download is: *done* bytes, those of *ranges*, are on disk for good."""

    etag: str | None = None
    size_bytes: int | None = None
    done: int = 0
    complete: bool = False
    ranges: tuple[tuple[int, int], ...] = ()
    epoch: str = field(default_factory=lambda: os.urandom(8).hex())


class Record:
    """The state and the log of the download *path*, as far as they belong to *binding*."""

    def __init__(self, path: Path, binding: Binding) -> None:
        self._binding = binding
        self._log_file, self._state_file = log_path(path), state_path(path)
        self.state = self._read_state()
        self._log = os.open(self._log_file, os.O_RDWR | os.O_CREAT | os.O_APPEND, PRIVATE_FILE)

    def close(self) -> None:
        """Write no more."""
        os.close(self._log)

    def save(self, state: Progressed) -> None:
        """Claim *state*, also for after a power cut; what it claims was synced before."""
        self.state = state
        fields = {"binding": asdict(self._binding), "state": asdict(state)}
        atomic_write(self._state_file, json.dumps(fields).encode(), mode=PRIVATE_FILE)

    def start_over(self) -> None:
        """Claim nothing."""
        self.save(Progressed())
        self._restart_log()

    def note(self, start: int, end: int) -> None:
        """Claim the bytes from *start* up to *end*, which were written."""
        os.write(self._log, b"%d %d\n" % (start, end))

    def claims(self) -> Extents:
        """Return all that is claimed; a log of another kernel's is begun anew."""
        claimed = Extents(self.state.ranges)
        lines = self._log_file.read_bytes().split(b"\n")
        # A line that a crash cut short has no end, so that the last piece is no whole line.
        if lines[0] == self._log_head():
            for line in lines[1:-1]:
                with suppress(ValueError):
                    start, end = map(int, line.split())
                    claimed.add(start, end)
        else:
            self._restart_log()
        return claimed

    def _read_state(self) -> Progressed:
        with suppress(OSError, ValueError, TypeError, KeyError):
            loaded = json.loads(self._state_file.read_bytes())
            state = Progressed(**loaded["state"])
            ranges = tuple((int(start), int(end)) for start, end in state.ranges)
            state = replace(state, ranges=ranges)
            if loaded["binding"] == asdict(self._binding):
                return state
            if self._is_same_file(loaded["binding"]):
                # The tag is the other source's.
                return replace(state, etag=None)
        return Progressed()

    def _is_same_file(self, other: dict[str, object]) -> bool:
        """Return whether a download of another source is to have the very same bytes."""
        mine = asdict(self._binding)
        is_pinned = self._binding.digest is not None
        return is_pinned and all(mine[key] == other[key] for key in ("digest", "size_bytes"))

    def _restart_log(self) -> None:
        os.ftruncate(self._log, 0)
        os.write(self._log, self._log_head() + b"\n")

    def _log_head(self) -> bytes:
        return f"{self.state.epoch} {_boot_id() or os.urandom(8).hex()}".encode()


@cache
def _boot_id() -> str:
    """Return what names the run of the kernel; empty where nothing does."""
    from pathlib import Path

    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return ""


def log_path(path: Path) -> Path:
    """Return the log of the download *path*."""
    return path.with_name(path.name + ".log")


def state_path(path: Path) -> Path:
    """Return the state file of the download *path*."""
    return path.with_name(path.name + ".json")

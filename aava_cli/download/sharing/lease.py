"""Say that a name is being worked on, so that others wait: a file with a holder and a heartbeat.

No lock of the kernel is needed: where those do nothing, files that must not exist yet can still
be created by one process only. A lease saves work; that the bytes are right never depends on it.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from aava_cli.events import Progress
from aava_cli.files import PRIVATE_FILE, Holder, command_line, private_folder
from aava_cli.processes import Process, liveness, parse_process, this_process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

BEAT_S = 0.5
STALE_S = 15.0


@dataclass(frozen=True, slots=True)
class Claim:
    """What a lease says: who holds it, and how far that process is."""

    process: Process
    holder: Holder
    news: tuple[Progress, ...] = ()


@dataclass(frozen=True, slots=True)
class Held:
    """Somebody else has the lease; who it is may not be written yet."""

    claim: Claim | None


class Lease:
    """A name that this process holds; *inherited* is from whom, if that one died."""

    def __init__(self, path: Path, descriptor: int, claim: Claim) -> None:
        self.path = path
        self.inherited: Claim | None = None
        self._claim = claim
        self._descriptor: int | None = descriptor
        self._guard = threading.Lock()
        self._beats = self._length = 0
        self.beat(())

    def beat(self, news: Sequence[Progress]) -> None:
        """Show that this process lives, and its *news*."""
        with self._guard:
            if self._descriptor is None:
                return
            self._beats += 1
            data = _written(self._claim, news, self._beats)
            # In one write, and with blanks over what was longer: readers see no half of it.
            self._length = max(self._length, len(data))
            with suppress(OSError):
                os.pwrite(self._descriptor, data.ljust(self._length), 0)

    def release(self) -> None:
        """Let others have the name."""
        with self._guard:
            descriptor, self._descriptor = self._descriptor, None
            if descriptor is None:
                return
            # Whoever took this process for dead has removed the file, and may have made another.
            with suppress(OSError):
                if os.path.samestat(self.path.stat(), os.fstat(descriptor)):
                    self.path.unlink()
            os.close(descriptor)


@dataclass(slots=True)
class Leases:
    """The leases in *folder*, as one process sees them.

    A holder on this host that is gone is dead at once; any other one when its heart has not
    beaten for *stale_s*, by the clock of whoever looks: clocks of hosts differ.
    """

    folder: Path
    stale_s: float = STALE_S
    clock: Callable[[], float] = time.monotonic
    _seen: dict[Path, tuple[bytes, float]] = field(default_factory=dict)

    def take(self, name: str) -> Lease | Held:
        """Take the lease of *name*, or say who has it."""
        stem = _stem(name)
        before = self._generations(stem)
        held, inherited = self._judge(before)
        if held is not None:
            return held
        last = int(before[-1].suffix[1:]) if before else 0
        lease = _create(self.folder / f"{stem}.{last + 1}")
        if lease is None:
            return Held(None)
        rivals = [each for each in self._generations(stem) if each != lease.path]
        held, _ = self._judge(rivals)
        if held is not None:
            # Two that took over from different ones both see the other here, and try again.
            lease.release()
            return held
        for each in rivals:
            each.unlink(missing_ok=True)
        lease.inherited = inherited
        return lease

    def _judge(self, paths: Iterable[Path]) -> tuple[Held | None, Claim | None]:
        """Return a living holder among *paths*, and the last dead one."""
        dead: Claim | None = None
        for path in paths:
            try:
                data = path.read_bytes()
            except FileNotFoundError:
                continue
            claim = parse_claim(data)
            if not self._is_dead(path, data, claim):
                return Held(claim), None
            dead = claim
        return None, dead

    def _is_dead(self, path: Path, data: bytes, claim: Claim | None) -> bool:
        if claim is not None and liveness(claim.process) == "dead":
            return True
        known, since_s = self._seen.get(path, (None, 0.0))
        if known != data:
            self._seen[path] = (data, self.clock())
            return False
        return self.clock() - since_s >= self.stale_s

    def _generations(self, stem: str) -> list[Path]:
        found = self.folder.glob(f"{stem}.*")
        return sorted(found, key=lambda path: int(path.suffix[1:]))


def leases_folder(work: Path) -> Path:
    """Return where the leases of the downloads in *work* are."""
    return work / "leases"


def all_claims(work: Path) -> Iterator[tuple[Path, Claim | None]]:
    """Yield every lease of *work*, with what it says if that can be read."""
    for path in sorted(leases_folder(work).glob("*.*")):
        with suppress(FileNotFoundError):
            yield path, parse_claim(path.read_bytes())


def parse_claim(data: bytes) -> Claim | None:
    """Return what a lease says, or None if it is not, or not yet, one."""
    try:
        fields = json.loads(data)
        process = parse_process(fields["process"])
        news = tuple(Progress(**each) for each in fields["news"])
        return Claim(process, Holder(**fields["holder"]), news) if process else None
    except (ValueError, TypeError, KeyError):
        return None


def _written(claim: Claim, news: Sequence[Progress], beats: int) -> bytes:
    fields = {
        "process": str(claim.process),
        "holder": asdict(claim.holder),
        "beat": beats,
        "news": [asdict(each) for each in news],
    }
    return json.dumps(fields).encode()


def _create(path: Path) -> Lease | None:
    """Return a new lease at *path*, or None if somebody else was quicker."""
    private_folder(path.parent)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE)
    except FileExistsError:
        return None
    holder = Holder(os.getpid(), os.uname().nodename, command_line(), time.time())
    return Lease(path, descriptor, Claim(this_process(), holder))


def _stem(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:32]

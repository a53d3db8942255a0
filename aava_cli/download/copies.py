"""Bytes that are on this host already need no download: a file may be wanted at two paths."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from aava_cli.download.moving.taking import take
from aava_cli.download.obtain import Obtained
from aava_cli.download.sharing.staging import part
from aava_cli.files import NEW_FILE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aava_cli.catalog import RemoteFile
    from aava_cli.download.presence import Judge
    from aava_cli.store import ReceiptFile


@dataclass(frozen=True, slots=True)
class Copies:
    """Where bytes of a known digest are: in the models folder, or obtained just now."""

    judge: Judge
    _obtained: list[Obtained] = field(default_factory=list)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def note(self, obtained: Obtained) -> None:
        """Take note that *obtained* can be had where it is, and later where it belongs."""
        if obtained.file.archive is None and obtained.file.sha256 is not None:
            with self._guard:
                self._obtained.append(obtained)

    def take(self, file: RemoteFile, stage: Path) -> Obtained | None:
        """Return *file*, made in *stage* of what is on this host, or None if there is nothing."""
        if file.archive is not None or file.sha256 is None:
            return None
        place = part(stage, file.path)
        like = (self.judge.settings.models_dir / file.path).parent
        for path, recorded in self._found(file.sha256):
            place.unlink(missing_ok=True)
            with suppress(FileNotFoundError):
                before = path.stat()
                take(path, place, like=like)
                after = path.stat()
                if (before.st_mtime_ns, before.st_size) == (after.st_mtime_ns, after.st_size):
                    return Obtained(file, place, 0, (_recorded_at(file, recorded),))
        return None

    def _found(self, sha256: str) -> Iterator[tuple[Path, ReceiptFile]]:
        with self._guard:
            obtained = [each for each in self._obtained if each.file.sha256 == sha256]
        for each in obtained:
            with suppress(FileNotFoundError):
                # Only its mode keeps what was downloaded from being linked.
                each.place.chmod(NEW_FILE)
                yield each.place, each.recorded[0]
        published = [recorded for each in obtained for recorded in each.recorded]
        for recorded in (*published, *self.judge.copies(frozenset({sha256}))):
            if self.judge.judge_recorded(recorded) == "good":
                yield self.judge.settings.models_dir / recorded.path, recorded


def _recorded_at(file: RemoteFile, recorded: ReceiptFile) -> ReceiptFile:
    sha256 = recorded.sha256
    return replace(recorded, path=file.path, provenance="catalog", download_sha256=sha256)

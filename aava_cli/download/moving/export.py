"""Write models that are on disk to one file, for hosts without a network."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from aava_cli.download.locking import recorded_files
from aava_cli.download.moving.bundle import MANIFEST, Bundled, blob_name, render_manifest
from aava_cli.download.progress import Meter
from aava_cli.download.transfer.partial import no_space
from aava_cli.errors import IntegrityError, NotPossible
from aava_cli.files import NEW_FILE, fsync_folder
from aava_cli.output import Result, human_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aava_cli.catalog import Model
    from aava_cli.download.presence import Judge
    from aava_cli.store import ReceiptFile


@dataclass(frozen=True, slots=True)
class Exported(Result):
    """The models that are in the file *path* now."""

    path: Path
    models: tuple[str, ...]
    size_bytes: int

    def text(self) -> Iterator[str]:
        """Yield what was written, and how it is read."""
        yield f"exported  {', '.join(self.models)}: {self.path}, {human_bytes(self.size_bytes)}"
        yield f"run `aava models import {self.path.name}` where it is needed"


def export_models(models: Sequence[Model], path: Path, judge: Judge) -> Exported:
    """Write *models* to the new file *path*: it is there whole and verified, or not at all.

    Raises:
        NotFound: a model was not pulled.
        NotPossible: a model has no files of its own, or *path* cannot be written to.
        IntegrityError: a file is not what it was when it was pulled.
        NoSpace: there is not enough room.
    """
    if not path.parent.is_dir():
        message = f"there is no folder `{path.parent}`"
        raise NotPossible(message, hint="make it, or write the file elsewhere")
    # A device is no place to rename a file to, nor is a link to where one writes.
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file():
        message = f"`{path}` is there, and is no file"
        raise NotPossible(message, hint="name a file to write")
    # Who carries it need not know how its sources are entered.
    bundled = tuple(Bundled(model.shown(), recorded_files(model, judge)) for model in models)
    beside = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with beside.open("xb") as file:
            _write_tar(bundled, file, judge)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise no_space(error, path.parent, None) from error
    finally:
        beside.unlink(missing_ok=True)
    fsync_folder(path.parent)
    return Exported(path, tuple(each.id for each in models), path.stat().st_size)


def _write_tar(bundled: Sequence[Bundled], target: IO[bytes], judge: Judge) -> None:
    unique = {file.sha256: file for each in bundled for file in each.files}
    meter = Meter("export", judge.emit)
    total, done = sum(file.size_bytes for file in unique.values()), 0
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as tar:
        manifest = render_manifest(bundled)
        tar.addfile(_member(MANIFEST, len(manifest)), io.BytesIO(manifest))
        for file in unique.values():
            _add(tar, file, judge)
            done += file.size_bytes
            meter(done, total)


def _add(tar: tarfile.TarFile, file: ReceiptFile, judge: Judge) -> None:
    with (judge.settings.models_dir / file.path).open("rb") as content:
        hashed = _Hashing(content)
        tar.addfile(_member(blob_name(file.sha256), file.size_bytes), cast("IO[bytes]", hashed))
    if hashed.digest.hexdigest() != file.sha256:
        message = f"`{file.path}` changed while it was read"
        raise IntegrityError(message, hint="run `aava models verify --deep`")


class _Hashing:
    """Hashes what is read of a file."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.digest.update(data)
        return data


def _member(name: str, size_bytes: int) -> tarfile.TarInfo:
    # Owner and time stay at zero: the same models make the same bytes.
    info = tarfile.TarInfo(name)
    info.size, info.mode = size_bytes, NEW_FILE
    return info

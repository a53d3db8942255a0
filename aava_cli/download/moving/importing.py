"""Take models out of an export: each byte is checked before any of it is published."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import IO, TYPE_CHECKING, cast

from aava_cli.download.apply import install, staging
from aava_cli.download.cataloguing.adding import add_to_catalog
from aava_cli.download.moving.bundle import (
    MANIFEST,
    MANIFEST_BYTES,
    Bundled,
    blob_digest,
    parse_manifest,
    unsound,
)
from aava_cli.download.obtain import Obtained
from aava_cli.download.presence import free_bytes, recorded_of
from aava_cli.download.sharing.waiting import hold
from aava_cli.download.together import lock_names
from aava_cli.download.transfer.partial import no_space
from aava_cli.errors import IntegrityError, NoSpace, NotFound
from aava_cli.output import Result, human_bytes
from aava_cli.store import Receipt, covers, read_receipt, work_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path, PurePosixPath

    from aava_cli.catalog import Catalog, Model, RemoteFile
    from aava_cli.download.presence import Judge
    from aava_cli.events import Emit
    from aava_cli.store import ReceiptFile

_STEP_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class ImportedModel:
    """A model that is on disk now; *how* says what its bytes were taken from, and by what way."""

    model: str
    path: PurePosixPath | None
    how: str


@dataclass(frozen=True, slots=True)
class Imported(Result):
    """Models that were imported, and those that were there already."""

    models: tuple[ImportedModel, ...]

    def text(self) -> Iterator[str]:
        """Yield a line per model."""
        for each in self.models:
            yield f"imported  {each.model}: {each.path}, {each.how}"
        if not self.models:
            yield "nothing was found that is not here already"


def import_bundle(path: Path, catalog: Catalog, judge: Judge) -> Imported:
    """Put the models of the export *path* on disk; a model that is there whole stays.

    Raises:
        NotFound: there is no such file.
        IntegrityError: the export is damaged, holds what no export does, or has other bytes
            than the catalog says.
        NoSpace: there is not enough room.
    """
    if not path.is_file():
        raise NotFound(f"`{path}` is no file", hint="name a file of `aava models export`")
    work = work_folder(judge.settings)
    try:
        with tarfile.open(path, "r|*") as tar:
            members = iter(tar)
            bundled = _known_to(catalog, _read_manifest(tar, next(members, None)))
            pending = [each for each in bundled if not _is_here(each, judge)]
            if not pending:
                return Imported(())
            with _receiving(work, judge.emit) as folder:
                blobs = _receive(tar, members, _wanted(bundled, judge), folder)
                installed = [_install(each, blobs, work, judge) for each in pending]
    except (tarfile.TarError, EOFError) as error:
        raise unsound(str(error)) from error
    except OSError as error:
        raise no_space(error, work, None) from error
    for each in pending:
        if each.model.id not in catalog.models:
            add_to_catalog(each.model, judge.settings, judge.emit)
    return Imported(tuple(installed))


@contextmanager
def _receiving(work: Path, emit: Emit) -> Iterator[Path]:
    """Yield an empty folder, which is gone after the block; imports come one after another."""
    # No model's id begins with a dot.
    folder = work / "staging" / ".import"
    with hold(work, ["import"], emit):
        # What a killed run left is of no use.
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _read_manifest(tar: tarfile.TarFile, first: tarfile.TarInfo | None) -> tuple[Bundled, ...]:
    if first is None or first.name != MANIFEST or not first.isreg():
        raise unsound(f"it does not begin with `{MANIFEST}`")
    if first.size > MANIFEST_BYTES:
        raise unsound("its manifest is too large")
    return parse_manifest(_content(tar, first).read())


def _content(tar: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    # Only what is no file has no content, and such members are refused.
    return cast("IO[bytes]", tar.extractfile(info))


def _known_to(catalog: Catalog, bundled: tuple[Bundled, ...]) -> tuple[Bundled, ...]:
    """Return *bundled* with the entries of *catalog*, which must agree, where it has them."""
    return tuple(_agreed(each, catalog.models.get(each.model.id)) for each in bundled)


def _agreed(bundled: Bundled, known: Model | None) -> Bundled:
    if known is None:
        return bundled
    for file in known.files:
        own = _own(file, known, bundled)
        if not own or any(file.sha256 not in (None, each.download_sha256) for each in own[:1]):
            message = f"the export has other bytes of `{known.id}` than the catalog says"
            raise IntegrityError(message, hint=f"run `aava models show {known.id}`")
    return replace(bundled, model=known)


def _wanted(bundled: tuple[Bundled, ...], judge: Judge) -> dict[str, int]:
    """Return size by digest of all that the models need, the room for it being there."""
    wanted = {file.sha256: file.size_bytes for each in bundled for file in each.files}
    need, free = sum(wanted.values()), free_bytes(judge.settings.models_dir)
    if need > free:
        message = f"need {human_bytes(need)}, have {human_bytes(free)} free"
        where = f" on `{judge.settings.models_dir}`"
        raise NoSpace(message + where, hint="make room, then run the same command again")
    return wanted


def _receive(
    tar: tarfile.TarFile, members: Iterator[tarfile.TarInfo], wanted: Mapping[str, int], to: Path
) -> Mapping[str, Path]:
    """Write every file of the export to the folder *to*, and return them by digest."""
    received: dict[str, Path] = {}
    for info in members:
        sha256 = blob_digest(info.name)
        if sha256 is None or not info.isreg():
            raise unsound(f"it holds `{info.name}`, which no export does")
        if wanted.get(sha256) != info.size or sha256 in received:
            raise unsound(f"its manifest does not have `{info.name}` so")
        received[sha256] = to / sha256
        if _write(_content(tar, info), received[sha256]) != sha256:
            raise unsound(f"`{info.name}` has other bytes than its name says")
    for sha256 in wanted:
        if sha256 not in received:
            raise unsound(f"it lacks the file {sha256}")
    return received


def _write(content: IO[bytes], target: Path) -> str:
    digest = hashlib.sha256()
    with target.open("xb") as file:
        while data := content.read(_STEP_BYTES):
            digest.update(data)
            file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


def _is_here(bundled: Bundled, judge: Judge) -> bool:
    receipt = read_receipt(judge.settings, bundled.model.id)
    if receipt is None or not covers(receipt, bundled.model):
        return False
    return all(judge.judge_recorded(file) == "good" for file in bundled.files)


def _install(
    bundled: Bundled, blobs: Mapping[str, Path], work: Path, judge: Judge
) -> ImportedModel:
    model = bundled.model
    with hold(work, lock_names(model), judge.emit), staging(work, model) as stage:
        obtained = [_lay_out(file, bundled, blobs, stage) for file in model.files]
        install(model, obtained, stage, judge)
    size = sum(file.size_bytes for file in bundled.files)
    return ImportedModel(model.id, model.path, f"{human_bytes(size)}, verified")


def _lay_out(
    file: RemoteFile, bundled: Bundled, blobs: Mapping[str, Path], stage: Path
) -> Obtained:
    """Put what belongs to *file* where it will be, below *stage*."""
    own = _own(file, bundled.model, bundled)
    for each in own:
        place, blob = stage / each.path, blobs[each.sha256]
        place.parent.mkdir(parents=True, exist_ok=True)
        if blob.stat().st_nlink == 1:
            place.hardlink_to(blob)
        else:
            # Two files that share their bytes now need not do so for ever.
            shutil.copyfile(blob, place)
    return Obtained(file, stage / file.path, 0, own)


def _own(file: RemoteFile, model: Model, bundled: Bundled) -> tuple[ReceiptFile, ...]:
    """Return what the export has of *file* of *model*."""
    return recorded_of(file, model, Receipt(model.id, bundled.files, "", ""))

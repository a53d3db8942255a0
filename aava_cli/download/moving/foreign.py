"""Take models from what is on this host already: the hub's cache, an Ollama store, any folder.

Files are recognised by their bytes, whatever they are called.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from aava_cli.download.apply import install, staging
from aava_cli.download.moving.importing import Imported, ImportedModel
from aava_cli.download.moving.taking import take
from aava_cli.download.obtain import Obtained, Supplier
from aava_cli.download.presence import contained
from aava_cli.download.sharing.waiting import hold
from aava_cli.download.sources.resolver import Resolver
from aava_cli.download.together import lock_names
from aava_cli.errors import IntegrityError, NotFound
from aava_cli.store import ReceiptFile, read_receipt, work_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from aava_cli.catalog import Model, RemoteFile
    from aava_cli.download.presence import Judge

_SYSTEM_OLLAMA = Path("/usr/share/ollama/.ollama/models")


@dataclass(slots=True)
class Finder:
    """Finds files by digest in folders, reading only those of the right size."""

    folders: tuple[Path, ...]
    judge: Judge
    _by_size: Mapping[int, Sequence[Path]] | None = field(default=None)

    def find(self, file: RemoteFile) -> Path | None:
        """Return a file with the bytes of *file*; one that nobody vouches for is not sought."""
        if file.sha256 is None:
            return None
        for path in self._candidates(file, file.sha256):
            if self.judge.digests.of(path, emit=self.judge.emit) == file.sha256:
                return path
        return None

    def _candidates(self, file: RemoteFile, sha256: str) -> list[Path]:
        if self._by_size is None:
            self._by_size = _sizes(self.folders)
        if file.size_bytes is not None:
            fitting = list(self._by_size.get(file.size_bytes, ()))
        else:
            every = (path for paths in self._by_size.values() for path in paths)
            fitting = [path for path in every if sha256 in path.name]
        # Both stores call a file by its digest: such a one is read first.
        return sorted(fitting, key=lambda path: (sha256 not in path.name, path))


def import_found(models: Sequence[Model], finder: Finder, *, required: bool) -> Imported:
    """Put those of *models* on disk whose files *finder* finds, all of them or none of a model.

    Raises:
        NotFound: one that is *required* was not found.
        IntegrityError: what was found is no model.
        NoSpace: there is not enough room.
    """
    imported: list[ImportedModel] = []
    for model in models:
        missing = _missing(model, finder.judge)
        found = {file.path: finder.find(file) for file in missing}
        if missing and all(found.values()):
            pairs = [(file, path) for file in missing if (path := found[file.path])]
            imported.append(_import(model, pairs, finder.judge))
        elif missing and required:
            absent = next(file for file in missing if found[file.path] is None)
            raise _not_found(model, absent, finder)
    return Imported(tuple(imported))


def folders_of(named: str) -> tuple[Path, ...]:
    """Return the folders that *named* stands for: `hub`, `ollama`, or a folder itself.

    Raises:
        NotFound: there is no such folder.
    """
    wanted = {"hub": _hub_cache, "ollama": _ollama_stores}.get(named, lambda: (Path(named),))()
    found = tuple(path for path in wanted if path.is_dir())
    if not found:
        listed = " or ".join(f"`{path}`" for path in wanted)
        raise NotFound(f"there is no folder {listed}", hint="name a folder that has model files")
    return found


def _hub_cache() -> tuple[Path, ...]:
    from huggingface_hub.constants import HF_HUB_CACHE

    return (Path(HF_HUB_CACHE),)


def _ollama_stores() -> tuple[Path, ...]:
    named = os.environ.get("OLLAMA_MODELS")
    own = Path.home() / ".ollama" / "models"
    return (Path(named),) if named else (own, _SYSTEM_OLLAMA)


def _sizes(folders: Sequence[Path]) -> Mapping[int, Sequence[Path]]:
    sizes: dict[int, list[Path]] = {}
    seen: set[tuple[int, int]] = set()
    for path in (path for folder in folders for path in _files(folder)):
        status = path.stat()
        if (status.st_dev, status.st_ino) not in seen:
            seen.add((status.st_dev, status.st_ino))
            sizes.setdefault(status.st_size, []).append(path)
    return sizes


def _files(folder: Path) -> Iterator[Path]:
    for root, _folders, names in os.walk(folder):
        for name in names:
            path = Path(root, name)
            if path.is_file() and os.access(path, os.R_OK):
                yield path


def _missing(model: Model, judge: Judge) -> list[RemoteFile]:
    receipt = read_receipt(judge.settings, model.id)
    there = ("good", "unknown")
    return [file for file in model.files if judge.verdict(file, model, receipt) not in there]


def _import(model: Model, pairs: Sequence[tuple[RemoteFile, Path]], judge: Judge) -> ImportedModel:
    work = work_folder(judge.settings)
    supplier = Supplier(work, Resolver(), judge.emit)
    with hold(work, lock_names(model), judge.emit), staging(work, model) as stage:
        taken = [_take(file, path, stage, supplier, judge) for file, path in pairs]
        install(model, [obtained for obtained, _ in taken], stage, judge)
        supplier.drop(_local(file, path) for file, path in pairs)
    ways = ", ".join(sorted({way for _, way in taken}))
    return ImportedModel(model.id, model.path, f"by {ways} from `{pairs[0][1].parent}`")


def _take(
    file: RemoteFile, path: Path, stage: Path, supplier: Supplier, judge: Judge
) -> tuple[Obtained, str]:
    target = contained(judge.settings, file.path)
    if file.archive is not None:
        return supplier.obtain(_local(file, path), stage, None), "copy"
    before, sha256 = path.stat(), str(file.sha256)
    place = stage / file.path
    way = take(path, place, like=target.parent)
    after = path.stat()
    if (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size):
        message = f"`{path}` changed while it was taken"
        raise IntegrityError(message, hint="run the same command again")
    size_bytes = place.stat().st_size
    source = f"file:{path}"
    recorded = ReceiptFile(file.path, size_bytes, sha256, source, "catalog", sha256)
    return Obtained(file, place, 0, (recorded,)), way


def _local(file: RemoteFile, path: Path) -> RemoteFile:
    return replace(file, sources=(f"file:{path.absolute()}",))


def _not_found(model: Model, file: RemoteFile, finder: Finder) -> NotFound:
    where = ", ".join(f"`{folder}`" for folder in finder.folders)
    if file.sha256 is None:
        message = f"nothing says what the bytes of `{file.path}` are, so it cannot be recognised"
    else:
        message = f"`{file.path}` is not in {where}"
    return NotFound(message, hint=f"run `aava models pull {model.id}`")

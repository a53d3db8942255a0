"""Judge the files that are on disk against the catalog and against what was recorded."""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from aava_cli.digests import DigestCache
from aava_cli.download.plan import PullFacts
from aava_cli.download.sharing.shelf import begun, reserved_bytes
from aava_cli.errors import ConfigError
from aava_cli.events import ignore
from aava_cli.store import has_size, read_receipt, recorded_models, work_folders

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from pathlib import Path, PurePosixPath

    from aava_cli.catalog import Model, RemoteFile
    from aava_cli.events import Emit
    from aava_cli.session import Session
    from aava_cli.settings import Settings
    from aava_cli.store import Receipt, ReceiptFile

Verdict: TypeAlias = Literal["good", "unknown", "different", "missing"]


@dataclass(frozen=True, slots=True)
class Judge:
    """Compares files with what they should be; *deep* reads all of them again."""

    settings: Settings
    digests: DigestCache
    emit: Emit = ignore
    deep: bool = False

    def facts(self, models: Collection[Model]) -> PullFacts:
        """Return what there is on disk of *models*, whole or begun.

        Raises:
            ConfigError: a receipt is damaged.
        """
        good: set[PurePosixPath] = set()
        lacking: set[str] = set()
        folders: set[Path] = set()
        for model in models:
            receipt = read_receipt(self.settings, model.id)
            for file in model.files:
                if self.verdict(file, model, receipt) in ("good", "unknown"):
                    good.add(file.path)
                else:
                    folders.update(self._begun(file))
                    lacking.update([file.sha256] if file.sha256 and not file.archive else ())
        folder = self.settings.models_dir
        begun_bytes = sum(map(reserved_bytes, folders))
        elsewhere = _other_disks(folder, {file.path for model in models for file in model.files})
        recorded = self.copies(frozenset(lacking))
        copied = {each.sha256 for each in recorded if self.judge_recorded(each) == "good"}
        return PullFacts(
            folder,
            frozenset(good),
            begun_bytes,
            free_bytes(folder),
            elsewhere,
            copied=frozenset(copied),
        )

    def copies(self, digests: frozenset[str]) -> Iterator[ReceiptFile]:
        """Yield what was recorded of files with one of *digests*, wherever in the models folder."""
        for model in recorded_models(self.settings) if digests else ():
            # A receipt of another model that is damaged is of no use, but no failure either.
            with suppress(ConfigError):
                receipt = read_receipt(self.settings, model)
                yield from (each for each in _files(receipt) if each.sha256 in digests)

    def _begun(self, file: RemoteFile) -> Iterator[Path]:
        for work in work_folders(self.settings):
            for source in file.sources:
                yield from begun(work, source)

    def verdict(self, file: RemoteFile, model: Model, receipt: Receipt | None) -> Verdict:
        """Return whether *file* of *model* is on disk as the catalog or else *receipt* says.

        It is `unknown` where neither says what it should be.
        """
        recorded = recorded_of(file, model, receipt)
        if file.archive is not None:
            return self._judge_folder(file, recorded)
        path = self.settings.models_dir / file.path
        if not path.is_file():
            return "missing"
        if not has_size(path, file.size_bytes):
            return "different"
        expected = file.sha256 or next((each.sha256 for each in recorded), None)
        return self._judge_digest(path, expected)

    def judge_recorded(self, recorded: ReceiptFile) -> Verdict:
        """Return whether one file that was pulled is still what it was."""
        path = self.settings.models_dir / recorded.path
        if not path.is_file():
            return "missing"
        if not has_size(path, recorded.size_bytes):
            return "different"
        return self._judge_digest(path, recorded.sha256)

    def _judge_digest(self, path: Path, expected: str | None) -> Verdict:
        if expected is None:
            return "unknown"
        actual = self.digests.of(path, deep=self.deep, emit=self.emit)
        return "good" if actual == expected else "different"

    def _judge_folder(self, file: RemoteFile, recorded: tuple[ReceiptFile, ...]) -> Verdict:
        path = self.settings.models_dir / file.path
        if not (path.is_dir() and any(path.iterdir())):
            return "missing"
        if not recorded:
            return "unknown"
        if any(file.sha256 not in (None, each.download_sha256) for each in recorded):
            return "different"
        verdicts = {self.judge_recorded(each) for each in recorded}
        return "good" if verdicts == {"good"} else "different"


def judge_for(session: Session, *, deep: bool = False, keep: bool = True) -> Judge:
    """Return who judges in the project of *session*; what is read is remembered if *keep*."""
    digests = DigestCache(session.settings.state_dir, keep=keep)
    return Judge(session.settings, digests, session.output.emit, deep)


def recorded_of(file: RemoteFile, model: Model, receipt: Receipt | None) -> tuple[ReceiptFile, ...]:
    """Return what *receipt* has of *file*: itself, or what came out of its archive."""
    others = {each.path for each in model.files if each != file}
    return tuple(
        each
        for each in _files(receipt)
        if each.path.is_relative_to(file.path) and each.path not in others
    )


def _files(receipt: Receipt | None) -> tuple[ReceiptFile, ...]:
    return receipt.files if receipt else ()


def free_bytes(folder: Path) -> int:
    """Return the room on the file system that *folder* is, or will be, on."""
    existing = next(each for each in (folder, *folder.parents) if each.is_dir())
    return shutil.disk_usage(existing).free


def _other_disks(folder: Path, paths: Iterable[PurePosixPath]) -> dict[str, int]:
    """Return the room in those folders of *folder* where *paths* lead to another disk."""
    device = folder.stat().st_dev if folder.is_dir() else None
    names = {path.parts[0] for path in paths if (folder / path.parts[0]).is_dir()}
    return {
        name: free_bytes(folder / name) for name in names if (folder / name).stat().st_dev != device
    }


def contained(settings: Settings, path: PurePosixPath) -> Path:
    """Return where *path* is under the models folder.

    The folders directly below it, such as `llm`, may be links to another disk.

    Raises:
        NotPossible: it leads elsewhere.
    """
    from aava_cli.errors import NotPossible

    target = settings.models_dir / path
    root = (settings.models_dir / path.parts[0]).resolve()
    if ".." in path.parts or not target.parent.resolve().is_relative_to(root):
        message = f"`{path}` leads out of `{settings.models_dir}`"
        raise NotPossible(message, hint="look for links in the models folder")
    return target

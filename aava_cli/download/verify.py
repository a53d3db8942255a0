"""Check what is on disk: digests against the catalog and receipts, then the formats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from aava_cli.backends import BACKENDS
from aava_cli.download.presence import Judge, recorded_of
from aava_cli.errors import IntegrityError
from aava_cli.modelfiles import check_model
from aava_cli.output import Result, Table
from aava_cli.store import read_receipt, state_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import PurePosixPath

    from aava_cli.catalog import Model, RemoteFile
    from aava_cli.errors import AavaError
    from aava_cli.store import Provenance, Receipt

Finding: TypeAlias = Literal["good", "unknown", "different", "missing", "broken"]
_BAD = frozenset({"different", "missing", "broken"})


@dataclass(frozen=True, slots=True)
class FileCheck:
    """What was found of one file; `broken` is a file that its engine cannot load."""

    model: str
    path: PurePosixPath
    finding: Finding
    provenance: Provenance | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Verified(Result):
    """What was found of each file."""

    files: tuple[FileCheck, ...]

    def text(self) -> Iterator[str | Table]:
        """Yield a row per file."""
        rows = tuple(
            (each.model, str(each.path), each.problem or each.finding, each.provenance or "-")
            for each in self.files
        )
        if rows:
            yield Table(("MODEL", "FILE", "FOUND", "SHA256 FROM"), rows)
        else:
            yield "no model is on disk"

    def failure(self) -> AavaError | None:
        """Return that a file is not what it should be."""
        bad = [each for each in self.files if each.finding in _BAD]
        if not bad:
            return None
        models = " ".join(dict.fromkeys(each.model for each in bad))
        message = f"{len(bad)} of {len(self.files)} files are not what they should be"
        return IntegrityError(message, hint=f"run `aava models pull {models}`")


def verify_models(models: Iterable[Model], judge: Judge) -> Verified:
    """Return what is on disk of *models*, file by file.

    Raises:
        ConfigError: a receipt is damaged.
    """
    return Verified(tuple(check for model in models for check in _checks(model, judge)))


def on_disk(models: Iterable[Model], judge: Judge) -> tuple[Model, ...]:
    """Return those of *models* of which anything is on disk."""
    absent = ("missing", "remote")
    return tuple(each for each in models if state_of(judge.settings, each) not in absent)


def _checks(model: Model, judge: Judge) -> Iterator[FileCheck]:
    receipt = read_receipt(judge.settings, model.id)
    checks = [check for file in model.files for check in _file_checks(file, model, receipt, judge)]
    yield from checks
    if model.path and model.backend in BACKENDS and not any(c.finding in _BAD for c in checks):
        try:
            check_model(BACKENDS[model.backend], judge.settings.models_dir / model.path)
        except IntegrityError as error:
            yield FileCheck(model.id, model.path, "broken", None, error.message)


def _file_checks(
    file: RemoteFile, model: Model, receipt: Receipt | None, judge: Judge
) -> Iterator[FileCheck]:
    recorded = recorded_of(file, model, receipt)
    if file.archive is None or not recorded:
        provenance = recorded[0].provenance if recorded else None
        finding = judge.verdict(file, model, receipt)
        yield FileCheck(model.id, file.path, finding, provenance)
        return
    for each in recorded:
        yield FileCheck(model.id, each.path, judge.judge_recorded(each), each.provenance)

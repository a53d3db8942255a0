"""Carry out a pull: obtain every file of a model, check them together, then publish them."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from aava_cli import __version__
from aava_cli.backends import BACKENDS
from aava_cli.download.obtain import Obtained, Supplier
from aava_cli.download.plan import plan_pull
from aava_cli.download.presence import Judge, contained, recorded_of
from aava_cli.download.progress import steady
from aava_cli.download.publish import publish
from aava_cli.download.pulled import Pulled, PulledFile, PulledModel
from aava_cli.download.sharing.kept import tell_what_is_kept
from aava_cli.download.sharing.staging import new_stage
from aava_cli.download.sharing.waiting import hold
from aava_cli.download.sources.resolver import Resolver
from aava_cli.download.together import Together, lock_names
from aava_cli.download.transfer.fetch import Means, Patience
from aava_cli.download.transfer.hasher import is_accelerated
from aava_cli.download.transfer.partial import no_space
from aava_cli.errors import IntegrityError
from aava_cli.events import Log
from aava_cli.modelfiles import check_model
from aava_cli.store import Receipt, ReceiptFile, covers, read_receipt, work_folder, write_receipt

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path, PurePosixPath

    from aava_cli.catalog import Model, RemoteFile
    from aava_cli.download.plan import PullPlan
    from aava_cli.settings import Settings

_BY_HAND = "found on disk"


def apply_pull(
    plan: PullPlan,
    models: Sequence[Model],
    judge: Judge,
    patience: Patience | None = None,
    *,
    resolver: Resolver | None = None,
    means: Means | None = None,
) -> Pulled:
    """Fetch what *plan* says is missing of *models*; a model is published whole or not at all.

    Where one fails the others are completed all the same, and then its failure is raised.

    Raises:
        NetworkError: no source of a file could be had; what was downloaded is kept.
        AccessDenied: a model is gated, or its source needs credentials.
        IntegrityError: all sources of a file have other bytes.
        NoSpace: there is not enough room; what was downloaded is kept.
    """
    plan.check_room()
    if not any(file.action != "keep" for model in plan.models for file in model.files):
        return Pulled(tuple(_kept_whole(model, judge) for model in models), 0)
    work = work_folder(judge.settings)
    if not is_accelerated():
        message = "this Python hashes without OpenSSL: checking takes five times as long"
        judge.emit(Log(message, "warning"))
    judge = replace(judge, emit=steady(judge.emit))
    resolver, patience, means = resolver or Resolver(), patience or Patience(), means or Means()
    supplier = Supplier(work, resolver, judge.emit, patience, means)
    together = Together(models, supplier, judge)
    with tell_what_is_kept(work, models):
        pulled = together.each(partial(_pull_model, judge, together))
    return Pulled(tuple(each for each, _ in pulled), sum(received for _, received in pulled))


def _pull_model(
    judge: Judge, together: Together, model: Model, supplier: Supplier
) -> tuple[PulledModel, int]:
    locks, sleep = lock_names(model), supplier.means.halt.sleep
    with hold(supplier.work, locks, judge.emit, sleep) as emit:
        judge, supplier = replace(judge, emit=emit), replace(supplier, emit=emit)
        # Whoever held the names may have fetched what the plan still lacks.
        judge.digests.reread()
        missing = _missing(model, judge)
        if not missing:
            return _kept_whole(model, judge), 0
        with staging(supplier.work, model) as stage:
            wanted = _with_known_digests(missing, model, judge.settings)
            obtained = together.obtain(wanted, stage, supplier)
            try:
                _check_together(model, obtained, stage, judge.settings)
            except IntegrityError:
                together.drop(model, missing)
                raise
            # The receipt comes first: a kill in between leaves files that are known, or missing.
            receipt = _record(model, obtained, judge)
            _publish_all(model, obtained, stage, judge)
        together.drop(model, missing)
    received = sum(each.received_bytes for each in obtained)
    return _describe(model, receipt, fetched={each.file.path for each in obtained}), received


def install(model: Model, obtained: Sequence[Obtained], stage: Path, judge: Judge) -> PulledModel:
    """Check what was *obtained* of *model* by other ways than a pull, record and publish it.

    *stage* is a folder of the work folder; the caller holds the locks of the model's files.

    Raises:
        IntegrityError: together the files are no model; nothing was published.
    """
    _check_together(model, obtained, stage, judge.settings)
    receipt = _record(model, obtained, judge)
    _publish_all(model, obtained, stage, judge)
    return _describe(model, receipt, fetched={each.file.path for each in obtained})


def _missing(model: Model, judge: Judge) -> list[RemoteFile]:
    planned = plan_pull([model], judge.facts([model])).models[0].files
    pairs = zip(model.files, planned, strict=True)
    return [file for file, plan in pairs if plan.action != "keep"]


@contextmanager
def staging(work: Path, model: Model) -> Iterator[Path]:
    """Yield an empty folder for the files of *model*, which is gone after the block."""
    stage = new_stage(work, model.id)
    try:
        yield stage
    except OSError as error:
        raise no_space(error, work, None) from error
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _with_known_digests(
    missing: Sequence[RemoteFile], model: Model, settings: Settings
) -> Iterator[tuple[RemoteFile, str | None]]:
    """Yield each file with the digest of an earlier download that nobody else vouches for."""
    receipt = read_receipt(settings, model.id)
    for file in missing:
        contained(settings, file.path)
        recorded = recorded_of(file, model, receipt)
        known = (each.download_sha256 for each in recorded if each.provenance == "tofu")
        yield file, next(known, None)


def _check_together(
    model: Model, obtained: Sequence[Obtained], stage: Path, settings: Settings
) -> None:
    """Check the model as it will be, from links to where its files are now."""
    places = {each.file.path: each.place for each in obtained}
    for file in model.files:
        place = places.get(file.path, settings.models_dir / file.path)
        link = stage / file.path
        if place != link:
            link.parent.mkdir(parents=True, exist_ok=True)
            link.unlink(missing_ok=True)
            link.symlink_to(place)
    if model.path is None or model.backend not in BACKENDS:
        return
    try:
        check_model(BACKENDS[model.backend], stage / model.path)
    except IntegrityError as error:
        message = error.message.replace(f"{stage}/", "")
        hint = "nothing was installed; look at the sources that the catalog names"
        raise IntegrityError(message, hint=hint) from error


def _publish_all(model: Model, obtained: Sequence[Obtained], stage: Path, judge: Judge) -> None:
    folders = [each for each in obtained if each.file.archive is not None]
    files = [each for each in obtained if each.file.archive is None]
    inside = [each for each in files if _is_within(each.file.path, folders)]
    for each in inside:
        each.place.replace(stage / each.file.path)
    # What names the model comes last: who finds it finds the rest too.
    rest = sorted(
        (each for each in (*folders, *files) if each not in inside),
        key=lambda each: each.file.path == model.path,
    )
    for each in rest:
        publish(each.place, contained(judge.settings, each.file.path))
    for recorded in (entry for each in obtained for entry in each.recorded):
        judge.digests.note(judge.settings.models_dir / recorded.path, recorded.sha256)


def _is_within(path: PurePosixPath, folders: Sequence[Obtained]) -> bool:
    return any(path.is_relative_to(each.file.path) for each in folders)


def _record(model: Model, obtained: Sequence[Obtained], judge: Judge) -> Receipt:
    """Write and return the receipt: what was fetched, and what was already good."""
    old = read_receipt(judge.settings, model.id)
    fetched = {each.file.path: each.recorded for each in obtained}
    entries: list[ReceiptFile] = []
    for file in model.files:
        if file.path in fetched:
            entries += fetched[file.path]
        else:
            entries += recorded_of(file, model, old) or _vouched_by_catalog(file, judge)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    receipt = Receipt(model.id, tuple(entries), now, f"aava {__version__}")
    write_receipt(judge.settings, receipt)
    return receipt


def _vouched_by_catalog(file: RemoteFile, judge: Judge) -> tuple[ReceiptFile, ...]:
    """Return the entry of a file that people put there and that the catalog knows."""
    if file.archive is not None or file.sha256 is None:
        return ()
    size_bytes = (judge.settings.models_dir / file.path).stat().st_size
    known = file.sha256
    return (ReceiptFile(file.path, size_bytes, known, _BY_HAND, "catalog", known),)


def _kept_whole(model: Model, judge: Judge) -> PulledModel:
    """Describe a model of which nothing was fetched, and record what the catalog vouches for."""
    old = read_receipt(judge.settings, model.id)
    unknown = [file for file in model.files if judge.verdict(file, model, old) == "unknown"]
    for file in unknown:
        judge.emit(Log(f"`{file.path}` is kept: nothing says what its bytes should be", "warning"))
    if model.files and not unknown and not (old and covers(old, model)):
        old = _record(model, (), judge)
    return _describe(model, old, fetched=set())


def _describe(model: Model, receipt: Receipt | None, *, fetched: set[PurePosixPath]) -> PulledModel:
    files = tuple(
        PulledFile(
            each.path,
            each.size_bytes,
            each.sha256,
            each.source,
            each.provenance,
            fetched=any(each.path.is_relative_to(path) for path in fetched),
        )
        for each in (receipt.files if receipt else ())
    )
    return PulledModel(model.id, model.path, has_files=bool(model.files), files=files)

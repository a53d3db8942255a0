"""What is to be known of a pull before it, besides what the catalog says: nothing is fetched."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from aava_cli.download.cataloguing.asking import Asker
from aava_cli.download.plan import Told
from aava_cli.download.presence import recorded_of
from aava_cli.store import read_receipt

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import PurePosixPath

    from aava_cli.catalog import Model, RemoteFile
    from aava_cli.download.cataloguing.asking import Answered
    from aava_cli.download.plan import PullFacts
    from aava_cli.download.presence import Judge
    from aava_cli.store import Provenance


def with_what_is_told(facts: PullFacts, models: Sequence[Model], judge: Judge) -> PullFacts:
    """Return *facts* with sizes and digests that the sources of *models*, or receipts, tell.

    Nobody is asked where the catalog knows both, and who does not answer tells nothing.
    """
    files = [
        file
        for model in models
        for file in model.files
        if file.path not in facts.good and None in (file.sha256, file.size_bytes)
    ]
    sources = [source for file in files for source in file.sources]
    answers = Asker().ask_all(sources, lambda _done, _total: None)
    told = dict(_recorded(models, judge))
    for file in files:
        heard = _hear(file, answers)
        told[file.path] = heard if heard.digest else _merge(heard, told.get(file.path))
    return replace(facts, told=told)


def _hear(file: RemoteFile, answers: Mapping[str, Answered]) -> Told:
    """Return what the first of the sources says that has *file*."""
    for source in file.sources:
        answered = answers[source]
        if answered.answer == "there":
            digest = answered.digest
            if digest is None:
                return Told(answered.size_bytes)
            by: Provenance = "hub" if source.startswith("hf:") else "publisher"
            return Told(answered.size_bytes, f"{digest.algorithm}:{digest.value}", by)
    return Told()


def _merge(heard: Told, recorded: Told | None) -> Told:
    if recorded is None:
        return heard
    return replace(recorded, size_bytes=heard.size_bytes or recorded.size_bytes)


def _recorded(models: Sequence[Model], judge: Judge) -> Iterator[tuple[PurePosixPath, Told]]:
    """Yield what was downloaded of each file before, which a pull holds it to again."""
    for model in models:
        receipt = read_receipt(judge.settings, model.id)
        for file in model.files:
            for each in recorded_of(file, model, receipt)[:1]:
                size = None if file.archive else each.size_bytes
                yield file.path, Told(size, f"sha256:{each.download_sha256}", each.provenance)

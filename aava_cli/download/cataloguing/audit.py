"""Hold a catalog against its sources: what differs, and what is newly known of a file."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from aava_cli.download.cataloguing.catalog_edit import FileFacts, record_facts
from aava_cli.download.obtain import shown
from aava_cli.errors import IntegrityError, NetworkError
from aava_cli.output import Result, Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path, PurePosixPath

    from aava_cli.catalog import Model, RemoteFile
    from aava_cli.download.cataloguing.asking import Answered
    from aava_cli.errors import AavaError

State: TypeAlias = Literal["agrees", "learned", "differs", "unasked"]
"""`unasked` is a file of which a source could not be asked; `differs` includes what is gone."""

# A source that names exact bytes already: a commit, or a package by its digest.
_EXACT = re.compile(r"hf:[^@]+@[0-9a-f]{40}/.+|(?:pypi|npm):[^#]+@sha\d+:[0-9a-f]+#.+")


@dataclass(frozen=True, slots=True)
class FileAudit:
    """What the sources say of file number *index* of a model; *sources* are pinned by now."""

    model: str
    index: int
    path: PurePosixPath
    state: State
    size_bytes: int | None = None
    sha256: str | None = None
    sources: tuple[str, ...] | None = None
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Audited(Result):
    """What was found of each file; what is newly known is in the catalog *written*, if any."""

    files: tuple[FileAudit, ...]
    written: Path | None = None

    def text(self) -> Iterator[str | Table]:
        """Yield a row per file that does not simply agree, and the sums."""
        rows = tuple(
            (each.model, str(each.path), each.state, _details(each))
            for each in self.files
            if each.state != "agrees" or each.problems
        )
        if rows:
            yield Table(("MODEL", "FILE", "FOUND", "WHAT"), rows)
        counts = Counter(each.state for each in self.files)
        sums = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
        yield f"{len(self.files)} files: {sums or 'nothing to ask'}"
        if self.written is not None:
            yield f"what was learned is in `{self.written}`"

    def failure(self) -> AavaError | None:
        """Return that files differ, or that some could not be asked for."""
        different = [each for each in self.files if each.state == "differs"]
        if different:
            message = f"{len(different)} of {len(self.files)} files are not as the catalog says"
            return IntegrityError(message, hint="look at those sources, and correct the catalog")
        unasked = [each for each in self.files if each.state == "unasked"]
        if unasked:
            message = f"{len(unasked)} of {len(self.files)} files could not be asked for"
            return NetworkError(message, hint="run the command again later")
        return None


def audit_models(models: Sequence[Model], answers: Mapping[str, Answered]) -> Audited:
    """Return what *answers*, by source, say of the files of *models*."""
    return Audited(
        tuple(
            _audit(model, index, file, [answers[source] for source in file.sources])
            for model in models
            for index, file in enumerate(model.files)
        )
    )


def sources_of(models: Sequence[Model]) -> tuple[str, ...]:
    """Return every source of *models*, each once."""
    return tuple(
        dict.fromkeys(source for model in models for file in model.files for source in file.sources)
    )


def write_learned(audited: Audited, text: str, path: Path) -> tuple[Audited, str]:
    """Return *audited* as it is once written, and the catalog *text* with what was learned.

    What differs is left to a person: other bytes may be an attack.

    Raises:
        ConfigError: the text is no catalog.
        NotPossible: it is written in a way that cannot be edited.
    """
    facts = [
        FileFacts(each.model, each.index, each.size_bytes, each.sha256, each.sources)
        for each in audited.files
        if each.state != "differs"
    ]
    edited = record_facts(text, facts, name=str(path))
    return replace(audited, written=path if edited != text else None), edited


def _audit(model: Model, index: int, file: RemoteFile, answers: Sequence[Answered]) -> FileAudit:
    there = [each for each in answers if each.answer == "there"]
    sizes = dict.fromkeys(each.size_bytes for each in there if each.size_bytes)
    digests = [each.digest for each in there if each.digest and each.digest.algorithm == "sha256"]
    values = dict.fromkeys(each.value for each in digests)
    differences = (
        *(f"{shown(each.source)}: {each.problem}" for each in answers if each.answer == "gone"),
        *_differences("size", file.size_bytes, sizes),
        *_differences("sha256", file.sha256, values),
    )
    failed = [each for each in answers if each.answer in ("denied", "unreachable")]
    failures = tuple(f"{shown(each.source)}: {each.problem}" for each in failed)
    found = FileAudit(model.id, index, file.path, "agrees", problems=(*differences, *failures))
    if differences:
        return replace(found, state="differs")
    learned = replace(
        found,
        size_bytes=next(iter(sizes), None) if file.size_bytes is None else None,
        sha256=next(iter(values), None) if file.sha256 is None else None,
        sources=_pinned(file, answers),
    )
    if failed:
        return replace(learned, state="unasked")
    return learned if learned == found else replace(learned, state="learned")


def _differences(what: str, known: object, told: Iterable[object]) -> Iterator[str]:
    """Yield what is *told* that is not *known*; where nothing is, the first that is told counts."""
    every = list(told)
    expected = known if known is not None else every[0] if every else None
    for value in every:
        if value != expected:
            yield f"{what} is {value}, expected {expected}"


def _pinned(file: RemoteFile, answers: Sequence[Answered]) -> tuple[str, ...] | None:
    pinned = tuple(
        each.pinned if each.pinned and not _EXACT.fullmatch(each.source) else each.source
        for each in answers
    )
    return pinned if pinned != file.sources else None


def _details(audit: FileAudit) -> str:
    learned = {
        "size": audit.size_bytes,
        "sha256": audit.sha256,
        "revision": "pinned" if audit.sources else None,
    }
    told = [f"{name} {value}" for name, value in learned.items() if value is not None]
    return "; ".join((*audit.problems, *told))

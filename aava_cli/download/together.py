"""Several models at once, and their files: each model is whole or not there, whatever others do."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import wait
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from aava_cli.download.copies import Copies
from aava_cli.download.crew import Crew, Job, drop_all
from aava_cli.download.transfer.halt import Halt, Halted
from aava_cli.events import Log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from aava_cli.catalog import Model, RemoteFile
    from aava_cli.download.obtain import Obtained, Supplier
    from aava_cli.download.presence import Judge

T = TypeVar("T")

_MODELS = 8
# Small files mostly wait for answers; large ones share the line, and each takes memory.
_FILES, _LARGE_FILES = 16, 4
# What cannot be broken off, such as looking a name up, has nothing to keep.
_UNWIND_S = 2.0


class Together:
    """What the models of one pull share: connections, downloads, and bytes that two need."""

    def __init__(self, models: Sequence[Model], supplier: Supplier, judge: Judge) -> None:
        self._models = models
        self._supplier = supplier
        self._copies = Copies(judge)
        self._files = Crew(min(_FILES, supplier.means.budget.connections), _LARGE_FILES)
        self._wanted = Counter(source for model in models for source in _downloads(model.files))
        self._sources = _sources_of_digests(models)
        self._failures: list[Exception] = []
        self._guard = threading.Lock()

    def each(self, pull: Callable[[Model, Supplier], T]) -> list[T]:
        """Return what *pull* returns of each model; when one fails, the others go on.

        Raises:
            AavaError: the first failure, once all have ended.
        """
        halts = [Halt() for _ in self._models]
        jobs = [
            Job(partial(self._one, pull, model, halt), lock_names(model), _size(model))
            for model, halt in zip(self._models, halts, strict=True)
        ]
        futures = Crew(_MODELS).submit(jobs)
        try:
            wait(futures)
        except BaseException:
            for halt in halts:
                halt.say()
            drop_all(futures)
            wait(futures, _UNWIND_S)
            raise
        if self._failures:
            for model, future in zip(self._models, futures, strict=True):
                if future.exception() is None:
                    self._supplier.emit(Log(f"`{model.id}` is there all the same"))
            raise self._failures[0]
        return [each.result() for each in futures]

    def obtain(
        self, files: Iterable[tuple[RemoteFile, str | None]], stage: Path, supplier: Supplier
    ) -> list[Obtained]:
        """Return *files*, each with the digest that it had before, as `Supplier.obtain` does.

        What another path of the models folder has, or another model brings, is not fetched.
        """
        jobs = [self._job(file, stage, known, supplier) for file, known in files]
        return self._files.do_all(jobs, supplier.means.halt)

    def drop(self, model: Model, files: Iterable[RemoteFile]) -> None:
        """Remove what was downloaded for *files* of *model*, unless another model wants it."""
        with self._guard:
            self._wanted.subtract(_downloads(model.files))
            others = {source for source, count in self._wanted.items() if count > 0}
        self._supplier.drop(files, spared=others)

    def _one(self, pull: Callable[[Model, Supplier], T], model: Model, halt: Halt) -> T:
        try:
            return pull(model, self._supplier.until(halt))
        except Halted:
            raise
        except Exception as error:
            self._failures.append(error)
            if len(self._models) > 1:
                self._supplier.emit(Log(f"`{model.id}` was not pulled: {error}", "warning"))
            raise

    def _job(
        self, file: RemoteFile, stage: Path, known_sha256: str | None, supplier: Supplier
    ) -> Job[Obtained]:
        also = self._sources.get(file.sha256, ()) if file.sha256 and not file.archive else ()
        anywhere = replace(file, sources=tuple(dict.fromkeys((*file.sources, *also))))

        def obtain() -> Obtained:
            supplier.means.halt.check()
            taken = self._copies.take(file, stage)
            obtained = taken or supplier.obtain(anywhere, stage, known_sha256)
            self._copies.note(obtained)
            return replace(obtained, file=file)

        return Job(obtain, _names(anywhere), file.size_bytes)


def lock_names(model: Model) -> frozenset[str]:
    """Return the names of the locks that whoever changes files of *model* holds."""
    return frozenset(f"file {file.path}" for file in model.files)


def _sources_of_digests(models: Iterable[Model]) -> dict[str, tuple[str, ...]]:
    """Return all sources of each digest: two paths may be known to have the same bytes."""
    found: dict[str, tuple[str, ...]] = {}
    for file in (file for model in models for file in model.files):
        if file.sha256 is not None and file.archive is None:
            found[file.sha256] = found.get(file.sha256, ()) + file.sources
    return found


def _names(file: RemoteFile) -> frozenset[str]:
    """Return what no two files of a pull may be brought from, or as, at the same time."""
    return frozenset(_downloads([file]) | ({file.sha256} if file.sha256 else set()))


def _downloads(files: Iterable[RemoteFile]) -> set[str]:
    """Return what is downloaded for *files*; members of one package are one download."""
    return {source.partition("#")[0] for file in files for source in file.sources}


def _size(model: Model) -> int:
    return sum(file.size_bytes or 0 for file in model.files) or model.approx_bytes or 0

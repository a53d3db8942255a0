"""Get the bytes of one file, from the first source that has them as they should be."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from aava_cli.download.ahead import look_ahead
from aava_cli.download.archives.following import following
from aava_cli.download.archives.unpack import Unpacked, extract_member, unpack
from aava_cli.download.crew import first_of, in_background
from aava_cli.download.progress import Meter, metered
from aava_cli.download.prospecting import find_alternatives, prospect
from aava_cli.download.sharing.shelf import About, begun, drop, place_for
from aava_cli.download.sharing.staging import part
from aava_cli.download.sharing.waiting import hold
from aava_cli.download.sources.http import without_secrets
from aava_cli.download.transfer.fetch import Download, Fetched, Means, Patience, fetch
from aava_cli.download.transfer.partial import Digest, remove_partial
from aava_cli.errors import AavaError, AccessDenied, IntegrityError, NetworkError, NotFound
from aava_cli.events import Log
from aava_cli.store import ReceiptFile

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    from aava_cli.catalog import RemoteFile
    from aava_cli.download.archives.following import Follower
    from aava_cli.download.sources.resolver import Resolved, Resolver
    from aava_cli.download.transfer.halt import Halt
    from aava_cli.events import Emit
    from aava_cli.store import Provenance

_NEXT_SOURCE = (NetworkError, NotFound, AccessDenied, IntegrityError)


@dataclass(frozen=True, slots=True)
class Obtained:
    """A file's bytes, checked: *place* has them, a file or what an archive unpacked to."""

    file: RemoteFile
    place: Path
    received_bytes: int
    recorded: tuple[ReceiptFile, ...]


@dataclass(frozen=True, slots=True)
class Supplier:
    """Obtains files; downloads are kept under *work*, and packages opened there."""

    work: Path
    resolver: Resolver
    emit: Emit
    patience: Patience = field(default_factory=Patience)
    means: Means = field(default_factory=Means)

    def obtain(self, file: RemoteFile, stage: Path, known_sha256: str | None) -> Obtained:
        """Return *file*, taken from its sources in order; what needs room goes to *stage*.

        *known_sha256* is the digest of an earlier download that nobody else vouches for.

        Raises:
            NetworkError: no source could be had; each one's reason is named.
            AccessDenied: no source could be had, and one wants credentials.
            IntegrityError: all sources have other bytes.
            NoSpace: the file system is full; what was downloaded is kept.
        """
        failures: dict[str, AavaError] = {}
        wanted = _Wanted(file, stage, known_sha256)
        # A download that was begun is worth more than the order of the catalog.
        sources = self.resolver.order(file.sources, file.sha256)
        order = sorted(sources, key=lambda each: not begun(self.work, each))
        known, halt = file.sha256 is not None, self.means.halt
        for source, answer in prospect(order, self.resolver, halt, digest_known=known):
            others = [each for each in order if each != source and each not in failures]
            try:
                return self._obtain_from(source, answer.result(), wanted, others)
            except _NEXT_SOURCE as error:
                failures[source] = error
                self.resolver.note_failure(source, error)
                if len(failures) < len(order):
                    message = f"{file.path.name}: {shown(source)}: {error.message}"
                    self.emit(Log(f"{message}; trying the next source"))
        raise _no_source_has(file, failures)

    def until(self, halt: Halt) -> Supplier:
        """Return one like this that ends when *halt* is said."""
        patience = replace(self.patience, sleep=halt.sleep)
        return replace(self, patience=patience, means=replace(self.means, halt=halt))

    def drop(self, files: Iterable[RemoteFile], spared: Collection[str] = ()) -> None:
        """Remove what was downloaded for *files*, from whatever source that is not *spared*."""
        tried = (self.resolver.order(file.sources, file.sha256) for file in files)
        for source in {source.partition("#")[0] for sources in tried for source in sources}:
            if source not in spared:
                drop(self.work, source)

    def _obtain_from(
        self, source: str, resolved: Resolved, wanted: _Wanted, others: Sequence[str]
    ) -> Obtained:
        file, download, means = wanted.file, resolved.download, self.means
        if resolved.member is None:
            download = wanted.expect(download)
            found = find_alternatives(others, self.resolver, download, wanted.expect)
            means = replace(means, alternatives=found)
        with hold(self.work, [_shared_name(source, download)], self.emit, means.halt.sleep) as emit:
            if resolved.member is None:
                look = partial(look_ahead, download, file, self.work, source, emit)
                # A server that does not answer must not hold up whoever stops.
                for done in first_of([in_background(look)], means.halt):
                    done.result()
            supplier = replace(self, emit=emit, means=means)
            bring = _bring_archive if file.archive else _bring_file
            fetched, unpacked = bring(
                supplier, source, replace(resolved, download=download), wanted
            )
        recorded = _record(source, resolved, file, fetched, unpacked)
        self._announce(file, recorded[0], wanted.known_sha256)
        place = wanted.place if unpacked else fetched.path
        return Obtained(file, place, fetched.received_bytes, recorded)

    def _announce(self, file: RemoteFile, recorded: ReceiptFile, known_sha256: str | None) -> None:
        if recorded.provenance == "tofu" and known_sha256 is None:
            said = f"nobody vouches for `{file.path}`: its sha256 {recorded.download_sha256}"
            self.emit(Log(f"{said} was recorded at this first download", "warning"))


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A file, the folder for what needs room, and the digest of an earlier download."""

    file: RemoteFile
    stage: Path
    known_sha256: str | None

    @property
    def place(self) -> Path:
        """Where the content goes, if it does not stay where it was downloaded to."""
        return (
            self.stage / self.file.path if self.file.archive else part(self.stage, self.file.path)
        )

    def expect(self, download: Download) -> Download:
        """Return *download* with what the catalog says of its size and digest.

        Raises:
            IntegrityError: the publisher says something else.
        """
        file = self.file
        expected = file.sha256 or (self.known_sha256 if download.digest is None else None)
        if expected is None:
            return replace(download, size_bytes=download.size_bytes or file.size_bytes)
        digest = Digest("sha256", expected)
        if download.digest not in (None, digest):
            theirs = download.digest.value
            message = f"has other bytes: their sha256 is {theirs}, expected {expected}"
            raise IntegrityError(message, hint="correct the catalog, or use another source")
        return replace(download, size_bytes=file.size_bytes or download.size_bytes, digest=digest)


def _bring_file(
    supplier: Supplier, source: str, resolved: Resolved, wanted: _Wanted
) -> tuple[Fetched, tuple[Unpacked, ...]]:
    """Download a file, and take it out of its package if it is in one."""
    fetched = _fetch(supplier, source, resolved, wanted.file)
    if resolved.member is None:
        return fetched, ()
    wanted.place.unlink(missing_ok=True)
    unpacked = extract_member(fetched.path, resolved.member, wanted.place)
    _check_member(unpacked, wanted.file)
    return fetched, (unpacked,)


def _bring_archive(
    supplier: Supplier, source: str, resolved: Resolved, wanted: _Wanted
) -> tuple[Fetched, tuple[Unpacked, ...]]:
    """Download an archive and unpack it, as far as that can be while it comes."""
    assert wanted.file.archive is not None  # noqa: S101 - whoever calls has looked
    root, place = wanted.file.archive.root, wanted.place
    meter, halt = Meter(f"unpack {wanted.file.path}", supplier.emit), supplier.means.halt

    def report(done: int) -> None:
        halt.check()
        meter(done)

    with following(root, place, meter) as follower:
        fetched = _fetch(supplier, source, resolved, wanted.file, follower)
        unpacked = follower.result(fetched.path, fetched.sha256)
        if unpacked is None:
            shutil.rmtree(place, ignore_errors=True)
            unpacked = unpack(fetched.path, root, place, report)
        return fetched, unpacked


def _fetch(
    supplier: Supplier,
    source: str,
    resolved: Resolved,
    file: RemoteFile,
    follower: Follower | None = None,
) -> Fetched:
    """Return a download, in a place of this process's own; *follower* is told of its front."""
    work, patience, means = supplier.work, supplier.patience, supplier.means
    download, task = resolved.download, _task(resolved, file)
    about = About(task, shown(source), download.size_bytes)
    with place_for(work, source, about) as place, metered(task, supplier.emit) as meter:

        def report(done: int, total: int | None, verified: int | None) -> None:
            means.halt.check()
            meter(done, total, verified)
            if follower is not None and done != total:
                follower.grow(place.path, verified or 0)

        fetched = fetch(download, place.path, report, patience, means)
        if not (place.private or place.holds(fetched.sha256, supplier.emit)):
            place.start_over()
            fetched = fetch(download, place.path, report, patience, means)
        _check_blob(fetched, resolved)
        return fetched


def shown(source: str) -> str:
    """Return *source* as it may be shown."""
    return without_secrets(source) if "://" in source else source.partition("#")[0]


def _shared_name(source: str, download: Download) -> str:
    """Return what processes that want the same bytes agree on."""
    digest = download.digest
    return f"{digest.algorithm} {digest.value}" if digest else shown(source)


def _task(resolved: Resolved, file: RemoteFile) -> str:
    return str(file.path) if resolved.member is None else resolved.download.source


def _check_blob(fetched: Fetched, resolved: Resolved) -> None:
    if resolved.blob_sha1 is None:
        return
    from aava_cli.download.sources.hub import check_blob

    try:
        check_blob(fetched.path, resolved.blob_sha1)
    except IntegrityError:
        remove_partial(fetched.path)
        raise


def _check_member(unpacked: Unpacked, file: RemoteFile) -> None:
    if file.sha256 not in (None, unpacked.sha256):
        message = f"its file has the sha256 {unpacked.sha256}, expected {file.sha256}"
        raise IntegrityError(message, hint="correct the catalog, or use another source")
    if file.size_bytes not in (None, unpacked.size_bytes):
        message = f"its file has {unpacked.size_bytes:,} bytes, expected {file.size_bytes:,}"
        raise IntegrityError(message, hint="correct the catalog, or use another source")


def _record(
    source: str,
    resolved: Resolved,
    file: RemoteFile,
    fetched: Fetched,
    unpacked: tuple[Unpacked, ...],
) -> tuple[ReceiptFile, ...]:
    provenance: Provenance = "catalog" if file.sha256 else resolved.voucher or "tofu"

    def entry(each: Unpacked) -> ReceiptFile:
        path = file.path / each.path if file.archive else file.path
        download_sha256 = fetched.sha256 if file.archive else each.sha256
        named = resolved.pinned or (shown(source) if "://" in source else source)
        return ReceiptFile(path, each.size_bytes, each.sha256, named, provenance, download_sha256)

    whole = Unpacked(file.path, fetched.size_bytes, fetched.sha256)
    return tuple(entry(each) for each in unpacked or (whole,))


def _no_source_has(file: RemoteFile, failures: Mapping[str, AavaError]) -> AavaError:
    reasons = "; ".join(f"{shown(source)}: {each.message}" for source, each in failures.items())
    message = f"cannot get `{file.path}`: {reasons}"
    if all(isinstance(error, IntegrityError) for error in failures.values()):
        return IntegrityError(message, hint="look at the sources that were named, or the catalog")
    denied = [error for error in failures.values() if isinstance(error, AccessDenied)]
    if denied:
        return AccessDenied(message, hint=denied[0].hint)
    return NetworkError(message, hint="run the command again; what was downloaded is kept")

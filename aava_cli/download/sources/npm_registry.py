"""Where npm looks for packages, asked of npm itself, and what its registry says of one."""

from __future__ import annotations

import base64
import binascii
import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from aava_cli.download.sources.http import Access, get_page, split_credentials
from aava_cli.download.transfer.partial import Digest
from aava_cli.errors import NetworkError

if TYPE_CHECKING:
    from collections.abc import Mapping

_NPM_TIMEOUT_S = 60
_ALGORITHMS = ("sha512", "sha384", "sha256")


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
    registry = _registry_for(settings, name)
    bare, headers = split_credentials(registry)
    parts = urlsplit(bare)
    cafile = settings.get("cafile")
    plain_host = parts.hostname if parts.scheme == "http" else None
    access = Access(headers, Path(cafile).expanduser() if cafile else None, plain_host)
    page = f"{bare.rstrip('/')}/{name.replace('/', '%2F')}/{version}"
    body, _ = get_page(page, access, accept="application/json")
    url, digest = _parse_package(body)
    tarball, own_headers = split_credentials(url)
    same_host = urlsplit(tarball).netloc == parts.netloc
    shared = headers if same_host else ()
    return Tarball(tarball, Access(own_headers or shared, access.certificates, plain_host), digest)


def _registry_for(settings: Mapping[str, str], name: str) -> str:
    scope = name.partition("/")[0] + ":registry"
    registry = settings.get(scope) or settings.get("registry")
    if not registry:
        message = "npm, which knows the package registry, is not installed"
        raise NetworkError(message, hint="install npm, or set `npm_config_registry`")
    return registry


def _parse_package(body: bytes) -> tuple[str, Digest | None]:
    try:
        dist = json.loads(body)["dist"]
        return str(dist["tarball"]), _parse_integrity(str(dist.get("integrity", "")))
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error) as error:
        hint = "check `npm config get registry`"
        raise NetworkError("the package registry does not answer as one", hint=hint) from error


def _parse_integrity(text: str) -> Digest | None:
    """Return the strongest digest of a subresource integrity *text*."""
    digests = dict(entry.split("-", 1) for entry in text.split() if "-" in entry)
    for algorithm in _ALGORITHMS:
        if algorithm in digests:
            value = base64.b64decode(digests[algorithm].partition("?")[0], validate=True)
            return Digest(algorithm, value.hex())
    return None


def ask_npm(command: str = "npm") -> Mapping[str, str]:
    """Return npm's settings; without npm, those of the environment and of the user's `.npmrc`."""
    try:
        # npm prints warnings on stderr.
        done = subprocess.run(
            [command, "config", "list", "--json"],
            capture_output=True,
            check=True,
            timeout=_NPM_TIMEOUT_S,
        )
        return _text_settings(json.loads(done.stdout))
    except (OSError, subprocess.SubprocessError, ValueError):
        return _own_settings()


def _text_settings(loaded: dict[str, Any]) -> Mapping[str, str]:
    return {key: value for key, value in loaded.items() if isinstance(value, str)}


def _own_settings() -> Mapping[str, str]:
    environment = {
        key.lower().removeprefix("npm_config_"): value
        for key, value in os.environ.items()
        if key.lower().startswith("npm_config_")
    }
    named = environment.get("userconfig")
    npmrc = Path(named) if named else Path.home() / ".npmrc"
    lines = npmrc.read_text("utf-8", "replace").splitlines() if npmrc.is_file() else []
    pairs = (line.partition("=") for line in lines)
    written = {key.strip(): value.strip().strip("\"'") for key, equals, value in pairs if equals}
    return written | environment

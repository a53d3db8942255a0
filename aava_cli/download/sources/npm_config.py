"""Where npm looks for packages, and as whom: asked of npm, and read where npm keeps its secrets.

npm tells its settings, but no credentials; those are in `.npmrc` files and in its variables.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from aava_cli.download.sources.http import basic
from aava_cli.errors import NetworkError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_NPM_TIMEOUT_S = 60
_VARIABLE = re.compile(r"\$\{([^}?]+)(\??)\}")
_OPTION_MARK = re.compile(r"(?<!^)_")
_LAST_PART = re.compile(r"(?:[^/]+|/)$")


def ask_npm(command: str = "npm") -> Mapping[str, str]:
    """Return npm's settings and credentials; without npm, those of its files and variables."""
    told = _ask(command)
    variables = dict(_variables())
    found: dict[str, str] = {}
    for path in _files(told, variables):
        found |= _read(path)
    return found | variables | told


def headers_for(settings: Mapping[str, str], url: str) -> tuple[tuple[str, str], ...]:
    """Return the credentials that *settings* have for *url*: of its path, or of what is above it.

    Raises:
        NetworkError: a password is not written as npm writes it.
    """
    parts = urlsplit(url)
    place = f"//{parts.netloc}{parts.path}"
    while len(place) > len("//"):
        if found := _credentials(settings, f"{place}:"):
            return found
        place = _LAST_PART.sub("", place)
    # Old files have credentials without a host: they are for the one registry that there was.
    registry = urlsplit(settings.get("registry", ""))
    return _credentials(settings, "") if registry.netloc == parts.netloc else ()


def _credentials(settings: Mapping[str, str], prefix: str) -> tuple[tuple[str, str], ...]:
    token, pair = settings.get(f"{prefix}_authToken"), settings.get(f"{prefix}_auth")
    if token:
        return (("Authorization", f"Bearer {token}"),)
    if pair:
        return (("Authorization", f"Basic {pair}"),)
    user, password = settings.get(f"{prefix}username"), settings.get(f"{prefix}_password")
    if not user or not password:
        return ()
    try:
        return (basic(user, base64.b64decode(password, validate=True).decode()),)
    except (binascii.Error, UnicodeDecodeError) as error:
        message = "npm's `_password` for the registry is not in Base64"
        raise NetworkError(message, hint="log in again: `npm login`") from error


def _ask(command: str) -> dict[str, str]:
    try:
        # npm prints warnings on stderr.
        done = subprocess.run(
            [command, "config", "list", "--json"],
            capture_output=True,
            check=True,
            timeout=_NPM_TIMEOUT_S,
        )
        loaded: dict[str, Any] = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return {}
    return {key: value for key, value in loaded.items() if isinstance(value, str)}


def _variables() -> Iterator[tuple[str, str]]:
    for key, value in os.environ.items():
        if value and key.lower().startswith("npm_config_"):
            name = key[len("npm_config_") :]
            # A name that is an address keeps its case and its underscores.
            yield name if name.startswith("//") else _OPTION_MARK.sub("-", name.lower()), value


def _files(told: Mapping[str, str], variables: Mapping[str, str]) -> Iterator[Path]:
    """Yield npm's files, the one that counts most last."""
    for option in ("globalconfig", "userconfig"):
        named = variables.get(option) or told.get(option)
        if named:
            yield Path(named).expanduser()
        elif option == "userconfig":
            yield Path.home() / ".npmrc"
    yield _project(Path.cwd()) / ".npmrc"


def _project(folder: Path) -> Path:
    """Return the nearest folder from *folder* up that npm takes for a project, else itself."""
    for each in (folder, *folder.parents):
        if (each / "package.json").exists() or (each / "node_modules").exists():
            return each
    return folder


def _read(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text("utf-8", "replace").splitlines()
    except OSError:
        return {}
    pairs = (line.partition("=") for line in lines if not line.lstrip().startswith(("#", ";")))
    return {_expanded(key): _expanded(value) for key, equals, value in pairs if equals}


def _expanded(text: str) -> str:
    bare = text.strip().strip("\"'")
    return _VARIABLE.sub(lambda found: _value_of(found[1], found[0], found[2]), bare)


def _value_of(name: str, written: str, optional: str) -> str:
    return os.environ.get(name, "" if optional else written)

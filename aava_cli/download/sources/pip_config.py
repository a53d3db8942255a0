"""Where pip looks for packages, asked of pip itself, whose files and variables are many."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from aava_cli.errors import NetworkError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PIPS = ((sys.executable, "-m", "pip"), ("python3", "-m", "pip"), ("pip",))
_DEFAULT = re.compile(r"--index-url\s.*?\(default\s+(\S+?)\)", re.DOTALL)
_PIP_TIMEOUT_S = 60
_TRUE = ("1", "true", "yes", "on", "y", "t")


@dataclass(frozen=True, slots=True)
class PipIndexes:
    """Where pip looks: *links* are folders, pages and files, *urls* indexes, best first."""

    urls: tuple[str, ...] = field(repr=False)
    certificates: Path | None = None
    links: tuple[str, ...] = field(default=(), repr=False)
    proxy: str | None = field(default=None, repr=False)
    client_certificate: Path | None = None


def ask_pip(commands: Sequence[Sequence[str]] = _PIPS) -> PipIndexes:
    """Return where pip is set up to look.

    Raises:
        NetworkError: there is no pip to ask, or it is to look nowhere.
    """
    for command in commands:
        listing = _run_pip(command, "config", "list")
        if listing is not None:
            return _parse_config(listing, command)
    message = "pip, which knows the package index, is not installed"
    raise NetworkError(message, hint="install pip, or use another source")


def _run_pip(command: Sequence[str], *arguments: str) -> str | None:
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
    links = tuple(options.get("find-links", "").split())
    urls: tuple[str, ...] = ()
    if options.get("no-index", "").lower() not in _TRUE:
        main = options.get("index-url") or _built_in(command)
        urls = (main, *options.get("extra-index-url", "").split())
    elif not links:
        raise NetworkError("pip is set up to ask no index", hint="use another source")
    certificates = options.get("cert") or os.environ.get("REQUESTS_CA_BUNDLE")
    own = options.get("client-cert")
    proxy = options.get("proxy") or None
    return PipIndexes(urls, _file(certificates), links, proxy, _file(own))


def _file(name: str | None) -> Path | None:
    return Path(name).expanduser() if name else None


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

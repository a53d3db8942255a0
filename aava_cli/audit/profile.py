"""Marker packs: which lines of a pipeline matter, how they look, and where the limits are.

A pack is TOML and names a version of what prints the lines; the ones that come with the program
are in `profiles/`, and `--profile FILE` brings another.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aava_cli.audit.finding import Finder
from aava_cli.audit.markers import DISTINCT_BYTES, IDENTITIES, Marker
from aava_cli.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

VERSION = 1
_CHANGED_IN_JSON = re.compile(rb'["\\<>&\x00-\x1f]')
_VALUES = {
    "number": rb"-?\d+(?:\.\d+)?",
    "word": rb"'?[^\s,|'}\"]*",
}


@dataclass(frozen=True, slots=True)
class Channel:
    """One of the ways in which lines reach the log; *remedy* says what makes it print."""

    name: str
    title: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Limits:
    """The numbers and words that the checks compare with."""

    numbers: Mapping[str, float]
    words: Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Profile:
    """A marker pack. *unit* is what is judged: calls, or the whole run as well."""

    name: str
    title: str
    markers: tuple[Marker, ...]
    channels: Mapping[str, Channel]
    checks: tuple[str, ...]
    limits: Limits
    full_ids: Mapping[str, re.Pattern[bytes]]
    elsewhere: re.Pattern[bytes] | None
    response_key: bytes | None
    names_first: tuple[str, ...]

    def finder(self) -> Finder:
        """Return what finds this profile's events."""
        return Finder(self.markers, self.elsewhere, self.response_key)


def parse_profile(text: str, *, name: str) -> Profile:
    """Return the profile that *text* describes; *name* is the file, for complaints.

    Raises:
        ConfigError: it is no TOML, or no marker pack of this version.
    """
    hint = "see `docs/audit.md` for the form of a marker pack"
    try:
        return _parse(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"`{name}` is no TOML: {error}", hint=hint) from error
    except (KeyError, TypeError, ValueError, AttributeError, re.error) as error:
        raise ConfigError(f"`{name}` is no marker pack: {_told(error)}", hint=hint) from error


def _told(error: Exception) -> str:
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)


def _parse(found: dict[str, Any]) -> Profile:
    if found["version"] != VERSION:
        raise ValueError(f"its version is {found['version']}, and {VERSION} is known")
    channels = {
        name: Channel(name, each["title"], each["remedy"])
        for name, each in found["channels"].items()
    }
    markers = tuple(_marker(kind, each) for kind, each in found["markers"].items())
    unknown = {each.channel for each in markers} - set(channels)
    if unknown:
        raise ValueError(f"no channel is called {', '.join(sorted(unknown))}")
    identity = found["identity"]
    elsewhere, response_key = identity.get("anywhere"), identity.get("response")
    return Profile(
        name=found["name"],
        title=found["title"],
        markers=markers,
        channels=channels,
        checks=tuple(found["checks"]),
        limits=Limits(
            {key: float(value) for key, value in found["limits"].items()},
            {key: frozenset(each) for key, each in found.get("words", {}).items()},
        ),
        full_ids={kind: re.compile(each.encode()) for kind, each in identity["full"].items()},
        elsewhere=re.compile(elsewhere.encode()) if elsewhere else None,
        response_key=response_key.encode() if response_key else None,
        names_first=tuple(identity["full"]),
    )


def _marker(kind: str, found: dict[str, Any]) -> Marker:
    tag = found["tag"].encode()
    if len(tag) < DISTINCT_BYTES or _CHANGED_IN_JSON.search(tag):
        raise ValueError(f"the tag of `{kind}` is short, or a collector would write it otherwise")
    whole = found.get("pattern")
    text = whole.encode() if whole else re.escape(tag) + found.get("then", "").encode()
    pattern = re.compile(text + b"".join(_lookaheads(found)))
    if len(pattern.groupindex) != pattern.groups:
        raise ValueError(f"a group of `{kind}` has no name")
    return Marker(
        kind=kind,
        tag=tag,
        pattern=pattern,
        channel=found["channel"],
        phase=found.get("phase", "live"),
        role=found.get("role"),
        is_alarm=found.get("alarm", False),
        numbers=tuple(key for key, form in _fields(found) if form == "number"),
    )


def _fields(found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for each in (found, found.get("optional", {})):
        yield from each.get("fields", {}).items()


def _lookaheads(found: dict[str, Any]) -> Iterator[bytes]:
    """Yield what reads `key=value` wherever it stands behind the tag, in any order."""
    for group, key, value in _wanted(found):
        yield b"(?=.*?\\b%b=(?P<%b>%b))" % (key.encode(), group.encode(), value)
    for group, key, value in _wanted(found.get("optional", {})):
        yield b"(?:(?=.*?\\b%b=(?P<%b>%b))|)" % (key.encode(), group.encode(), value)


def _wanted(found: dict[str, Any]) -> Iterator[tuple[str, str, bytes]]:
    for kind, key in found.get("ids", {}).items():
        if kind not in IDENTITIES:
            raise ValueError(f"`{kind}` names no call")
        yield kind, key, rb"[\w-]+"
    for key, form in found.get("fields", {}).items():
        yield key, key, _VALUES[form]

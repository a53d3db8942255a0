"""Marker packs: which lines of a pipeline matter, how they look, and where the limits are.

A pack is TOML and names a version of what prints the lines; the ones that come with the program
are in `profiles/`, and `--profile FILE` brings another.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any, get_args

from aava_cli.audit.finding import Finder
from aava_cli.audit.markers import DISTINCT_BYTES, IDENTITIES, NAMES, Marker, Phase, Role
from aava_cli.audit.patterns import compiled
from aava_cli.audit.problems import BadPack

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from collections.abc import Set as AbstractSet

VERSION = 1
_KEYS = {
    *("version", "name", "title", "checks", "channels"),
    *("identity", "limits", "words", "markers"),
}
_MARKER_KEYS = {
    *("tag", "then", "pattern", "channel", "phase"),
    *("role", "alarm", "fields", "ids", "optional"),
}
_BROKEN = (KeyError, TypeError, ValueError, AttributeError, re.error, RecursionError, OverflowError)
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
    """A marker pack.

    *full_ids* tell whole names from beginnings, *names_first* is which kind of name is shown for
    a call, and *elsewhere* finds a call's name wherever in a line it stands.
    """

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
        ConfigError: it is no TOML, or no marker pack of this version, or lacks what it needs.
    """
    from aava_cli.audit.trying import try_checks

    hint = "see `docs/audit.md` for the form of a marker pack"
    try:
        profile = _parse(tomllib.loads(text))
        profile.finder()
        try_checks(profile)
    except tomllib.TOMLDecodeError as error:
        raise BadPack(f"`{name}` is no TOML: {error}", hint=hint) from error
    except _BROKEN as error:
        raise BadPack(f"`{name}` is no marker pack: {_told(error)}", hint=hint) from error
    return profile


def _told(error: Exception) -> str:
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)


def _parse(found: dict[str, Any]) -> Profile:
    if type(found["version"]) is not int or found["version"] != VERSION:
        raise ValueError(f"its version is {found['version']!r}, and {VERSION} is known")
    _only(found, _KEYS, "the pack")
    channels = {
        name: Channel(name, str(each["title"]), str(each["remedy"]))
        for name, each in found["channels"].items()
    }
    full_ids = {
        kind: compiled(each, f"`{kind}` of [identity.full]")
        for kind, each in found["identity"]["full"].items()
    }
    _only(full_ids, set(NAMES), "[identity.full]")
    markers = tuple(_named_marker(kind, each) for kind, each in found["markers"].items())
    for each in markers:
        _only({each.channel}, set(channels), f"`{each.kind}`, its channel")
        _only(set(each.pattern.groupindex) & set(NAMES), set(full_ids), f"`{each.kind}`, a name")
    if not markers:
        raise ValueError("it has no markers")
    return Profile(
        name=_text(found["name"], "name"),
        title=_text(found["title"], "title"),
        markers=markers,
        channels=channels,
        checks=_texts(found["checks"], "checks"),
        limits=_limits(found),
        full_ids=full_ids,
        elsewhere=_elsewhere(found["identity"], full_ids),
        response_key=_response_key(found["identity"]),
        names_first=tuple(full_ids),
    )


def _only(found: Iterable[str], known: AbstractSet[str], where: str) -> None:
    if unknown := sorted(set(found) - known):
        raise ValueError(f"`{unknown[0]}` of {where} is unknown")


def _text(value: object, key: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"`{key}` is no text")
    return value


def _texts(value: object, key: str) -> tuple[str, ...]:
    if not isinstance(value, list) or len({*map(str, value)}) < len(value):
        raise TypeError(f"`{key}` is no list of different texts")
    return tuple(_text(each, key) for each in value)


def _limits(found: dict[str, Any]) -> Limits:
    for key, value in found["limits"].items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
            raise ValueError(f"the limit `{key}` is no number")
    return Limits(
        {key: float(value) for key, value in found["limits"].items()},
        {key: frozenset(_texts(each, key)) for key, each in found.get("words", {}).items()},
    )


def _elsewhere(
    identity: dict[str, Any], full_ids: Mapping[str, re.Pattern[bytes]]
) -> re.Pattern[bytes] | None:
    _only(identity, {"anywhere", "response", "full"}, "[identity]")
    if "anywhere" not in identity:
        return None
    pattern = compiled(identity["anywhere"], "`anywhere` of [identity]", is_anywhere=True)
    if pattern.groups != 1 or "call" not in full_ids:
        raise ValueError("`anywhere` has to have one group, a name of the kind `call`")
    return pattern


def _response_key(identity: dict[str, Any]) -> bytes | None:
    key = identity.get("response")
    return None if key is None else _text(key, "response").encode()


def _named_marker(kind: str, found: dict[str, Any]) -> Marker:
    try:
        return _marker(kind, found)
    except (KeyError, TypeError, AttributeError, re.error) as error:
        # Whatever is missing, or is a list where a text belongs.
        raise ValueError(f"`{kind}`: {_told(error)}") from error


def _marker(kind: str, found: dict[str, Any]) -> Marker:
    _only(found, _MARKER_KEYS, f"`{kind}`")
    _only(found.get("optional", {}), {"ids", "fields"}, f"`{kind}`, optional")
    _only({found.get("phase", "live")}, {*get_args(Phase)}, f"`{kind}`, its phase")
    _only({found[key] for key in ("role",) if key in found}, {*get_args(Role)}, f"`{kind}`")
    tag = found["tag"].encode()
    if len(tag) < DISTINCT_BYTES or not tag.isascii() or _CHANGED_IN_JSON.search(tag):
        raise ValueError(f"the tag of `{kind}` is short, or a collector would write it otherwise")
    pattern = re.compile(_begin(kind, found).encode() + b"".join(_lookaheads(found)))
    if len(pattern.groupindex) != pattern.groups:
        raise ValueError(f"a group of `{kind}` has no name")
    if not isinstance(found.get("alarm", False), bool):
        raise TypeError(f"`alarm` of `{kind}` is neither true nor false")
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


def _begin(kind: str, found: dict[str, Any]) -> str:
    """Return what a line of a marker begins with, up to its fields."""
    tag: str = found["tag"]
    then, whole = str(found.get("then", "")), found.get("pattern")
    is_followed = bool(found.get("fields") or found.get("ids"))
    compiled(then if whole is None else whole, f"marker `{kind}`", is_followed=is_followed)
    if whole is None:
        return re.escape(tag) + then
    # Groups may begin in the tag, and signs are escaped in it.
    plain = re.sub(r"\\(?=\W)", "", re.sub(r"(?<!\\)\((?:\?(?::|P<\w+>))?", "", whole))
    if then or not plain.startswith(tag):
        raise ValueError(f"the pattern of `{kind}` does not begin with its tag")
    return str(whole)


def _fields(found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for each in (found, found.get("optional", {})):
        yield from each.get("fields", {}).items()


def _lookaheads(found: dict[str, Any]) -> Iterator[bytes]:
    """Yield what reads `key=value` wherever it stands behind the tag, in any order."""
    for group, key, value in _wanted(found):
        yield b"(?=.*?\\b%b=(?P<%b>%b))" % (re.escape(key.encode()), group.encode(), value)
    for group, key, value in _wanted(found.get("optional", {})):
        yield b"(?:(?=.*?\\b%b=(?P<%b>%b))|)" % (re.escape(key.encode()), group.encode(), value)


def _wanted(found: dict[str, Any]) -> Iterator[tuple[str, str, bytes]]:
    for kind, key in found.get("ids", {}).items():
        if kind not in IDENTITIES:
            raise ValueError(f"`{kind}` names no call")
        yield kind, key, rb"[\w-]+"
    for key, form in found.get("fields", {}).items():
        if form not in _VALUES:
            raise ValueError(f"`{form}` is no form of a field")
        yield key, key, _VALUES[form]

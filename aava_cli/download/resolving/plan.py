"""Decide where a model is loaded from: facts about places in, one of them or a reason out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from shlex import quote
from typing import TYPE_CHECKING, TypeAlias

from aava_cli.errors import AavaError, IntegrityError, Offline, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from aava_cli.download.resolving.probe import Sight

_PART = r"[\w.-]*\w"
# A revision may be a branch with slashes, such as that of a pull request: `refs/pr/1`.
_ASKED = re.compile(rf"(?:hf:)?((?:{_PART}/)?{_PART})(?:@({_PART}(?:/{_PART})*))?")
MAIN = "main"


@dataclass(frozen=True, slots=True)
class Asked:
    """A model by its name on the hub; *revision* is None where none was named."""

    repository: str
    revision: str | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """What is allowed and known.

    *command* brings the model where there is a network; *unknown* says that we call no model so.
    """

    offline: bool
    command: str
    unknown: AavaError | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """The model is loaded from a place on this host."""

    sight: Sight


@dataclass(frozen=True, slots=True)
class AskHub:
    """No place on this host has it whole: the hub is next."""


@dataclass(frozen=True, slots=True)
class Refused:
    """It cannot be loaded, for the reason that *error* tells."""

    error: AavaError


Decision: TypeAlias = Taken | AskHub | Refused


def parse_name(name: str) -> Asked:
    """Return what *name* asks for: `org/name`, `org/name@revision`, or either behind `hf:`.

    Raises:
        UsageError: the hub has no such names.
    """
    found = _ASKED.fullmatch(name)
    if found is None:
        message = f"`{name}` is no name of a model"
        raise UsageError(message, hint="write it as `ORG/NAME`, `ORG/NAME@REVISION` or a folder")
    return Asked(found[1], found[2])


def download_command(asked: Asked, cache: Path, *, lifts_offline: bool) -> str:
    """Return the command that brings *asked* whole into *cache*, also where offline is said."""
    words = ["hf", "download", asked.repository]
    words += ["--revision", asked.revision] if asked.revision else []
    words += ["--cache-dir", quote(str(cache))]
    # The libraries let this variable win over the other one.
    return " ".join((["HF_HUB_OFFLINE=0"] if lifts_offline else []) + words)


def decide(asked: Asked, sights: Sequence[Sight], terms: Terms) -> Decision:
    """Return from where *asked* is loaded: the first of *sights* that is whole, else the hub.

    A folder that was named is all that is looked at.
    """
    whole = next((each for each in sights if each.is_whole), None)
    if whole is not None:
        return Taken(whole)
    begun = next((each for each in sights if each.lacks), None)
    if begun is not None and (begun.kind == "folder" or terms.unknown is not None):
        return Refused(_incomplete(begun, "put it there, or name the model as `ORG/NAME`"))
    if terms.unknown is not None:
        return Refused(terms.unknown)
    if not terms.offline:
        return AskHub()
    if begun is not None:
        force = " --force-download" if any(each.is_there for each in begun.lacks) else ""
        return Refused(_incomplete(begun, f"run `{terms.command}{force}` with a network"))
    message = f"`{asked.repository}` is not on this host, and the hub may not be asked: offline"
    return Refused(Offline(message, hint=f"run `{terms.command}` with a network"))


def _incomplete(sight: Sight, hint: str) -> IntegrityError:
    listed = ", ".join(map(str, sight.lacks))
    return IntegrityError(f"`{sight.path}` is incomplete: {listed}", hint=hint)


def why_not(sight: Sight, taken: Sight | None) -> str | None:
    """Return why *sight* was not taken; None for the one that was."""
    if sight is taken:
        return None
    if sight.absent is not None:
        return sight.absent
    if sight.lacks:
        return ", ".join(map(str, sight.lacks))
    return "whole, but another place comes first"

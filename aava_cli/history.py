"""The changes that were made, as their journals tell."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aava_cli.folders import FOLDER_STEPS
from aava_cli.journal import COMMITTED, HISTORY
from aava_cli.steps import WriteFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from aava_cli.roles import Role


@dataclass(frozen=True, slots=True)
class PastChange:
    """One change: its *number* counts those that came about from the newest, which is 1.

    *before* and *after* are parts of what a status said then and was to say; *loaded* are the
    roles that were loaded before. One that *changed_image* is gone back from by another way.
    *folders* are those that were made, or given to somebody: what they were, and became.
    """

    number: int | None
    command: str
    started_at: float
    outcome: str
    files: tuple[WriteFile, ...]
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    loaded: tuple[Role, ...]
    changed_image: bool = False
    folders: tuple[tuple[Path, str | None, str], ...] = ()


def read_history(state_dir: Path) -> tuple[PastChange, ...]:
    """Return the changes of a project, the newest first; what cannot be read is left out."""
    return tuple(_numbered(state_dir / HISTORY))


def _numbered(folder: Path) -> Iterator[PastChange]:
    number = 1
    for path in sorted(folder.glob("*.json"), reverse=True):
        outcome = path.stem.partition("-")[2]
        made = outcome == COMMITTED
        try:
            yield _parse(json.loads(path.read_bytes()), outcome, number if made else None)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            # Another version of the program wrote it, or it has just been forgotten.
            continue
        number += made


def _parse(content: Mapping[str, Any], outcome: str, number: int | None) -> PastChange:
    steps = content["steps"]
    asked: Mapping[str, Any] = next((each for each in steps if each["kind"] == "ask-daemon"), {})
    return PastChange(
        number,
        str(content["command"]),
        float(content["started_at"]),
        outcome,
        tuple(WriteFile.from_json(step) for step in steps if step["kind"] == "write-file"),
        _status(asked["before"]["values"]) if asked else {},
        _status(asked["after"]["values"]) if asked else {},
        tuple(asked["before"]["loaded"]) if asked else (),
        any(step["kind"] == "move-tag" for step in steps),
        tuple(_folder(step) for step in steps if step["kind"] in FOLDER_STEPS),
    )


def _folder(step: Mapping[str, Any]) -> tuple[Path, str | None, str]:
    told = FOLDER_STEPS[step["kind"]](step)
    return told.path, told.was, told.becomes


def _status(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a status that *values*, by dotted path, are."""
    status: dict[str, Any] = {}
    for dotted, value in values.items():
        *folders, last = dotted.split(".")
        inner = status
        for folder in folders:
            inner = inner.setdefault(folder, {})
        inner[last] = value
    return status

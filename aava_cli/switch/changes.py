"""What differs between two states, value by value, as it may be shown."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

from aava_cli import envfile, yamlfile
from aava_cli.redact import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aava_cli.backends import Selection
    from aava_cli.roles import Role


@dataclass(frozen=True, slots=True)
class Change:
    """One value that will differ, as it may be shown; None where there is none."""

    where: str
    key: str
    old: str | None
    new: str | None


def env_changes(old: str, new: str, *, name: str = ".env") -> Iterable[Change]:
    """Yield the values in which two texts of `.env` differ."""
    yield from _differences(".env", envfile.read(old, name=name), envfile.read(new, name=name))


def yaml_changes(old: str | None, new: str | None, *, name: str) -> Iterable[Change]:
    """Yield the values in which two texts of the YAML overlay differ."""
    if old == new:
        return
    before, after = (_dotted(text, name) for text in (old, new))
    yield from _differences(PurePath(name).name, before, after)


def _dotted(text: str | None, name: str) -> dict[str, object]:
    leaves = yamlfile.leaves(yamlfile.load(text or "", name=name))
    return {".".join(map(str, path)): value for path, value in leaves.items()}


def _differences(
    where: str, old: Mapping[str, object], new: Mapping[str, object]
) -> Iterable[Change]:
    for key in {**new, **old}:
        if key not in old or key not in new or old[key] != new[key]:
            before, after = (
                shown(key, str(values[key])) if key in values else None for values in (old, new)
            )
            yield Change(where, key, before, after)


def tidying(void: envfile.Duplicate) -> Change:
    """Return the change that takes away a line of `.env` that a later one overrides."""
    value = None if void.value is None else shown(void.key, void.value)
    return Change(".env", f"{void.key} in line {void.line}", value, None)


def runtime_changes(
    running: Mapping[Role, Selection], moving: Iterable[Selection]
) -> Iterable[Change]:
    """Yield what the daemon will run instead of what is *running*."""
    for selection in moving:
        role = selection.backend.role
        yield Change("daemon", role, _name(running.get(role)), _name(selection))


def _name(selection: Selection | None) -> str:
    return str(selection) if selection and selection.model else "nothing"

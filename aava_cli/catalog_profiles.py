"""Profiles: which models suit which kind of host, as catalogs say it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias, cast, get_args

from aava_cli.backends import BACKENDS
from aava_cli.catalog_fields import (
    Malformed,
    check_fields,
    either,
    get_count,
    get_text,
    need_text,
    texts,
)
from aava_cli.errors import UsageError
from aava_cli.roles import ROLES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aava_cli.catalog_fields import Table
    from aava_cli.roles import Role

Mode: TypeAlias = Literal["full", "minimal"]
"""What `LOCAL_AI_MODE` says: `minimal` loads no language model."""

_FIELDS = frozenset(
    {"description", "mode", "rank", "memory_gb", "processors", "gpu_gb", "options", *ROLES}
)
_OPTION = re.compile(r"(stt|llm|tts)\.(\w+)=(.+)")


@dataclass(frozen=True, slots=True)
class Profile:
    """A set of models for one kind of host: candidates by role, best first, and what they need.

    *rank* orders the profiles that are chosen from, the richest having the highest; one without
    is chosen by name alone. *options* are written as `llm.gpu_layers=-1`, and count where the
    chosen engine has them. *gpu_gb* is the memory of one GPU. *source* is the file that says so.
    """

    name: str
    description: str
    mode: Mode
    candidates: Mapping[Role, tuple[str, ...]] = field(hash=False)
    options: tuple[str, ...] = ()
    rank: int | None = None
    memory_gb: int | None = None
    processors: int | None = None
    gpu_gb: int | None = None
    source: str = ""


def read_profile(name: str, table: Table, *, source: str) -> Profile:
    """Return the profile *name* that *table* of the file *source* describes.

    Raises:
        Malformed: a field is not what it should be.
    """
    check_fields(table, _FIELDS)
    mode = need_text(table, "mode")
    if mode not in get_args(Mode):
        raise Malformed(f"`mode` must be {either(get_args(Mode))}")
    return Profile(
        name=name,
        description=get_text(table, "description") or name,
        mode=cast("Mode", mode),
        candidates=_candidates(table, mode),
        options=_options(table),
        rank=get_count(table, "rank"),
        memory_gb=get_count(table, "memory_gb"),
        processors=get_count(table, "processors"),
        gpu_gb=get_count(table, "gpu_gb"),
        source=source,
    )


def _candidates(table: Table, mode: str) -> dict[Role, tuple[str, ...]]:
    found = {role: texts(table, role) for role in ROLES}
    if mode == "minimal" and found["llm"]:
        raise Malformed("`llm` means nothing with the `mode` `minimal`, which loads none")
    for role in ROLES:
        if not found[role] and (mode, role) != ("minimal", "llm"):
            raise Malformed(f"`{role}` must name at least one model")
    return {role: names for role, names in found.items() if names}


def _options(table: Table) -> tuple[str, ...]:
    options = texts(table, "options")
    for option in options:
        found = _OPTION.fullmatch(option)
        if found is None:
            raise Malformed(f"`{option}` is no option: write it as `llm.context=4096`")
        _check_option(*found.groups())
    return options


def _check_option(role: str, name: str, value: str) -> None:
    """Raise `Malformed` unless an engine for *role* has the option *name*, and takes *value*."""
    settings = [
        setting
        for backend in BACKENDS.values()
        if backend.role == role
        for setting in backend.settings
        if setting.option == name
    ]
    if not settings:
        raise Malformed(f"no engine for `{role}` has an option `{name}`")
    try:
        settings[0].parse(value)
    except UsageError as error:
        raise Malformed(error.message) from error

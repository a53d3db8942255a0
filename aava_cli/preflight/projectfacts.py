"""What is known of a project: its files, its folders, and the models that it selects."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from aava_cli.folders import Ownership

_WRITE_AND_ENTER = 0o3


@dataclass(frozen=True, slots=True)
class EnvFile:
    """What matters of `.env`; it holds secrets, so its other values stay out.

    *problem* is why it does not parse: nothing else is known then. *address_problem* is what is
    wrong with the host or the port that it names; a *host* that is none is empty.
    """

    path: Path
    exists: bool = False
    problem: str | None = None
    address_problem: str | None = None
    host: str = "127.0.0.1"
    has_token: bool = False
    comments_as_values: tuple[str, ...] = ()
    others_may_read: bool = False
    has_example: bool = False
    misread: tuple[str, ...] = ()
    bad_values: tuple[str, ...] = ()
    gpu_available: str | None = None
    gpu_settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Parsed:
    """A file that people write, and that exists; *problem* is why it does not parse."""

    path: Path
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Overlay:
    """What the YAML overlay does to the file below it, by dotted path of keys.

    *replaced* are mappings below that it puts a single value, or nothing, in place of.
    """

    replaced: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Folder:
    """What files are written to; one that does not exist yet is judged by the folder above it.

    *held* is None where it does not exist. *leads_to* is where it really is, if a link is in it
    that was not named by the user.
    """

    path: Path
    exists: bool
    writable: bool
    held: Ownership | None = None
    leads_to: Path | None = None

    def is_open_to(self, user: int) -> bool:
        """Return whether *user*, whose group has the same number, can make files in it."""
        if self.held is None:
            return False
        shift = 6 if self.held.owner == user else 3 if self.held.group == user else 0
        return self.held.mode >> shift & _WRITE_AND_ENTER == _WRITE_AND_ENTER


@dataclass(frozen=True, slots=True)
class Label:
    """How SELinux, where it refuses things, sees the models folder; None where it has no label."""

    path: Path
    is_enforced: bool
    type: str | None = None


@dataclass(frozen=True, slots=True)
class Pending:
    """Why every change is refused, and what ends that."""

    problem: str
    fix: str


@dataclass(frozen=True, slots=True)
class Selected:
    """The model that `.env` selects for a role; *problem* is why the daemon cannot load it."""

    role: str
    name: str
    problem: str | None = None
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Drift:
    """What runs or is written elsewhere and differs from `.env`, and what makes it agree."""

    notes: tuple[str, ...] = ()
    remedies: tuple[str, ...] = ()
    answers: bool = True
